import { z } from "zod";
import { method } from "../method.ts";
import { inProject } from "../shapes.ts";

export const health = method({
  name: "admin.health",
  summary: "What is up, which settings endanger data, and how old the oldest snapshot is.",
  params: z.strictObject({ ...inProject }),
  result: z.strictObject({
    ok: z.boolean(),
    version: z.string(),
    uptimeSeconds: z.number(),
    database: z.strictObject({
      reachable: z.boolean(),
      version: z.string().nullable(),
      migration: z.string().nullable(),
      oldestSnapshotSeconds: z.number().nullable(),
      endangering: z.array(z.strictObject({ setting: z.string(), value: z.string(), why: z.string() })),
    }),
    listening: z.boolean().describe("Whether wake-ups from other instances arrive; polling serves without them."),
    waitingClaims: z.int(),
  }),
  changing: false,
  scope: "admin",
  refusals: [],
  run: (engine, _params, call) => engine.health(call),
});

export const verify = method({
  name: "admin.verify",
  // It reads all there is.
  cost: 1_000,
  summary: "Proves on the live database that every task is in exactly one state.",
  params: z.strictObject({ ...inProject }),
  result: z.strictObject({
    ok: z.boolean(),
    violations: z.array(z.strictObject({ rule: z.string(), count: z.int(), examples: z.array(z.string()) })),
  }),
  changing: false,
  heavy: true,
  scope: "admin",
  everywhere: () => true,
  refusals: [],
  run: (engine, _params, call) => engine.verify(call),
});
