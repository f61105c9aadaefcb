/** What bun.lock says of a package, for those who need to know what is installed: the bill of materials and its test. */
import lock from "../bun.lock";
import manifest from "../package.json" with { type: "json" };

export interface LockedPackage {
  /** Where it stands in the tree: `pg`, or `slonik/pg` for a second version beneath another package. */
  readonly key: string;
  readonly name: string;
  readonly version: string;
  /** Where it comes from, if not from the registry. */
  readonly source: string;
  /** Subresource integrity, such as `sha512-…`; empty where there is none. */
  readonly integrity: string;
  readonly needs: readonly string[];
  /** Those that are left out where they do not fit the platform. */
  readonly mayNeed: readonly string[];
  readonly hasInstallScript: boolean;
}

interface Info {
  readonly dependencies?: Record<string, string>;
  readonly optionalDependencies?: Record<string, string>;
  readonly peerDependencies?: Record<string, string>;
  readonly optionalPeers?: readonly string[];
  readonly hasInstallScript?: boolean;
}

function locked(key: string, entry: readonly unknown[]): LockedPackage {
  const [resolved, source, info, integrity] = entry as [string, unknown, unknown, unknown];
  const at = resolved.indexOf("@", 1);
  // Packages from elsewhere than a registry have other entries; those are for the test to find.
  const { dependencies, optionalDependencies, peerDependencies, optionalPeers, hasInstallScript } = (
    typeof info === "object" && info !== null ? info : {}
  ) as Info;
  const peers = Object.keys(peerDependencies ?? {}).filter((name) => !optionalPeers?.includes(name));
  return {
    key,
    name: resolved.slice(0, at),
    version: resolved.slice(at + 1),
    source: typeof source === "string" ? source : "?",
    integrity: typeof integrity === "string" ? integrity : "",
    needs: [...Object.keys(dependencies ?? {}), ...peers],
    mayNeed: Object.keys(optionalDependencies ?? {}),
    hasInstallScript: hasInstallScript === true,
  };
}

/** In the order of their names. */
export const LOCKED: readonly LockedPackage[] = Object.entries(lock.packages as Record<string, readonly unknown[]>)
  .map(([key, entry]) => locked(key, entry))
  .toSorted((one, other) => (one.key < other.key ? -1 : 1));

const byKey = new Map(LOCKED.map((one) => [one.key, one]));

/** The package that `name` stands for within the one at `from`: the nearest, as when it is imported. */
export function resolve(name: string, from: string): LockedPackage | undefined {
  for (let folder = from; folder !== ""; folder = above(folder)) {
    const found = byKey.get(`${folder}/${name}`);
    if (found) return found;
  }
  return byKey.get(name);
}

function above(key: string): string {
  const names = parts(key);
  return names.slice(0, -1).join("/");
}

/** `a/@b/c` is c of scope b beneath a. */
function parts(key: string): string[] {
  return key.match(/@[^/]+\/[^/]+|[^/]+/g) ?? [];
}

/** Where it is, if it is installed. */
export function folderOf(key: string): string {
  return parts(key)
    .map((name) => `node_modules/${name}`)
    .join("/");
}

/** All that the named packages bring along, and whether each comes along on every platform. */
export function closure(roots: readonly string[]): ReadonlyMap<LockedPackage, "required" | "optional"> {
  const reached = new Map<LockedPackage, "required" | "optional">();
  const visit = (one: LockedPackage | undefined, how: "required" | "optional") => {
    if (one === undefined || reached.get(one) === "required" || reached.get(one) === how) return;
    reached.set(one, how);
    for (const name of one.needs) visit(resolve(name, one.key), how);
    for (const name of one.mayNeed) visit(resolve(name, one.key), "optional");
  };
  for (const name of roots) visit(resolve(name, ""), "required");
  return reached;
}

export const MANIFEST = manifest;
