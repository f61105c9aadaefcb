/** Naughty text in every place where any method takes text: it is refused in the ordinary way, or it comes back as it was. */
import { beforeAll, expect, test } from "bun:test";
import type { OpenRpcDocument } from "../../src/rpc/openrpc.ts";
import { testDatabase } from "../support/postgres.ts";
import { type SpawnedService, spawnService } from "../support/service.ts";
import { ERROR_TYPES, wrongWith } from "./answers.ts";
import { wrongLines } from "./fuzz-service.ts";
import { isKeepable, NAUGHTY } from "./naughty.ts";
import { placed, type TextPlace, textPlaces, valueAt } from "./text-places.ts";
import { recordTraffic, type WireCall } from "./traffic.ts";

const database = testDatabase();
let service: SpawnedService;
beforeAll(async () => {
  service = await spawnService({ DATABASE_URL: database.url, LOG_LEVEL: "debug", ROW_CHECKS: "on" });
});
database.atEnd(() => service?.stop());

type Result = ReturnType<typeof JSON.parse>;
interface Answer {
  readonly id: number;
  readonly result?: Result;
  readonly error?: { readonly code: number; readonly data: Record<string, unknown> };
}

/** Bodies of up to 100 calls and 2 MB; the answers in order. */
async function callAll(calls: readonly WireCall[]): Promise<Answer[]> {
  const answers: Answer[] = [];
  for (let from = 0; from < calls.length; ) {
    const texts: string[] = [];
    for (let size = 0; from < calls.length && texts.length < 100 && size < 2_000_000; from++) {
      const { method, params } = calls[from]!;
      texts.push(JSON.stringify({ jsonrpc: "2.0", id: from, method, params }));
      size += texts.at(-1)!.length;
    }
    const body = `[${texts.join()}]`;
    const headers = { "content-type": "application/json" };
    const response = await fetch(`${service.url}/rpc`, { method: "POST", headers, body });
    const text = await response.text();
    expect(response.status).toBe(200);
    expect(wrongWith(Buffer.from(body), text)).toBeNull();
    answers.push(...(JSON.parse(text) as Answer[]));
  }
  return answers;
}

async function one(method: string, params: Record<string, unknown>): Promise<Result> {
  const [answer] = await callAll([{ method, params }]);
  if (answer!.error) throw new Error(`${method}: ${JSON.stringify(answer!.error)}`);
  return answer!.result;
}

/** One recorded call of each method, the one that says most, without what would make it a repeat or a wait. */
async function baseCalls(): Promise<Map<string, WireCall>> {
  const base = new Map<string, WireCall>();
  for (const { method, params } of await recordTraffic(one, "naughty")) {
    const { requestId: _, waitSeconds: __, dedupeKey: ___, dedupeSeconds: ____, ...rest } = params;
    const known = base.get(method);
    if (!known || JSON.stringify(rest).length > JSON.stringify(known.params).length)
      base.set(method, { method, params: rest });
  }
  return base;
}

/** Each text in each place, which takes minutes; else each place gets its share, and each text comes to some of all places. */
const ALL = process.env.NAUGHTY_ALL === "on";

/** What is alike in all methods gets a share of the texts, another in each; and what reads whole tables gets few. */
function textsFor({ method, path }: TextPlace, at: number): string[] {
  const isCommon = path[0] === "project" || path[0] === "requestId";
  const every = method === "admin.verify" ? 100 : ALL ? 1 : isCommon && method !== "task.enqueue" ? 60 : 8;
  return NAUGHTY.filter((_, index) => (index + at) % every === 0);
}

test("in every place of every method", async () => {
  const document = (await one("rpc.discover", {})) as OpenRpcDocument;
  const base = await baseCalls();
  const without = document.methods.map(({ name }) => name).filter((name) => !base.has(name));
  expect(without).toEqual([]);

  const places = textPlaces(document);
  expect(places.length).toBeGreaterThan(200);
  const lost: unknown[] = [];
  for (const [at, place] of places.entries()) {
    const texts = textsFor(place, at);
    const calls = texts.map((text) => naughtyCall(base.get(place.method)!, place, text));
    for (const [index, { result, error }] of (await callAll(calls)).entries()) {
      const text = texts[index]!;
      if (error) expect(ERROR_TYPES.get(error.code)).toBe(String(error.data.type));
      else if (!isKeepable(text)) lost.push({ ...place, text: JSON.stringify(text), why: "was accepted" });
      else if (isChanged(place, base.get(place.method)!, result, text))
        lost.push({ ...place, text, came: valueAt(result, place.path) });
    }
  }
  expect(lost).toEqual([]);
}, 240_000);

function naughtyCall({ method, params }: WireCall, { path, free }: TextPlace, text: string): WireCall {
  const value = free ? anyValue(text) : text;
  return { method, params: placed(params, path, value) as Record<string, unknown> };
}

const anyValue = (text: string) =>
  Object.fromEntries([
    ["text", text],
    [text, [text]],
  ]);

/** Whether a result shows another text than was given, at the place of the same name. */
function isChanged({ method, path, free }: TextPlace, { params }: WireCall, result: Result, text: string): boolean {
  // An item's error is the service's own, and a tag goes by its name without regard to case.
  if (free || method === "task.failMany" || method === "tag.delete") return false;
  // Other calls have made things of these names, so there may be one to be renamed.
  if (path[0] === "name" && params.newName !== undefined) return false;
  const came = valueAt(result, path);
  return typeof came === "string" && came !== text;
}

const isFilled = (max: number) => (text: string) => isKeepable(text) && text.trim() !== "" && text.length <= max;
const NAMES = NAUGHTY.filter(isFilled(255));

