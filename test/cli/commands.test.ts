import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { StubService } from "../client/stub-service.ts";
import { until } from "../support/until.ts";
import { cli } from "./support.ts";

let service: StubService;
beforeEach(async () => {
  service = await new StubService().listen();
});
afterEach(() => service.close());

const run = (...argv: string[]) => cli(argv, { url: service.url });

test("enqueue sends what its options say and tells the id", async () => {
  const options = ["--name", "hello", "--payload", '{"to":"ada"}', "--priority", "high", "--delay", "1.5"];
  const { code, out } = await run(
    "enqueue",
    "mail",
    ...options,
    "--key",
    "k",
    "--attempts",
    "3",
    "--depends-on",
    "a",
    "b",
  );
  expect(code).toBe(0);
  expect(out).toBe(`${service.tasks.all[0]!.id}  pending\n`);
  const { requestId, ...sent } = service.of("task.enqueue")[0]!.params;
  expect(requestId).toBeString();
  expect(sent).toEqual({
    queue: "mail",
    name: "hello",
    payload: { to: "ada" },
    priority: "high",
    delaySeconds: 1.5,
    dedupeKey: "k",
    maxAttempts: 3,
    dependsOn: ["a", "b"],
  });
});

test("enqueue reads a payload from standard input, whose characters may be cut anywhere", async () => {
  const bytes = new TextEncoder().encode('{"to":"Zoë"}');
  const input = [bytes.slice(0, 10), bytes.slice(10)];
  expect((await cli(["enqueue", "mail", "--payload", "-"], { url: service.url, input })).code).toBe(0);
  expect(service.tasks.all[0]!.payload).toEqual({ to: "Zoë" });
});

test("enqueue --lines makes a task of each line, in calls of 500", async () => {
  const text = Array.from({ length: 1203 }, (_, n) => `{"n":${n}}`).join("\n");
  const input = [text.slice(0, 3333), text.slice(3333)];
  const { code, out } = await cli(["enqueue", "bulk", "--lines", "--name", "n", "--json"], { url: service.url, input });
  expect(code).toBe(0);
  expect(JSON.parse(out)).toEqual({ enqueued: 1203 });
  expect(service.of("task.enqueueMany")).toHaveLength(3);
  expect(service.tasks.all.map(({ payload }) => (payload as { n: number }).n)).toEqual([...Array(1203).keys()]);
});

test("a line that is no object ends --lines with its number", async () => {
  const { code, err } = await cli(["enqueue", "q", "--lines"], { url: service.url, input: ["{}\n\n[]\n"] });
  expect(code).toBe(2);
  expect(err).toContain("line 3 must be a JSON object");
});

test.each([
  [["enqueue"], "missing required argument 'queue'"],
  [["enqueue", "q", "--payload", "[1]"], "--payload must be a JSON object"],
  [["enqueue", "q", "--payload", "{"], "--payload is not JSON"],
  [["enqueue", "q", "--priority", "10"], "--priority"],
  [["enqueue", "q", "--delay", "soon"], "--delay"],
  [["enqueue", "q", "--lines", "--key", "k"], "--lines"],
  [["list", "--state", "lost"], "--state"],
  [["list", "--limit", "0"], "--limit"],
  [["work", "q"], "--exec"],
  [["stats", "--url", "localhost:8080"], "--url"],
  [["frobnicate"], "unknown command"],
  [["stats", "--frobnicate"], "unknown option"],
])("a wrong command line is a usage error: %j", async (argv, message) => {
  const { code, out, err } = await run(...argv);
  expect(code).toBe(2);
  expect(err).toContain(message);
  expect(out).toBe("");
  expect(service.calls).toEqual([]);
});

test("help and version are no errors, and help fits 80 columns", async () => {
  for (const argv of [["--help"], ["help", "work"], ["enqueue", "--help"], ["list", "--help"], ["migrate", "--help"]]) {
    const { code, out, err } = await run(...argv);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toStartWith("Usage: opensqs");
    expect(out).not.toContain("demo-worker");
    for (const line of out.split("\n")) expect(line.length, line).toBeLessThanOrEqual(80);
  }
  expect(await run("--version")).toMatchObject({ code: 0, out: "1.2.3\n" });
});

