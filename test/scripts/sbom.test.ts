import { describe, expect, test } from "bun:test";
import { z } from "zod";
import schema from "../../node_modules/@cyclonedx/cyclonedx-library/res/schema/bom-1.6.SNAPSHOT.schema.json";
import jsf from "../../node_modules/@cyclonedx/cyclonedx-library/res/schema/jsf-0.82.SNAPSHOT.schema.json";
import spdx from "../../node_modules/@cyclonedx/cyclonedx-library/res/schema/spdx.SNAPSHOT.schema.json";
import { LOCKED, MANIFEST } from "../../scripts/lockfile.ts";
import { billOfMaterials } from "../../scripts/sbom.ts";

type Json = { [key: string]: unknown };

/** The specification's schema in one piece: it refers to two others by the names of their files. */
function specification() {
  const inOnePiece = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map(inOnePiece);
    if (typeof value !== "object" || value === null) return value;
    const { $ref, required, type } = value as Json;
    if ($ref === "spdx.SNAPSHOT.schema.json") return { enum: spdx.enum };
    // Nothing is signed here, and a signature would be a mistake.
    if (typeof $ref === "string" && $ref.startsWith("jsf-")) return { not: {} };
    // Zod takes a bare "required" for a schema that everything meets.
    const bare = Array.isArray(required) && type === undefined;
    const said = bare ? { type: "object", properties: Object.fromEntries(required.map((name) => [name, {}])) } : {};
    return { ...said, ...Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inOnePiece(inner)])) };
  };
  return z.fromJSONSchema(inOnePiece(schema) as Parameters<typeof z.fromJSONSchema>[0], { defaultTarget: "draft-7" });
}

interface Component {
  readonly "bom-ref": string;
  readonly name: string;
  readonly group?: string;
  readonly version: string;
  readonly scope: string;
  readonly purl: string;
  readonly hashes: readonly { alg: string; content: string }[];
  readonly licenses?: readonly unknown[];
}

interface Bom {
  readonly specVersion: string;
  readonly metadata: { readonly component: { readonly "bom-ref": string; readonly name: string } };
  readonly components: readonly Component[];
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[];
}

const text = await billOfMaterials();
const bom = JSON.parse(text) as Bom;
const one = (name: string) => bom.components.find(({ purl }) => purl.startsWith(`pkg:npm/${name}@`))!;

test("the schemas are the ones that are known here", () => {
  expect(schema.$id).toContain("bom-1.6");
  expect(spdx.enum).toContain("MIT");
  expect(jsf.definitions.signature).toBeDefined();
});

describe("the schema of CycloneDX 1.6", () => {
  const valid = specification();

  test("is met", () => {
    expect(valid.safeParse(bom).error?.issues ?? []).toEqual([]);
    expect(bom.specVersion).toBe("1.6");
  });

  // Else the test above would say nothing.
  test.each([
    ["a kind of component that there is not", { type: "librari", name: "x" }],
    ["a component without a name", { type: "library" }],
    ["a hash that is not one", { type: "library", name: "x", hashes: [{ alg: "SHA-512", content: "zz" }] }],
    ["a licence with two names", { type: "library", name: "x", licenses: [{ license: { id: "MIT", name: "MIT" } }] }],
    ["a licence that SPDX does not know", { type: "library", name: "x", licenses: [{ license: { id: "MIT2" } }] }],
  ])("would refuse %s", (_what, component) => {
    expect(valid.safeParse({ ...bom, components: [component] }).success).toBe(false);
  });
});

test("every package of the lock file is in it, with its address and its hash", () => {
  const refs = new Set(bom.components.map((component) => component["bom-ref"]));
  expect(refs.size).toBe(bom.components.length);
  expect([...refs].toSorted()).toEqual([...new Set(LOCKED.map((it) => `${it.name}@${it.version}`))].toSorted());
  for (const { purl, hashes } of bom.components) {
    expect(purl).toMatch(/^pkg:npm\/(%40[^/@]+\/)?[^/@]+@\d+\.\d+\.\d+/);
    expect([purl, hashes.map(({ alg }) => alg)]).toEqual([purl, ["SHA-512"]]);
  }
  const zod = LOCKED.find(({ key }) => key === "zod")!;
  const bytes = Buffer.from(one("zod").hashes[0]!.content, "hex");
  expect(`sha512-${bytes.toString("base64")}`).toBe(zod.integrity);
});

test("what runs is told from what only tests and development need", () => {
  for (const name of Object.keys(MANIFEST.dependencies)) expect([name, one(name).scope]).toEqual([name, "required"]);
  for (const name of Object.keys(MANIFEST.devDependencies))
    expect([name, one(name.replace("@", "%40")).scope]).toEqual([name, "excluded"]);
  expect(one("pg-protocol").scope).toBe("required");
  expect(one("%40dbmate/linux-x64").scope).toBe("optional");
});

test("who needs whom begins with the service, and names nobody who is not there", () => {
  const refs = new Set(bom.components.map((component) => component["bom-ref"]));
  const root = bom.metadata.component["bom-ref"];
  const needs = new Map(bom.dependencies.map(({ ref, dependsOn = [] }) => [ref, dependsOn]));
  expect(needs.get(root)).toContain(one("slonik")["bom-ref"]);
  expect(needs.get(one("slonik")["bom-ref"])).toContain(one("%40slonik/driver")["bom-ref"]);
  for (const [ref, dependsOn] of needs) {
    expect(ref === root || refs.has(ref)).toBe(true);
    for (const other of dependsOn) expect(refs).toContain(other);
  }
});

test("the licence of all that is installed is known", () => {
  const unknown = bom.components.filter(({ licenses }) => licenses === undefined).map(({ name }) => name);
  // Programs for other platforms are not installed here, so their manifests cannot be read.
  for (const name of unknown) expect(name).toMatch(/(linux|darwin|windows|win32|freebsd|openbsd|netbsd|sunos|aix)-/);
});

test("the same lock file gives the same text", async () => {
  expect(await billOfMaterials()).toBe(text);
  expect(text).not.toMatch(/timestamp|serialNumber/);
});
