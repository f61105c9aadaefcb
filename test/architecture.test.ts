/** The layers of docs/architecture.md, held: imports point downward only, and a domain folder leaves others' SQL alone. */
import { expect, test } from "bun:test";
import { dirname, join, normalize } from "node:path";
import { Glob } from "bun";

const RANK: Record<string, number> = {
  main: 9,
  runtime: 8,
  cli: 6,
  rpc: 6,
  upkeep: 6,
  engine: 5,
  domain: 4,
  db: 3,
  config: 2,
  client: 2,
  lib: 1,
};
/** The files that know every part, and so stand above all. */
const MAIN = new Set(["main.ts", "serve.ts", "unsafe.ts", "version.ts"]);

const area = (file: string) => (MAIN.has(file) ? "main" : file === "config.ts" ? "config" : file.split("/")[0]!);

interface Import {
  readonly from: string;
  readonly to: string;
  /** Gone at run time: a type says nothing about what a part needs. */
  readonly typeOnly: boolean;
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
      });
    for (const [, path] of text.matchAll(/\bimport\("(\.[^"]+)"\)/g))
      imports.push({ from, to: normalize(join(dirname(from), path!)), typeOnly: false });
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

test("rpc, cli and upkeep do not see each other; runtime is used by main alone", () => {
  const beside = ["rpc", "cli", "upkeep"];
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