test("a refusal is one line on standard error, and exit code 1", async () => {
  service.plan = ({ method }) =>
    method === "queue.stats" ? { code: 1001, data: { type: "not_found", noun: "queue", id: "a\u001b[2J" } } : undefined;
  expect(await run("stats", "nope")).toEqual({ code: 1, out: "", err: "opensqs: planned (noun: queue, id: a?[2J).\n" });
  const issues = [{ path: "queue", message: "must be shorter" }];
  service.plan = () => ({ code: -32602, data: { type: "invalid_params", issues } });
  expect((await run("enqueue", "q")).err).toBe("opensqs: planned: queue must be shorter.\n");
});

test("a service that is not there is told with what to do", async () => {
  await service.close();
  const { code, err } = await cli(["stats"], { url: service.url, signal: AbortSignal.timeout(60_000) });
  expect(code).toBe(1);
  expect(err).toContain("nothing listens there. Is it running? Start it with: opensqs serve\n");
}, 60_000);

test("the exit code comes after all output has been taken, however slow its reader", async () => {
  let taken = "";
  const slow = { write: (text: string, written?: () => void) => void setTimeout(take, 20, text, written) };
  const take = (text: string, written?: () => void) => {
    taken += text;
    written?.();
  };
  await cli(["stats"], { url: service.url, stdout: slow });
  expect(taken).toBe("No queues yet.\n");
});

test("--url comes before the configuration", async () => {
  expect((await cli(["--url", service.url, "stats"], { url: "http://127.0.0.1:1" })).out).toBe("No queues yet.\n");
  expect((await cli(["stats", "--url", service.url], { url: "http://127.0.0.1:1" })).out).toBe("No queues yet.\n");
});

test("serve runs until the signal; what keeps it from starting is one line", async () => {
  const given: AbortSignal[] = [];
  const { signal } = new AbortController();
  expect((await cli(["serve"], { signal, serve: async (until) => void given.push(until) })).code).toBe(0);
  expect(given).toEqual([signal]);
  const serve = () => Promise.reject(new Error("The port is taken."));
  expect(await cli(["serve"], { serve })).toEqual({ code: 1, out: "", err: "opensqs: The port is taken.\n" });
});

test("migrate applies, shows and takes back", async () => {
  const asked: string[] = [];
  const migrate = async (action: string) => {
    asked.push(action);
    return [
      { name: "1_a.sql", applied: true },
      { name: "2_b.sql", applied: false },
    ];
  };
  const { out } = await cli(["migrate"], { migrate });
  expect(out).toBe("[x] 1_a.sql\n[ ] 2_b.sql\n1 applied, 1 pending\n");
  await cli(["migrate", "status"], { migrate });
  expect(JSON.parse((await cli(["migrate", "down", "--json"], { migrate })).out)).toHaveLength(2);
  expect(asked).toEqual(["up", "status", "down"]);
});

test("work runs a command for each task until it is told to stop, and lets what runs finish", async () => {
  const stop = new AbortController();
  const good = service.tasks.add("good", { n: 20 });
  const bad = service.tasks.add("bad", {}, "other");
  const folder = await mkdtemp(join(tmpdir(), "opensqs-work-"));
  const command = `case $OPENSQS_TASK_NAME in
    bad) echo no >&2; exit 1;;
    slow) until [ -e ${folder}/go ]; do sleep 0.02; done;;
  esac; cat`;
  const working = cli(["work", "q", "other", "--exec", command, "--concurrency", "2"], {
    url: service.url,
    signal: stop.signal,
  });
  await until("both are done", () => good.state === "completed" && bad.state === "failed");
  const slow = service.tasks.add("slow", { last: true });
  await until("the slow one runs", () => slow.state === "claimed");
  stop.abort();
  await writeFile(join(folder, "go"), "");
  const { code, out, err } = await working;
  await rm(folder, { recursive: true });
  expect(code).toBe(0);
  expect(service.of("task.claim")[0]!.params).toMatchObject({ queues: ["q", "other"], limit: 2 });
  expect(good.result).toEqual({ n: 20 });
  expect(bad.error).toEqual({ message: "no", code: "exit_1" });
  expect(slow.result).toEqual({ last: true });
  expect(out).toContain(`completed   ${good.id}  good`);
  expect(out).toContain(`failed      ${bad.id}  bad`);
  expect(err).toContain("Working on q, other as ");
});
