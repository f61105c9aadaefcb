import type { JsonObject, NewTask, Params } from "../../client/index.ts";
import type { CommandContext } from "../context.ts";
import { UsageError } from "../failure.ts";
import { progressBar } from "../progress-bar.ts";

export interface EnqueueOptions {
  readonly name?: string;
  readonly payload?: string;
  readonly priority?: Params<"task.enqueue">["priority"];
  readonly delay?: number;
  readonly runAt?: string;
  readonly key?: string;
  readonly attempts?: number;
  readonly dependsOn?: string[];
  readonly description?: string;
  readonly tag?: string[];
  readonly category?: string[];
  readonly owner?: string;
  readonly due?: string;
  readonly lines?: boolean;
}

/** One call carries so many tasks, or so much text, whichever comes first; the service takes 1,000 and 4 MiB. */
const BATCH_TASKS = 500;
const BATCH_CHARACTERS = 1_000_000;

export async function enqueue(context: CommandContext, queue: string, options: EnqueueOptions): Promise<void> {
  if (options.lines) return await enqueueLines(context, queue, options);
  const payload = options.payload === "-" ? await readAll(context.stdin) : options.payload;
  const task = {
    ...fieldsOf(options),
    ...(payload === undefined ? {} : { payload: parsePayload(payload, "--payload") }),
  };
  const { client, inProject, signal } = context;
  const answer = await client.task.enqueue({ ...inProject, queue, ...task }, { signal });
  context.print(answer, () => `${answer.id}  ${answer.state}${answer.duplicate ? "  (was there already)" : ""}\n`);
}

/** Each line of standard input is the payload of a task. What was enqueued before a wrong line stays enqueued. */
async function enqueueLines(context: CommandContext, queue: string, options: EnqueueOptions): Promise<void> {
  if (options.payload !== undefined || options.key !== undefined) {
    throw new UsageError("--lines reads the payloads from standard input and cannot go with --payload or --key.");
  }
  const { client, inProject, signal } = context;
  const fields = fieldsOf(options);
  const bar = progressBar(context.stderr, "enqueued", null);
  let enqueued = 0;
  let batch: NewTask[] = [];
  let characters = 0;
  const flush = async () => {
    if (batch.length === 0) return;
    await client.task.enqueueMany({ ...inProject, queue, tasks: batch }, { signal });
    enqueued += batch.length;
    batch = [];
    characters = 0;
    bar.update(enqueued);
  };
  let number = 0;
  for await (const line of linesOf(context.stdin)) {
    number += 1;
    if (line.trim() === "") continue;
    batch.push({ ...fields, payload: parsePayload(line, `line ${number}`) });
    characters += line.length;
    if (batch.length >= BATCH_TASKS || characters >= BATCH_CHARACTERS) await flush();
  }
  await flush();
  if (context.stderr.isTTY) bar.end();
  context.print({ enqueued }, () => `${enqueued} tasks enqueued in ${queue}\n`);
}

function fieldsOf(options: EnqueueOptions): Omit<NewTask, "queue" | "payload"> {
  const { name, priority, delay, runAt, key, attempts, dependsOn, description, tag, category, owner, due } = options;
  // Fields that are undefined are not sent.
  return {
    name,
    priority,
    delaySeconds: delay,
    runAt,
    dedupeKey: key,
    maxAttempts: attempts,
    dependsOn,
    description,
    tags: tag,
    categories: category,
    ownerId: owner,
    dueAt: due,
  };
}

function parsePayload(text: string, where: string): JsonObject {
  let payload: unknown;
  try {
    payload = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${where} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  if (typeof payload === "object" && payload !== null && !Array.isArray(payload)) return payload as JsonObject;
  throw new UsageError(`${where} must be a JSON object, such as {"to":"ada@example.com"}.`);
}

async function readAll(input: AsyncIterable<Uint8Array | string>): Promise<string> {
  let all = "";
  for await (const text of decoded(input)) all += text;
  return all;
}

async function* linesOf(input: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of decoded(input)) {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  if (rest !== "") yield rest;
}

/** Bytes that are not UTF-8 are an error: a payload goes in as it is or not at all. */
async function* decoded(input: AsyncIterable<Uint8Array | string>): AsyncGenerator<string> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  for await (const chunk of input) yield typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
  yield decoder.decode();
}
