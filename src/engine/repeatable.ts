import { createHash } from "node:crypto";
import type { Database, Db } from "../db/pool.ts";
import { Refusal } from "../domain/refusals.ts";
import { getRequests, leaveRequests, noteAnswers, type RequestRow, takeRequests } from "../domain/request/queries.ts";
import type { After } from "./context.ts";

/** Names a call that may be repeated. */
export interface RequestKey {
  readonly projectId: number;
  readonly requestId: string | undefined;
  readonly method: string;
  /** The call's parameters, requestId aside or not: the same for a repeat. */
  readonly params: unknown;
}

/** What came of one call of a batch: its answer, or the refusal that only it gets. */
export type Told<T> = { readonly answer: T } | { readonly refusal: Refusal };

/** Does the work of calls and answers them in order. With requestIds it runs in their transaction. */
export type Work<M, T> = (db: Db, calls: readonly M[], after: After) => Promise<readonly T[]>;

/** Does one call's work once, however often the call comes; see repeatableAll. */
export async function repeatable<T>(
  database: Database,
  key: RequestKey,
  work: (db: Db, after: After) => Promise<T>,
): Promise<T> {
  const calls = [{ request: key }];
  const [told] = await repeatableAll(database, calls, async (db, due, after) => {
    return due.length === 0 ? [] : [await work(db, after)];
  });
  if ("refusal" in told!) throw told.refusal;
  return told!.answer;
}

/**
 * Does the work of a batch of calls, each once, however often it comes. Without requestIds the work runs as it is. With
 * them, work and answers commit in one transaction, and a repeat, even one that comes while the first is under way, gets
 * the first one's answer. A batch that fails leaves nothing behind: its repeats are tried anew.
 */
export async function repeatableAll<M extends { readonly request: RequestKey }, T>(
  database: Database,
  calls: readonly M[],
  work: Work<M, T>,
  /** Whether an answer refuses the whole call: its requestId is then left unused, as where a refusal is thrown. */
  refuses: (call: M, answer: T) => boolean = () => false,
): Promise<Told<T>[]> {
  const effects: (() => void)[] = [];
  const attempt = async <A>(act: (after: After) => Promise<A>): Promise<A> => {
    // A transaction that met a deadlock runs again, and only its last run counts.
    effects.length = 0;
    return await act((effect) => effects.push(effect));
  };
  const told = calls.some(({ request }) => request.requestId !== undefined)
    ? await database.transaction((tx) => attempt((after) => inTransaction(tx, calls, work, after, refuses)))
    : await database.run((db) =>
        attempt(async (after) => (await work(db, calls, after)).map((answer) => ({ answer }))),
      );
  for (const effect of effects) effect();
  return told;
}

const nameOf = (projectId: number, requestId: string) => `${projectId} ${requestId}`;

async function inTransaction<M extends { readonly request: RequestKey }, T>(
  tx: Db,
  calls: readonly M[],
  work: Work<M, T>,
  after: After,
  refuses: (call: M, answer: T) => boolean,
): Promise<Told<T>[]> {
  const rows = calls.map(({ request }) => requestRow(request));
  // The same requestId twice in one batch: the first is the call, the others are its repeats.
  const first = new Map<string, number>();
  for (const [at, row] of rows.entries()) {
    if (row === null) continue;
    const name = nameOf(row.projectId, row.requestId);
    if (!first.has(name)) first.set(name, at);
  }
  const taken = new Set(
    (await tx.any(takeRequests([...first.values()].map((at) => rows[at]!)))).map((row) =>
      nameOf(row.project_id, row.request_id),
    ),
  );
  const isDue = (at: number) => {
    const row = rows[at];
    if (!row) return true;
    const name = nameOf(row.projectId, row.requestId);
    return taken.has(name) && first.get(name) === at;
  };
  const due = calls.flatMap((_, at) => (isDue(at) ? [at] : []));
  const answers = await work(
    tx,
    due.map((at) => calls[at]!),
    after,
  );
  const told = new Array<Told<T>>(calls.length);
  for (const [index, at] of due.entries()) told[at] = { answer: answers[index]! };
  const named = due.flatMap((at, index) => {
    const [row, answer] = [rows[at], answers[index]!];
    return row ? [{ ...row, answer: JSON.stringify(answer), refused: refuses(calls[at]!, answer) }] : [];
  });
  const [refused, notes] = [named.filter((one) => one.refused), named.filter((one) => !one.refused)];
  if (notes.length > 0) await tx.query(noteAnswers(notes));
  const repeats = calls.flatMap((_, at) => (isDue(at) ? [] : [at]));
  const noted = await answersTo<T>(
    tx,
    repeats.map((at) => rows[at]!),
  );
  const isRefused = new Set(refused.map((row) => nameOf(row.projectId, row.requestId)));
  for (const [index, at] of repeats.entries()) {
    const name = nameOf(rows[at]!.projectId, rows[at]!.requestId);
    // Nothing was noted for a call that was refused; who repeated it in the same batch is refused with it.
    const one = noted[index]!;
    told[at] = isRefused.has(name) && "answer" in one ? told[first.get(name)!]! : one;
  }
  if (refused.length > 0) await tx.query(leaveRequests(refused));
  return told;
}

/** What was answered to the first calls with these requestIds; a conflict where that was another call. */
export async function answersTo<T>(db: Db, rows: readonly RequestRow[]): Promise<Told<T>[]> {
  if (rows.length === 0) return [];
  const found = new Map((await db.any(getRequests(rows))).map((row) => [nameOf(row.project_id, row.request_id), row]));
  return rows.map((row) => {
    const noted = found.get(nameOf(row.projectId, row.requestId))!;
    const same = noted.method === row.method && row.paramsHash.equals(noted.params_hash);
    return same ? { answer: noted.answer as T } : { refusal: new Refusal("conflict", { field: "requestId" }) };
  });
}

/** What was answered to this requestId before; undefined when it is new. */
export async function answered<T>(
  database: Database,
  key: RequestKey & { readonly requestId: string },
): Promise<T | undefined> {
  const row = requestRow(key)!;
  return await database.run(async (db) => {
    if ((await db.any(getRequests([row]))).length === 0) return undefined;
    const [told] = await answersTo<T>(db, [row]);
    if ("refusal" in told!) throw told.refusal;
    return told!.answer;
  });
}

/**
 * Refuses a call, but a repeat gets the first one's answer: what was there for the first call, a queue or a limit, may
 * have changed since.
 */
export async function orAnswered<T>(database: Database, key: RequestKey, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    const { requestId } = key;
    if (!(error instanceof Refusal) || requestId === undefined) throw error;
    const first = await answered<T>(database, { ...key, requestId });
    if (first === undefined) throw error;
    return first;
  }
}

/** How a call with a requestId is noted; null for one without. */
export function requestRow({ projectId, requestId, method, params }: RequestKey): RequestRow | null {
  return requestId === undefined ? null : { projectId, requestId, method, paramsHash: hashOf(params) };
}

function hashOf(params: unknown): Buffer {
  // The call's own requestId is left out, and only that one: a payload may hold a member of the same name.
  const { requestId: _, ...rest } = params as { requestId?: unknown };
  return createHash("sha256")
    .update(JSON.stringify(sorted(rest)))
    .digest();
}

/** The same value with its keys in order: a repeat may spell its parameters in another order. */
function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  members.sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(members.map(([key, member]) => [key, sorted(member)]));
}