/** Fields of at most so many characters, with the texts that fit. */
const SHORT: Record<string, readonly string[]> = Object.fromEntries(
  [50, 80].map((max) => [max, NAUGHTY.filter(isFilled(max))]),
);

test("tasks come back as they were made, worked on and ended", async () => {
  await one("queue.create", { name: "back", maxPayloadBytes: 4_000_000 });
  const texts = NAUGHTY.filter((text) => isKeepable(text) && text.length <= 10_000);
  const made = await callAll(
    texts.map((text) => ({
      method: "task.enqueue",
      params: {
        queue: "back",
        payload: anyValue(text),
        description: text,
        ...(isFilled(255)(text) ? { name: text, ownerId: text, dedupeKey: text } : {}),
        // A tag is one with its other spellings.
        ...(isFilled(30)(text) ? { tags: [`${text} ${texts.indexOf(text)}`] } : {}),
      },
    })),
  );
  const ids = made.map(({ result }) => result.id as string);
  const claimed: Result[] = [];
  for (let at = 0; at < texts.length; at += 50) {
    const worker = texts.slice(at).find(isFilled(255)) ?? "w";
    const { tasks } = await one("task.claim", { queue: "back", worker, limit: 50 });
    claimed.push(...tasks.map((task: Result) => ({ ...task, worker })));
  }
  expect(claimed.map(({ id }) => id).sort()).toEqual([...ids].sort());
  const textOf = new Map(ids.map((id, at) => [id, texts[at]!]));
  const sharedOf = (id: string) => ({ text: textOf.get(id)!, note: textOf.get(id)!.slice(0, 1_000).toWellFormed() });
  for (const { id, payload } of claimed) expect(payload).toEqual(anyValue(textOf.get(id)!));

  const failing = claimed.filter((_, at) => at % 2 === 0);
  const fine = claimed.filter((_, at) => at % 2 === 1);
  const progressed = claimed.map(({ id, receipt }) => ({
    method: "task.progress",
    params: { receipt, percent: 1, note: sharedOf(id).note },
  }));
  const completed = fine.map(({ id, receipt }) => ({
    method: "task.complete",
    params: { receipt, result: anyValue(sharedOf(id).text) },
  }));
  const failed = failing.map(({ id, receipt }) => {
    const { text } = sharedOf(id);
    const error = { message: text, code: text.length <= 255 ? text : null, data: anyValue(text) };
    return { method: "task.fail", params: { receipt, error, retry: false } };
  });
  for (const calls of [progressed, completed, failed])
    expect((await callAll(calls)).filter(({ error }) => error)).toEqual([]);

  const tasks = (await callAll(ids.map((id) => ({ method: "task.get", params: { id } })))).map(({ result }) => result);
  const workers = new Map(claimed.map(({ id, worker }) => [id, worker]));
  for (const task of tasks) {
    const { text, note } = sharedOf(task.id);
    const short = isFilled(255)(text) ? text : null;
    expect(task).toMatchObject({ name: short, ownerId: short, dedupeKey: short, description: text });
    expect(task.payload).toEqual(anyValue(text));
    expect(task.progress.note).toBe(note);
    if (isFilled(30)(text)) expect(task.tags).toEqual([`${text} ${texts.indexOf(text)}`]);
    if (task.state === "completed") expect(task.result).toEqual(anyValue(text));
    else {
      const { message, code, data, worker } = task.errors[0];
      expect({ message, code, data, worker }).toEqual({
        message: text,
        code: text.length <= 255 ? text : null,
        data: anyValue(text),
        worker: workers.get(task.id)!,
      });
    }
  }
  const byName = await callAll(
    NAMES.map((text) => ({ method: "task.count", params: { queue: "back", names: [text] } })),
  );
  expect(byName.every(({ result }) => result.count >= 1)).toBe(true);
}, 120_000);

/** A noun with a naughty name, how it is made, and how it is read by that name. */
const NOUNS = [
  { max: 80, create: "project.create", get: "project.get", more: (text: string) => ({ description: text }) },
  { max: 80, create: "category.create", get: "category.get", more: (text: string) => ({ description: text }) },
  {
    max: 80,
    create: "schedule.create",
    get: "schedule.get",
    more: (text: string) => ({ queue: "back", everySeconds: 86_400, task: { name: text, payload: anyValue(text) } }),
  },
];

for (const { max, create, get, more } of NOUNS)
  test(`${create} gives back what it was given`, async () => {
    for (const text of SHORT[max]!) {
      const params = { name: text, ...more(text) };
      const [made, read] = await callAll([
        { method: create, params },
        { method: get, params: { name: text } },
      ]);
      // Made already by a test before; what is there is then of another making.
      if (made!.error?.data.type === "conflict") continue;
      expect(made!.result).toMatchObject(params);
      // The calls of a batch run beside each other.
      const found = read!.error ? await one(get, { name: text }) : read!.result;
      expect(found).toMatchObject(params);
    }
  }, 120_000);

test("workflows come back with their keys and names", async () => {
  const tasks = NAMES.map((key, at) => ({
    key,
    queue: "flow",
    payload: {},
    dependsOn: at === 0 ? [] : [NAMES[at - 1]],
  }));
  const { id, tasks: ids } = await one("workflow.create", { name: NAMES[3], tasks });
  expect(Object.keys(ids).sort()).toEqual([...NAMES].sort());
  const read = await one("workflow.get", { id });
  expect(read.name).toBe(NAMES[3]);
  const back = new Map<string, string[]>(read.tasks.map(({ key, dependsOn }: Result) => [key, dependsOn]));
  for (const { key, dependsOn } of tasks) expect(back.get(key)).toEqual(dependsOn as string[]);
});

test("nothing of it makes the log another than it is", () => {
  expect(wrongLines(service.log())).toEqual([]);
});
