import type { Principal } from "../domain/access/principal.ts";
import { holds, type Scope } from "../domain/access/scopes.ts";
import { Refusal } from "../domain/refusals.ts";
import type { Method } from "./method.ts";

type Given = Readonly<Record<string, unknown>>;

/**
 * The one place that decides whether somebody may make a call, its parameters read. A project in which they have no part is
 * not found; what they may not do in their own is forbidden. Which tasks of the project they may know of, by their queues,
 * is decided where these are looked up (src/engine/directory.ts).
 */
export function authorise(method: Method, params: unknown, principal: Principal): void {
  const wanted = scopesOf(method);
  if (wanted.length === 0) return;
  const given = params as Given;
  const project = textOf(given[method.projectIn ?? "project"]) ?? principal.project;
  const held = principal.everywhere ?? principal.grants.get(project)?.scopes;
  if (held === undefined) throw new Refusal("not_found", { noun: "project", id: project });
  const [scope] = wanted as [Scope];
  if (!holds(held, wanted)) throw new Refusal("forbidden", { scope });
  if (principal.everywhere === null && method.everywhere?.(params)) throw new Refusal("forbidden", { scope });
  const { queues } = principal;
  if (queues === null) return;
  const hidden = queueNames(method, given).find((name) => !queues.allows(name));
  if (hidden !== undefined) throw new Refusal("forbidden", { scope, queue: hidden });
}

/** The scopes one of which a method wants; none where any credential will do. */
export function scopesOf({ scope }: Method): readonly Scope[] {
  if (scope === null) return [];
  return typeof scope === "string" ? [scope] : scope;
}

const textOf = (value: unknown) => (typeof value === "string" ? value : undefined);
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

/** All queues that a call names, by the names under which parameters do so, as test/access/queues.test.ts makes sure. */
function queueNames({ queueIn }: Method, given: Given): readonly string[] {
  const inner = [...listOf(given.tasks), ...listOf(given.anyOf)].map((one) => (one as Given).queue);
  const named = [given.queue, ...listOf(given.queues), ...inner, queueIn && given[queueIn]];
  return named.flatMap((name) => textOf(name) ?? []);
}
