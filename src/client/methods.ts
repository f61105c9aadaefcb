import type { JsonObject } from "../lib/json.ts";
import type { Contract } from "./contract.ts";

export type MethodName = keyof Contract;

/**
 * What a repeat of a call does, which decides how the client retries it when an answer was lost:
 * - `reads`: changes nothing, so it may be repeated freely.
 * - `recorded`: acting twice would show. The client gives it a requestId, the service keeps the answer under it for 24
 *   hours, and a repeat is answered with what the first one answered.
 * - `repeats`: acting twice has the effect of acting once, because the receipt says which lease is meant (completing with
 *   the receipt that completed the task succeeds again). A requestId would only make these hot calls write one more row.
 * - `claims`: task.claim. Recording a claim costs that row for every claim of every worker, empty ones included, to
 *   save a lease time in the rare case that an answer is lost. So a claim carries no requestId unless its caller asks
 *   (`repeatable: true`), and is then not repeated while its outcome is unknown: the tasks that the lost answer named
 *   come back by themselves when their leases run out, whereas a blind repeat would lease further tasks beside them.
 */
export type MethodKind = "reads" | "recorded" | "repeats" | "claims";

// At run time the client imports nothing of the service, so this table stands here by itself. `satisfies` makes a
// missing or misspelt method a type error, and test/client/methods.test.ts compares it with the service's METHODS.
export const METHOD_KINDS = {
  "rpc.discover": "reads",
  "apiKey.create": "recorded",
  "apiKey.list": "reads",
  "apiKey.revoke": "recorded",
  "apiKey.rotate": "recorded",
  "task.enqueue": "recorded",
  "task.enqueueMany": "recorded",
  "task.claim": "claims",
  "task.complete": "repeats",
  "task.completeMany": "repeats",
  "task.fail": "recorded",
  "task.failMany": "recorded",
  "task.release": "recorded",
  "task.extend": "repeats",
  "task.progress": "repeats",
  "task.get": "reads",
  "task.list": "reads",
  "task.count": "reads",
  "task.attempts": "reads",
  "task.update": "recorded",
  "task.cancel": "recorded",
  "task.retry": "recorded",
  "task.delete": "recorded",
  "task.restore": "recorded",
  "task.wait": "reads",
  "queue.create": "recorded",
  "queue.update": "recorded",
  "queue.get": "reads",
  "queue.list": "reads",
  "queue.delete": "recorded",
  "queue.pause": "recorded",
  "queue.resume": "recorded",
  "queue.purge": "recorded",
  "queue.redrive": "recorded",
  "queue.stats": "reads",
  "worker.list": "reads",
  "worker.get": "reads",
  "worker.tasks": "reads",
  "workflow.create": "recorded",
  "workflow.add": "recorded",
  "workflow.get": "reads",
  "workflow.list": "reads",
  "workflow.cancel": "recorded",
  "workflow.retry": "recorded",
  "project.addMember": "recorded",
  "project.removeMember": "recorded",
  "project.members": "reads",
  "project.create": "recorded",
  "project.get": "reads",
  "project.list": "reads",
  "project.update": "recorded",
  "project.delete": "recorded",
  "tag.create": "recorded",
  "tag.list": "reads",
  "tag.rename": "recorded",
  "tag.delete": "recorded",
  "tag.suggest": "reads",
  "category.create": "recorded",
  "category.get": "reads",
  "category.list": "reads",
  "category.update": "recorded",
  "category.delete": "recorded",
  "category.tree": "reads",
  "schedule.create": "recorded",
  "schedule.update": "recorded",
  "schedule.get": "reads",
  "schedule.list": "reads",
  "schedule.pause": "recorded",
  "schedule.resume": "recorded",
  "schedule.delete": "recorded",
  "schedule.trigger": "recorded",
  "schedule.next": "reads",
  "admin.health": "reads",
  "admin.verify": "reads",
} as const satisfies Record<MethodName, MethodKind>;

/**
 * Calls that are done with one short statement, most of them as members of a group commit. Over a WebSocket such calls made
 * in the same turn of the event loop go as one batch: its answers come together, so nothing that takes long may be in it.
 */
const BRIEF: ReadonlySet<MethodName> = new Set([
  "task.enqueue",
  "task.claim",
  "task.complete",
  "task.fail",
  "task.release",
  "task.extend",
  "task.progress",
  "task.get",
]);

/** `waits`: the call itself asks the service to wait. */
export const isBrief = (method: MethodName, waits: boolean): boolean => !waits && BRIEF.has(method);

/** What one call sends, and whether it may be sent again after an answer that never came. */
export interface Repeatability {
  readonly params: JsonObject;
  readonly repeatable: boolean;
}

/**
 * Adds a requestId where the method needs one to be repeatable and the caller gave none.
 * `wanted`: false sends no requestId and never repeats a change whose outcome is unknown; true makes a claim repeatable.
 */
export function makeRepeatable(method: MethodName, params: JsonObject, wanted: boolean | undefined): Repeatability {
  const kind: MethodKind = METHOD_KINDS[method];
  if (kind === "reads" || kind === "repeats") return { params, repeatable: wanted ?? true };
  if (typeof params.requestId === "string") return { params, repeatable: wanted ?? true };
  if (!(wanted ?? kind === "recorded")) return { params, repeatable: false };
  return { params: { ...params, requestId: crypto.randomUUID() }, repeatable: true };
}
