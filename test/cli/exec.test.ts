import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execHandler, parseResult } from "../../src/cli/exec.ts";
import type { ClaimedTask, HandlerContext } from "../../src/client/index.ts";
import { until } from "../support/until.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "opensqs-exec-"));
});
afterAll(() => rm(folder, { recursive: true }));

const task = (more: Partial<ClaimedTask> = {}): ClaimedTask => ({
  id: "01a1ffb9-8076-75fa-9679-060400000002",
  queue: "q",
  name: "n",
  payload: { to: "ada" },
  priority: 5,
  attempt: 1,
  maxAttempts: 5,
  receipt: "r".repeat(27),
  leaseExpiresAt: "2026-01-31T12:00:00.000Z",
  added: "2026-01-31T12:00:00.000Z",
  tags: [],
  dependsOn: [],
  inputs: {},
  ...more,
});

function run(
  command: string,
  given = task(),
  signal = new AbortController().signal,
  input: HandlerContext["input"] = async (key) => given.inputs[key]!,
) {
  let log = "";
  const handler = execHandler(command, { write: (text) => (log += text) });
  const { attempt, inputs } = given;
  const context = { signal, attempt, inputs, input, workflow: null, progress: async () => undefined };
  const done = Promise.resolve(handler(given, context));
  return { done, log: () => log };
}

const failure = (command: string) =>
  run(command)
    .done.then(() => undefined)
    .catch((error: unknown) => error);

test("the payload goes in and the result comes out, as JSON or as text", async () => {
  expect(await run("cat").done).toEqual({ to: "ada" });
  expect(await run("echo hello").done).toBe("hello");
  expect(await run("true").done).toBeNull();
  expect(parseResult(" [1, 2]\n")).toEqual([1, 2]);
  expect(parseResult("two\nlines\r\n")).toBe("two\nlines");
});

test("the command knows its task, and a name is never read as shell text", async () => {
  const given = task({ name: '$(touch pwned); "x"', attempt: 3 });
  const { done } = run('echo "$OPENSQS_TASK_ID|$OPENSQS_QUEUE|$OPENSQS_TASK_NAME|$OPENSQS_ATTEMPT"', given);
  expect(await done).toBe(`${given.id}|q|$(touch pwned); "x"|3`);
});

test("the command gets the worker's environment, without what opens the service", async () => {
  const secrets = { OPENSQS_KEY: "k", ADMIN_KEY: "a", AUTH_SECRET: "s" };
  Object.assign(process.env, secrets, { OPENSQS_EXEC_TEST: "kept" });
  try {
    const names = [...Object.keys(secrets), "OPENSQS_EXEC_TEST"];
    expect(await run(`echo "${names.map((name) => `\${${name}-none}`).join(" ")}"`).done).toBe("none none none kept");
    // Nor in what the system shows of the process.
    if (process.platform === "linux")
      expect(
        await run("tr '\\0' '\\n' </proc/$$/environ | grep -cE '^(OPENSQS_KEY|ADMIN_KEY|AUTH_SECRET)=' || true").done,
      ).toBe(0);
  } finally {
    for (const name of [...Object.keys(secrets), "OPENSQS_EXEC_TEST"]) delete process.env[name];
  }
});

test("the results of what the task depends on are in a file, those that came later too, which goes again", async () => {
  const given = task({
    inputs: { a: { n: 1 } },
    inputsOmitted: { '"late"': "01a1ffb9-8076-75fa-9679-060400000003" },
    workflow: { id: "01a1ffb9-8076-75fa-9679-060400000001", key: "$(key)" },
  });
  const input = async (key: string) => (key === "a" ? given.inputs.a! : ["late"]);
  const { done } = run('cat "$OPENSQS_INPUTS"', given, undefined, input);
  expect(await done).toEqual({ a: { n: 1 }, '"late"': ["late"] });
  const where =
    'echo "$OPENSQS_WORKFLOW_ID|$OPENSQS_WORKFLOW_KEY|$OPENSQS_INPUTS"; ls -l "$OPENSQS_INPUTS" | cut -c1-10';
  const [facts, mode] = String(await run(where, given, undefined, input).done).split("\n");
  const [id, key, path] = facts!.split("|");
  expect([id, key, mode]).toEqual([given.workflow!.id, "$(key)", "-rw-------"]);
  expect(await readFile(path!).catch(({ code }) => code)).toBe("ENOENT");
  expect(await run('echo "<$OPENSQS_INPUTS>$OPENSQS_WORKFLOW_ID"').done).toBe("<>");
  const lost = new Error("unreachable");
  expect(await run("true", given, undefined, () => Promise.reject(lost)).done.catch((error) => error)).toBe(lost);
});

test("another exit code fails with the end of standard error, which is shown too", async () => {
  expect(await failure("echo what went wrong >&2; exit 3")).toMatchObject({
    message: "what went wrong",
    code: "exit_3",
  });
  expect(await failure("exit 4")).toMatchObject({ message: "exit code 4", code: "exit_4" });
  expect(await failure("kill -9 $$")).toMatchObject({ message: "killed by SIGKILL", code: "SIGKILL" });
  const long = (await failure("yes 0123456789 | head -n 1000 >&2; echo last >&2; exit 1")) as Error;
  expect(long.message.length).toBeLessThanOrEqual(2000);
  expect(long.message).toEndWith("last");
  const { done, log } = run("echo warning >&2; echo fine");
  expect(await done).toBe("fine");
  expect(log()).toBe("warning\n");
});

test("a command that does not read its input is no failure", async () => {
  const large = task({ payload: { text: "x".repeat(1_000_000) } });
  expect(await run("exec 0<&-; echo done", large).done).toBe("done");
});

test("more output than could be kept fails for good", async () => {
  const error = await failure("head -c 5000000 /dev/zero");
  expect(error).toMatchObject({ name: "PermanentError", code: "result_refused" });
});

test("an abort ends the command and what it started, and is the reason", async () => {
  const pids = join(folder, "pids");
  const stop = new AbortController();
  const { done } = run(`sleep 300 & echo "$! $$" > ${pids}; wait`, task(), stop.signal);
  const written = await until("the command runs", async () => {
    const text = await readFile(pids, "utf8").catch(() => "");
    return text.endsWith("\n") && text;
  });
  const reason = new Error("cancelled");
  stop.abort(reason);
  expect(await done.catch((error: unknown) => error)).toBe(reason);
  for (const pid of written.trim().split(" ").map(Number)) {
    await until(`process ${pid} is gone`, () => !isThere(pid));
  }
});

function isThere(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
