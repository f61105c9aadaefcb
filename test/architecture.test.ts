/** The layers of docs/architecture.md, held: imports point downward only, and a domain folder leaves others' SQL alone. */
import { expect, test } from "bun:test";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";

const RANK: Record<string, number> = {
  main: 9,
  runtime: 8,
  cli: 6,
  rpc: 6,
  people: 6,
  upkeep: 6,
  engine: 5,
  domain: 4,
  db: 3,
  config: 2,
  client: 2,
  lib: 1,
};
/** The files in no folder, and what they are put together of in src/service, know every part, and so stand above all. */
function area(file: string): string {
  if (file === "config.ts") return "config";
  const [folder, ...rest] = file.split("/");
  return rest.length === 0 || folder === "service" ? "main" : folder!;
}

interface Import {
  readonly from: string;
  readonly to: string;
  /** Gone at run time: a type says nothing about what a part needs. */
  readonly typeOnly: boolean;
  /** By import(), when it is needed. */
  readonly lazy: boolean;
}

async function importsUnder(root: string): Promise<Import[]> {
  const imports: Import[] = [];
  for await (const from of new Glob("**/*.ts").scan(root)) {
    const text = await Bun.file(join(root, from)).text();
    for (const [, keyword, names, path] of text.matchAll(/^(import|export)\b([^;]*?)\bfrom "(\.[^"]+)"/gms))
      imports.push({
        from,
        to: normalize(join(dirname(from), path!)),
        typeOnly: /^\s*type\b/.test(names!) && keyword !== undefined,
        lazy: false,
      });
    for (const [, path] of text.matchAll(/\bimport\("(\.[^"]+)"\)/g))
      imports.push({ from, to: normalize(join(dirname(from), path!)), typeOnly: false, lazy: true });
  }
  return imports;
}

const imports = (await importsUnder("src")).filter(({ to }) => to.startsWith("..") === false);

test("imports point downward only", () => {
  const upward = imports.filter(({ from, to }) => {
    if (area(from) === area(to) || area(from) === "client") return false;
    return !(RANK[area(to)]! < RANK[area(from)]!);
  });
  expect(upward.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test("rpc, people, cli and upkeep do not see each other; runtime is used by main alone", () => {
  const beside = ["rpc", "people", "cli", "upkeep"];
  const sideways = imports.filter(
    ({ from, to }) =>
      (beside.includes(area(from)) && beside.includes(area(to)) && area(from) !== area(to)) ||
      (area(to) === "runtime" && !["main", "runtime"].includes(area(from))),
  );
  expect(sideways.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test("the client takes nothing of ours but lib along, types aside", () => {
  const taken = imports.filter(
    ({ from, to, typeOnly }) => area(from) === "client" && !typeOnly && !["client", "lib"].includes(area(to)),
  );
  expect(taken.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test("a domain folder uses its own SQL only", () => {
  const noun = (file: string) => file.split("/")[1];
  const foreign = imports.filter(
    ({ from, to, typeOnly }) =>
      area(from) === "domain" && area(to) === "domain" && noun(from) !== noun(to) && /queries/.test(to) && !typeOnly,
  );
  expect(foreign.map(({ from, to }) => `${from} → ${to}`)).toEqual([]);
});

test("better-auth is known to people/ alone", async () => {
  const users: string[] = [];
  for await (const file of new Glob("**/*.ts").scan("src"))
    if (/\bfrom "better-auth|import\("better-auth/.test(await Bun.file(join("src", file)).text())) users.push(file);
  expect(users).not.toBeEmpty();
  expect(users.filter((file) => !file.startsWith("people/"))).toEqual([]);
});

test("people/ is loaded by import() alone: a service without people does not pay for it", () => {
  const users = imports.filter(({ from, to }) => area(to) === "people" && area(from) !== "people");
  expect(users.filter(({ lazy }) => lazy)).not.toBeEmpty();
  expect(users.filter(({ typeOnly, lazy }) => !typeOnly && !lazy)).toEqual([]);
});

test("only config.ts reads the environment, which main.ts hands to it", async () => {
  const readers: string[] = [];
  for await (const file of new Glob("**/*.ts").scan("src"))
    if (/\b(process\.env|Bun\.env|Deno\.env)\b/.test(await Bun.file(join("src", file)).text())) readers.push(file);
  expect(readers).toEqual(["main.ts"]);
});

test("Bun and Deno are named in runtime/ alone", async () => {
  const users: string[] = [];
  for await (const file of new Glob("**/*.ts").scan("src")) {
    const code = (await Bun.file(join("src", file)).text()).replace(/\/\*[\s\S]*?\*\/|\/\/.*$/gm, "");
    if (/\b(Bun|Deno)\.\w/.test(code) && !file.startsWith("runtime/")) users.push(file);
  }
  expect(users).toEqual([]);
});
