import { readFile, stat } from "node:fs/promises";
import type { Logger } from "../../lib/log.ts";
import { EmbeddedError, errorCode, USE_DATABASE_URL } from "./error.ts";
import { type Command, run } from "./run.ts";

/** As whom PostgreSQL's programs run. */
export interface Identity {
  /** The owner that the cluster's files must have; null: the service's own user. */
  readonly owner: { readonly uid: number; readonly gid: number } | null;
  readonly describe: string;
  /** The same command, run as this identity. */
  as(command: Command): Command;
}

interface Account {
  readonly name: string;
  readonly uid: number;
  readonly gid: number;
}

const OWN: Identity = { owner: null, describe: "the service's own user", as: (command) => command };

/**
 * PostgreSQL refuses to run as root, so a service that is root has to find it another user: the owner of the data if there
 * is some, else postgres, else nobody. Where the data or the programs lie in folders that only root can enter, that user
 * gets the capability to pass through them, the smaller one first.
 *
 * `folder` must exist; `proof` is a command that must succeed, to show that the user can reach the programs. Both are tried
 * in each way until one works. Throws EmbeddedError when none does.
 */
export async function chooseIdentity(
  folder: string,
  proof: Command,
  prepare: (owner: Account) => Promise<void>,
  log: Logger,
): Promise<Identity> {
  if (process.getuid?.() !== 0) return OWN;
  const account = await chooseAccount(folder);
  await prepare(account);
  const refusals = new Set<string>();
  for (const identity of identitiesOf(account)) {
    const refusal = await tryOut(identity, folder, proof);
    if (refusal === null) {
      log.debug("embedded PostgreSQL runs as another user than root", { as: identity.describe });
      return identity;
    }
    refusals.add(refusal);
  }
  throw new EmbeddedError(
    `PostgreSQL refuses to run as root, and user ${account.name} cannot reach ${folder} and the programs in node_modules: ` +
      `move both to where that user may go, start the service as an ordinary user, ${USE_DATABASE_URL}. ` +
      `Tried: ${[...refusals].join("; ")}`,
  );
}

async function chooseAccount(folder: string): Promise<Account> {
  const accounts = await readAccounts();
  const { uid, gid } = await stat(folder);
  if (uid !== 0) return { name: accounts.find((account) => account.uid === uid)?.name ?? String(uid), uid, gid };
  const account = ["postgres", "nobody"]
    .map((name) => accounts.find((candidate) => candidate.name === name))
    .find(Boolean);
  // initdb looks its own user up, so a mere number will not do.
  if (account) return account;
  throw new EmbeddedError(
    `PostgreSQL refuses to run as root, and there is no user postgres or nobody to run it as: make one, ${USE_DATABASE_URL}.`,
  );
}

async function readAccounts(): Promise<Account[]> {
  const text = await readFile("/etc/passwd", "utf8").catch(() => "");
  return text.split("\n").flatMap((line) => {
    const [name, , uid, gid] = line.split(":");
    return name && uid && gid && uid !== "0" ? [{ name, uid: Number(uid), gid: Number(gid) }] : [];
  });
}

function identitiesOf(account: Account): Identity[] {
  const owner = { uid: account.uid, gid: account.gid };
  const setpriv = (...capabilities: string[]): Identity => ({
    owner,
    describe: [account.name, ...capabilities].join(" with "),
    as: ({ file, args }) => ({
      file: "setpriv",
      args: [
        `--reuid=${account.uid}`,
        `--regid=${account.gid}`,
        "--clear-groups",
        ...granting(capabilities),
        "--",
        file,
        ...args,
      ],
    }),
  });
  // Where there is no setpriv (macOS, BusyBox) the runtime can change the user, but not hand on capabilities.
  const spawned: Identity = { owner, describe: account.name, as: (command) => ({ ...command, ...owner }) };
  // dac_read_search is enough and lets the server write nothing more than it could; containers often hold only the other.
  return [setpriv(), setpriv("dac_read_search"), setpriv("dac_override"), spawned];
}

function granting(capabilities: readonly string[]): string[] {
  return capabilities.flatMap((name) => [
    `--inh-caps=+${name}`,
    `--ambient-caps=+${name}`,
    // Without it access(2), which initdb and the server ask, answers as if the capability were not there.
    "--securebits=+no_setuid_fixup",
  ]);
}

/** null: it works; else why not. */
async function tryOut(identity: Identity, folder: string, proof: Command): Promise<string | null> {
  const script = 'cd -- "$1" && : >.opensqs-probe && rm .opensqs-probe && shift && "$@"';
  const command = { file: "/bin/sh", args: ["-c", script, "sh", folder, proof.file, ...proof.args] };
  try {
    const { code, output } = await run(identity.as(command));
    return code === 0 ? null : `${identity.describe}: ${output}`;
  } catch (error) {
    return `${identity.describe}: ${errorCode(error) ?? String(error)}`;
  }
}
