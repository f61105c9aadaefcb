import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { type ClaimedTask, type Handler, type Json, PermanentError } from "../client/index.ts";
import type { TextOutput } from "./deps.ts";
import { writeInputs } from "./exec-inputs.ts";

/** The service keeps payloads and results of up to its queue's limit; nothing above this could be one. */
const OUTPUT_BYTES_MAX = 4 * 1024 * 1024;
const STDERR_TAIL = 2000;
/** Between asking a command to end (SIGTERM) and making it (SIGKILL). */
const KILL_AFTER_MS = 5000;

// The task's facts go in as positional arguments, so that no name from outside is ever read as shell text. Exported
// inside the shell, because only src/config.ts reads this process's environment, which the command inherits but for what
// opens the service: a command deals with what others have sent, and need not be able to do more than its worker lets it.
const WRAPPER =
  'unset OPENSQS_KEY ADMIN_KEY AUTH_SECRET; export OPENSQS_TASK_ID="$1" OPENSQS_QUEUE="$2" OPENSQS_TASK_NAME="$3" OPENSQS_ATTEMPT="$4" ' +
  'OPENSQS_WORKFLOW_ID="$5" OPENSQS_WORKFLOW_KEY="$6" OPENSQS_INPUTS="$7"; exec /bin/sh -c "$8"';

/** The command ended with something else than 0. */
class CommandFailed extends Error {
  readonly code: string;

  constructor(message: string, code: string) {
    super(message);
    this.name = "CommandFailed";
    this.code = code;
  }
}

/**
 * A handler that gives the task's payload to a shell command on its standard input, and the results of what the task
 * depends on in a file, which is gone when the command has ended. Exit code 0: what it wrote to
 * standard output is the result, as JSON if it parses, else as text without the last line feed. Any other: the attempt
 * failed, and the end of its standard error is the message. When the task is lost or the worker stops, the command and
 * what it started get SIGTERM, and SIGKILL five seconds later.
 */
export function execHandler(command: string, stderr: TextOutput): Handler {
  return async (task, { signal, input }) => {
    const inputs = await writeInputs(task, { input });
    try {
      return await runCommand(command, task, inputs?.path ?? "", signal, stderr);
    } finally {
      await inputs?.remove();
    }
  };
}

function runCommand(
  command: string,
  task: ClaimedTask,
  inputs: string,
  signal: AbortSignal,
  log: TextOutput,
): Promise<Json> {
  const { id, queue, name, attempt, workflow } = task;
  const facts = [id, queue, name ?? "", String(attempt), workflow?.id ?? "", workflow?.key ?? "", inputs, command];
  // A process group of its own: the command's children must end with it, and a Ctrl-C meant for the worker must not
  // reach the command, whose time of grace the worker decides.
  const child = spawn("/bin/sh", ["-c", WRAPPER, "opensqs", ...facts], { detached: true });
  const stopKilling = killOnAbort(child, signal);
  const out = gather(child);
  let tail = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    log.write(text);
    tail = (tail + text).slice(-STDERR_TAIL);
  });
  // A command need not read its input; then the pipe breaks, which is not a failure.
  child.stdin.on("error", () => undefined).end(JSON.stringify(task.payload));
  return new Promise<Json>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, killedBy) => {
      stopKilling();
      if (signal.aborted) reject(signal.reason);
      else if (code !== 0) reject(commandFailed(code, killedBy, tail));
      else if (out.tooLarge)
        reject(new PermanentError("The command wrote more than 4 MiB.", { code: "result_refused" }));
      else resolve(parseResult(out.text()));
    });
  });
}

function commandFailed(code: number | null, killedBy: string | null, tail: string): CommandFailed {
  const ended = code === null ? `killed by ${killedBy}` : `exit code ${code}`;
  const said = tail.trim();
  return new CommandFailed(said === "" ? ended : said, code === null ? String(killedBy) : `exit_${code}`);
}

function gather(child: ChildProcessWithoutNullStreams): { text(): string; readonly tooLarge: boolean } {
  const chunks: Buffer[] = [];
  let bytes = 0;
  child.stdout.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    // Read on without keeping it, so that the command does not hang on a full pipe.
    if (bytes <= OUTPUT_BYTES_MAX) chunks.push(chunk);
  });
  return {
    text: () => Buffer.concat(chunks).toString("utf8"),
    get tooLarge() {
      return bytes > OUTPUT_BYTES_MAX;
    },
  };
}

/** JSON if it is JSON, else text; nothing at all is null. */
export function parseResult(text: string): Json {
  if (text.trim() === "") return null;
  try {
    return JSON.parse(text) as Json;
  } catch {
    return text.replace(/\r?\n$/, "");
  }
}

function killOnAbort(child: ChildProcessWithoutNullStreams, signal: AbortSignal): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const end = () => {
    killGroup(child, "SIGTERM");
    timer = setTimeout(() => killGroup(child, "SIGKILL"), KILL_AFTER_MS);
  };
  if (signal.aborted) end();
  else signal.addEventListener("abort", end, { once: true });
  return () => {
    clearTimeout(timer);
    signal.removeEventListener("abort", end);
  };
}

function killGroup(child: ChildProcessWithoutNullStreams, signal: "SIGTERM" | "SIGKILL"): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // The group has ended by itself meanwhile.
  }
}
