/** Whatever callers name things, the log is JSON, one object a line, with nothing in it that drives a terminal or hides text. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import pg from "pg";
import { clientConfig } from "../../src/db/drivers.ts";
import { parseDatabaseUrl } from "../../src/db/url.ts";
import { testDatabase } from "../support/postgres.ts";
import { rawRpc, type SpawnedService, spawnService } from "../support/service.ts";
import { until } from "../support/until.ts";

const database = testDatabase();
setDefaultTimeout(60_000);

/** A line of its own that reads like the service's, a colour, a cleared screen, a turned text. */
const HOSTILE =
  '\n{"level":"info","message":"all is well"}\r\n\u001b[31m\u001b[2J\u0007\u009b5m\u2028\u2029\u202e\u2066\u061c\u0085\u007f\\u001b';
const UNSEEN = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;

let service: SpawnedService;

beforeAll(async () => {
  service = await spawnService({ DATABASE_URL: database.url, LOG_LEVEL: "debug", AUTO_CREATE_QUEUES: "off" });
});
afterAll(() => service?.stop());

const call = (method: string, params: unknown) => rawRpc(service.url, { jsonrpc: "2.0", id: 1, method, params });

async function execute(statement: string): Promise<void> {
  const client = new pg.Client(clientConfig(parseDatabaseUrl(database.url)));
  await client.connect();
  await client.query(statement).finally(() => client.end());
}

const entries = () =>
  service
    .log()
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as { level: string; message: string });

test("names that mean harm, in all that is logged", async () => {
  await call("queue.create", { name: "q" });
  // A schedule whose queue goes is one of the few things that are logged by the name that a caller gave.
  const schedule = `s${HOSTILE}`;
  const made = await call("schedule.create", { name: schedule, queue: "q", everySeconds: 1, task: {} });
  expect(made.error).toBeUndefined();
  await call("queue.delete", { name: "q", force: true });
  await until("the schedule is logged", () => entries().some((entry) => "schedule" in entry));

  await call("queue.create", { name: "q" });
  const hostile = {
    queue: "q",
    name: HOSTILE,
    description: HOSTILE,
    ownerId: HOSTILE,
    tags: [HOSTILE],
    payload: { [HOSTILE]: HOSTILE },
  };
  const everywhere = async () => {
    await call("task.enqueue", hostile);
    await call("task.enqueue", { queue: HOSTILE });
    await call("task.claim", { queue: "q", worker: HOSTILE, names: [HOSTILE] });
    await call("task.list", { queue: "q", name: HOSTILE, text: HOSTILE, cursor: HOSTILE });
    await call("task.get", { id: HOSTILE, project: HOSTILE });
    await call("project.create", { name: HOSTILE });
    await call(`task.${HOSTILE}`, { [HOSTILE]: 1 });
    await fetch(`${service.url}/${encodeURIComponent(HOSTILE)}?${encodeURIComponent(HOSTILE)}`, {
      headers: { "user-agent": HOSTILE.replace(/[^\x20-\x7e]/g, "?"), origin: "http://evil.example" },
    });
  };
  await everywhere();
  // Then with every statement about tasks failing inside the service, which is where what was sent could be logged.
  await execute("alter table task rename to task_gone");
  await everywhere();
  await execute("alter table task_gone rename to task");
  await until("failures are logged", () =>
    entries().some(({ message }) => message === "A call failed inside the service."),
  );

  for (const line of service.log().split("\n")) expect([line, UNSEEN.test(line)]).toEqual([line, false]);
  // Each line was read as JSON above; none of them is the caller's.
  expect(entries().filter(({ message }) => message === "all is well")).toEqual([]);
});
