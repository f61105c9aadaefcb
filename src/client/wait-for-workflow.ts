import type { Caller } from "./client.ts";
import type { Workflow } from "./contract.ts";
import { isRefusal, TimeoutError } from "./errors.ts";
import { inTime } from "./in-time.ts";
import { sleep } from "./retry.ts";

export interface WaitForWorkflowOptions {
  /** Seconds after which the promise rejects with a TimeoutError. Default: none */
  readonly timeoutSeconds?: number;
  /** Ends the waiting; the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly project?: string;
  /**
   * Called for the workflow as it stands to begin with, and whenever the state of a task is seen to be another. What comes
   * in quick succession is seen as it stands then. What it throws rejects the promise.
   */
  readonly onChange?: (workflow: Workflow) => void;
}

export interface WatchOptions extends Omit<WaitForWorkflowOptions, "onChange"> {
  /** The workflow is looked at so often while no end of a task calls for it sooner. */
  readonly everySeconds: number;
  /** Called for each look, changed or not, and awaited. */
  readonly onLook: (workflow: Workflow) => void | Promise<void>;
}

/** Where nobody wants to see changes; well within the minute that proxies let a connection be silent. */
const SELDOM_SECONDS = 30;
const OFTEN_SECONDS = 0.5;
/** The least pause between two looks. After a look at many tasks it is so many times what the look took. */
const PAUSE_MS = 100;
const REST = 4;

/** Waits until a workflow has ended, however it ended. */
export async function waitForWorkflow(
  client: Pick<Caller, "call">,
  id: string,
  { onChange, ...options }: WaitForWorkflowOptions = {},
): Promise<Workflow> {
  let known = "";
  const onLook = (workflow: Workflow) => {
    if (onChange === undefined) return;
    const seen = `${workflow.state} ${workflow.tasks.map(({ state }) => state).join()}`;
    if (seen !== known) onChange(workflow);
    known = seen;
  };
  return await watchWorkflow(client, id, {
    ...options,
    everySeconds: onChange === undefined ? SELDOM_SECONDS : OFTEN_SECONDS,
    onLook,
  });
}

/**
 * Looks at a workflow until it has ended. Between looks it waits for the end of the last task that is unfinished: tasks
 * stand in an order in which they can run, so the workflow's end is mostly that one's, and known as soon as it comes.
 */
export async function watchWorkflow(
  client: Pick<Caller, "call">,
  id: string,
  { timeoutSeconds = Number.POSITIVE_INFINITY, signal, project, everySeconds, onLook }: WatchOptions,
): Promise<Workflow> {
  const late = new TimeoutError("workflow", id, timeoutSeconds);
  const deadline = performance.now() + timeoutSeconds * 1000;
  const leftMs = () => Math.max(deadline - performance.now(), 0);
  const inProject = project === undefined ? {} : { project };
  for (;;) {
    const began = performance.now();
    const workflow = await inTime(leftMs(), signal, late, (ends) =>
      client.call("workflow.get", { ...inProject, id }, { signal: ends }),
    );
    const looked = performance.now();
    await onLook(workflow);
    if (workflow.state !== "running") return workflow;
    const last = workflow.tasks.findLast(({ state }) => isUnfinished(state));
    const waitSeconds = Math.min(everySeconds, leftMs() / 1000);
    if (last !== undefined)
      await inTime(leftMs(), signal, late, (ends) =>
        client.call("task.wait", { ...inProject, id: last.id, waitSeconds }, { signal: ends }).catch(unlessGone),
      );
    if (leftMs() === 0) throw late;
    const restMs = Math.max(PAUSE_MS, (looked - began) * REST) - (performance.now() - looked);
    if (restMs > 0) await sleep(Math.min(restMs, leftMs()), signal);
  }
}

const isUnfinished = (state: Workflow["tasks"][number]["state"]) =>
  state === "waiting" || state === "pending" || state === "claimed";

/** A task may be purged meanwhile; the next look shows the workflow without it. */
function unlessGone(error: unknown): void {
  if (!isRefusal(error, "not_found")) throw error;
}
