import { CATALOGUE } from "./catalogue.ts";
import { W5 } from "./depth.ts";
import { W3, W3RAW, W3S, W7 } from "./drain.ts";
import { CALLERS, W1, W2 } from "./enqueue.ts";
import { GRAPHS } from "./graphs.ts";
import { W6 } from "./horizon.ts";
import { HOSTILE } from "./hostile.ts";
import { LIMITS } from "./limits.ts";
import { W9 } from "./memory.ts";
import { W4 } from "./pickup.ts";
import { W8 } from "./replicas.ts";
import { SCHEDULES } from "./schedules.ts";
import type { Workload } from "./workload.ts";

/** In the order in which they are measured and printed. */
export const WORKLOADS: readonly Workload[] = [
  W1,
  W2,
  W3,
  W3RAW,
  W3S,
  W4,
  W5,
  W6,
  W7,
  W8,
  W9,
  LIMITS,
  CALLERS,
  CATALOGUE,
  GRAPHS,
  SCHEDULES,
  HOSTILE,
];
