import { z } from "zod";
import type { Envelope } from "./envelope.ts";
import type { Method } from "./method.ts";

/** Told what the calls of a batch weigh together. */
export type CostOf = (envelope: Envelope & { readonly kind: "batch" }) => number;

/**
 * Weighs batches before any of their calls is begun: so many tasks, or other things, as a call names or asks for. A
 * hundred claims of a thousand tasks are a small body, and gigabytes of answer.
 */
export function createCostOf(methods: readonly Method[]): CostOf {
  const weighers = new Map(methods.map((method) => [method.name, weigherOf(method)]));
  return ({ entries }) => {
    let sum = 0;
    for (const entry of entries) {
      if (entry.kind === "refused") sum++;
      else sum += weighers.get(entry.request.method)?.(entry.request.params as Readonly<Record<string, unknown>>) ?? 1;
    }
    return sum;
  };
}

/** The lists of things that a call acts on, each in one piece. */
const LISTS = ["tasks", "items", "receipts"] as const;

/** The parameters have not been checked: what is no number or no list weighs nothing, for it will be refused. */
function weigherOf({ params, cost = 1 }: Method): (given: Readonly<Record<string, unknown>>) => number {
  const shape: Readonly<Record<string, unknown>> = params instanceof z.ZodObject ? params.shape : {};
  const limit = shape.limit instanceof z.ZodDefault ? Number(shape.limit.def.defaultValue) : undefined;
  const lists = LISTS.filter((name) => name in shape);
  return (given) => {
    if (limit !== undefined) return Math.max(cost, typeof given.limit === "number" ? given.limit : limit);
    let things = 0;
    for (const name of lists) if (Array.isArray(given[name])) things += given[name].length;
    return Math.max(cost, things);
  };
}
