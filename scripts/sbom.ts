/**
 * Writes the bill of materials: every package of bun.lock with its hash and licence and who needs it, as CycloneDX 1.6 in
 * JSON. The tools that make such files ask npm, or do not read bun.lock. The same lock file gives the same text: there is
 * neither a time nor a random number in it.
 */
import { mkdir } from "node:fs/promises";
import { dirname } from "node:path";
import { Enums, Models, Serialize, Spec } from "@cyclonedx/cyclonedx-library";
import { closure, folderOf, LOCKED, type LockedPackage, MANIFEST, resolve } from "./lockfile.ts";

const ALGORITHMS: Record<string, Enums.HashAlgorithm> = {
  sha512: Enums.HashAlgorithm["SHA-512"],
  sha384: Enums.HashAlgorithm["SHA-384"],
  sha256: Enums.HashAlgorithm["SHA-256"],
  sha1: Enums.HashAlgorithm["SHA-1"],
};

/** As the package-url specification writes it: a scope is a namespace, its @ percent-encoded. */
const purl = (name: string, version: string) => `pkg:npm/${name.replace("@", "%40")}@${encodeURIComponent(version)}`;

function hashes(integrity: string): Models.HashDictionary {
  const [, name = "", base64 = ""] = /^(\w+)-(.+)$/.exec(integrity) ?? [];
  const algorithm = ALGORITHMS[name];
  return new Models.HashDictionary(algorithm ? [[algorithm, Buffer.from(base64, "base64").toString("hex")]] : []);
}

/** What its own manifest says. Packages for other platforms are not installed, so nothing is known of theirs. */
async function licences(key: string): Promise<Models.LicenseRepository> {
  const file = Bun.file(`${folderOf(key)}/package.json`);
  if (!(await file.exists())) return new Models.LicenseRepository();
  const { license } = (await file.json()) as { license?: unknown };
  if (typeof license !== "string" || license === "") return new Models.LicenseRepository();
  return new Models.LicenseRepository([licence(license)]);
}

function licence(text: string): Models.License {
  if (/ (OR|AND|WITH) /.test(text)) return new Models.LicenseExpression(text);
  return /^[A-Za-z0-9.+-]+$/.test(text) && text !== "UNLICENSED"
    ? new Models.SpdxLicense(text)
    : new Models.NamedLicense(text);
}

async function component(one: LockedPackage, scope: Enums.ComponentScope): Promise<Models.Component> {
  const [first = "", second] = one.name.split("/");
  return new Models.Component(Enums.ComponentType.Library, second ?? first, {
    bomRef: `${one.name}@${one.version}`,
    ...(second === undefined ? {} : { group: first }),
    version: one.version,
    purl: purl(one.name, one.version),
    scope,
    hashes: hashes(one.integrity),
    licenses: await licences(one.key),
  });
}

export async function billOfMaterials(): Promise<string> {
  const served = closure(Object.keys(MANIFEST.dependencies));
  const scopeOf = (one: LockedPackage) => Enums.ComponentScope[scopeNames[served.get(one) ?? "excluded"]];
  const components = new Map<string, Models.Component>();
  for (const one of LOCKED) {
    const id = `${one.name}@${one.version}`;
    // The same package in two places is one component, needed as much as the place that needs it most.
    const before = components.get(id);
    if (before?.scope === Enums.ComponentScope.Required) continue;
    if (before === undefined || served.has(one)) components.set(id, await component(one, scopeOf(one)));
  }
  const refOf = (one: LockedPackage | undefined) => one && components.get(`${one.name}@${one.version}`)?.bomRef;
  const link = (from: Models.Component, names: readonly string[], key: string) => {
    for (const ref of names.map((name) => refOf(resolve(name, key)))) if (ref) from.dependencies.add(ref);
  };
  for (const one of LOCKED)
    link(components.get(`${one.name}@${one.version}`)!, [...one.needs, ...one.mayNeed], one.key);

  const { name, version, license, description } = MANIFEST;
  const own = new Models.Component(Enums.ComponentType.Application, name, {
    bomRef: `${name}@${version}`,
    version,
    description,
    licenses: new Models.LicenseRepository([licence(license)]),
  });
  link(own, [...Object.keys(MANIFEST.dependencies), ...Object.keys(MANIFEST.devDependencies)], "");
  const bom = new Models.Bom({
    components: new Models.ComponentRepository(components.values()),
    metadata: new Models.Metadata({ component: own }),
  });
  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  return `${serializer.serialize(bom, { sortLists: true, space: 2 })}\n`;
}

/** Excluded: for tests and development, not in what runs. */
const scopeNames = { required: "Required", optional: "Optional", excluded: "Excluded" } as const;

if (import.meta.main) {
  const path = process.argv[2] ?? "dist/sbom.cdx.json";
  await mkdir(dirname(path), { recursive: true });
  await Bun.write(path, await billOfMaterials());
  process.stdout.write(`${path}: ${LOCKED.length} packages\n`);
}
