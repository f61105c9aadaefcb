import type { Result } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import { UsageError } from "../failure.ts";
import { readPages } from "../pages.ts";
import { type Column, MORE, shortTime, table } from "../text.ts";

type Key = Result<"apiKey.list">["keys"][number];

const COLUMNS: readonly Column[] = [
  { title: "ID" },
  { title: "NAME", least: 8 },
  { title: "KEY" },
  { title: "PROJECT", least: 8 },
  { title: "ENDS (UTC)" },
  { title: "SCOPES", least: 8 },
  { title: "QUEUES", least: 6 },
];

export async function keys(context: CommandContext, { limit }: { readonly limit: number }): Promise<void> {
  const { client, inProject, signal, width } = context;
  const { items, more } = await readPages<Key>(limit, async (place) => {
    const page = await client.apiKey.list({ ...inProject, ...place }, { signal });
    return { items: page.keys, nextCursor: page.nextCursor };
  });
  const rows = items.map((key) => [
    key.id,
    key.name,
    `${key.start}…`,
    key.project ?? "(all)",
    ending(key),
    key.scopes.join(","),
    key.queues?.join(",") ?? "*",
  ]);
  context.printEach(items, () =>
    items.length === 0 ? "No keys.\n" : `${table(COLUMNS, rows, width)}${more ? MORE : ""}`,
  );
}

function ending({ expiresAt, revokedAt }: Key): string {
  if (revokedAt !== null) return "revoked";
  return expiresAt !== null && Date.parse(expiresAt) < Date.now() ? "expired" : shortTime(expiresAt);
}

export interface CreateOptions {
  readonly admin?: boolean;
  readonly scope?: readonly string[];
  readonly queue?: readonly string[];
  readonly expires?: number;
  readonly everywhere?: boolean;
}

/** Makes a key and shows it, once. With --admin by the database itself, so that there can be a first one. */
export async function createKey(context: CommandContext, name: string, options: CreateOptions): Promise<void> {
  const { client, inProject, signal } = context;
  const { scope, queue, expires, everywhere = false } = options;
  if (options.admin) {
    if (scope || queue || everywhere || inProject.project !== undefined)
      throw new UsageError("--admin is a key that may do all in all projects: it goes with --expires alone.");
    const made = await context.createAdminKey({ name, expiresInSeconds: expires ?? null });
    context.stderr.write(`Made in ${made.database}.\n`);
    return context.print({ id: made.id, key: made.key }, () => `${made.key}\n`);
  }
  if (scope === undefined) throw new UsageError("Say what the key may do, by --scope or --admin.");
  if (everywhere === (inProject.project !== undefined) && (everywhere || scope.includes("admin")))
    throw new UsageError("Say whose key it is: --project, or --everywhere.");
  const made = await client.apiKey.create(
    {
      ...inProject,
      name,
      // The service knows its scopes, and says so of others.
      scopes: scope as Key["scopes"],
      ...(queue && { queues: [...queue] }),
      ...(expires !== undefined && { expiresInSeconds: expires }),
      ...(everywhere && { everywhere }),
    },
    { signal },
  );
  context.print(made, () => shown(made.key));
}

export async function revokeKey(context: CommandContext, id: string): Promise<void> {
  const { client, inProject, signal } = context;
  const revoked = await client.apiKey.revoke({ ...inProject, id }, { signal });
  context.print(revoked, () => `${id} opens nothing any more.\n`);
}

export async function rotateKey(context: CommandContext, id: string, overlapSeconds: number): Promise<void> {
  const { client, inProject, signal } = context;
  const made = await client.apiKey.rotate({ ...inProject, id, overlapSeconds }, { signal });
  context.print(made, () => shown(made.key));
}

/** An answer that was lost on its way and asked for again comes without the key: it is kept nowhere. */
const shown = (key: string | null) =>
  key === null ? "The key was made, but the answer that showed it was lost: revoke it and make another.\n" : `${key}\n`;
