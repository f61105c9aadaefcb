/** Five hundred claims that wait on real sockets, and a caller that hangs up in the very moment when a task comes. */
import { expect, setDefaultTimeout, test } from "bun:test";
import { connect, type Socket } from "node:net";
import { withClient } from "../support/postgres.ts";
import { testService } from "../support/service.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);
const POOL_SIZE = 5;
/** The pools', and the one that listens. */
const CONNECTIONS_MAX = POOL_SIZE + 1;
const service = testService({ POOL_SIZE: String(POOL_SIZE) });
const waitingClaims = async () => (await service.call("admin.health", {})).waitingClaims;

/** A waiting claim on a socket of its own: fetch would keep those past its 256th to itself. */
class Poll {
  readonly socket: Socket;
  #text = "";

  constructor(queue: string) {
    const { port } = new URL(service.url);
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method: "task.claim", params: { queue, waitSeconds: 60 } });
    const head = [`Host: 127.0.0.1:${port}`, "Content-Type: application/json", `Content-Length: ${body.length}`];
    this.socket = connect(Number(port), "127.0.0.1");
    this.socket.on("error", () => {});
    this.socket.on("data", (chunk) => {
      this.#text += chunk;
    });
    this.socket.write(["POST /rpc HTTP/1.1", ...head, "", body].join("\r\n"));
  }

  /** The ids of the tasks that were answered; null while nothing was. */
  get tasks(): string[] | null {
    const [, body] = this.#text.split("\r\n\r\n");
    const { result } = body?.endsWith("}") ? (JSON.parse(body) as { result?: { tasks: { id: string }[] } }) : {};
    return result ? result.tasks.map(({ id }) => id) : null;
  }
}

const connections = () =>
  withClient(service.databaseUrl, async (client) => {
    const { rows } = await client.query<{ count: number }>(
      `select count(*)::int as count from pg_stat_activity
       where datname = current_database() and pid <> pg_backend_pid()`,
    );
    return rows[0]!.count;
  });

test("five hundred waiting claims are answered in the order they came, one task each, on a few connections", async () => {
  const polls: Poll[] = [];
  for (let come = 1; come <= 500; come++) {
    polls.push(new Poll("many"));
    // One after the other, so that the order in which they came is known.
    await until(`${come} claims wait`, async () => (await waitingClaims()) === come, { everyMs: 0 });
  }
  expect(await connections()).toBeLessThanOrEqual(CONNECTIONS_MAX);
  const added: string[] = [];
  for (const count of [1, 99, 400]) {
    const tasks = Array.from({ length: count }, () => ({}));
    added.push(...(await service.call("task.enqueueMany", { queue: "many", tasks })).tasks.map(({ id }) => id));
    await until(`${added.length} claims are answered`, () => polls[added.length - 1]!.tasks);
    expect(polls.filter((poll) => poll.tasks !== null).length).toBe(added.length);
    expect(await connections()).toBeLessThanOrEqual(CONNECTIONS_MAX);
  }
  expect(polls.map((poll) => poll.tasks)).toEqual(added.map((id) => [id]));
  for (const { socket } of polls) socket.destroy();
});

test("who hangs up while a task is on its way claims nothing: the next in line has it at once", async () => {
  for (let time = 1; time <= 20; time++) {
    const queue = `left-${time}`;
    const gone = new Poll(queue);
    await until("the claim waits", async () => (await waitingClaims()) === 1);
    const next = new Poll(queue);
    await until("both wait", async () => (await waitingClaims()) === 2);
    // Nobody waits until the service has noticed.
    gone.socket.destroy();
    const { id } = await service.call("task.enqueue", { queue });
    expect(await until("the next one is answered", () => next.tasks)).toEqual([id]);
    expect(await service.call("task.get", { id })).toMatchObject({ state: "claimed", attempts: 1 });
    next.socket.destroy();
  }
});
