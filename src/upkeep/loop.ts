import { isUnavailable } from "../db/failure.ts";
import type { Logger } from "../lib/log.ts";

/** Something done again and again in the background. */
export interface Job {
  readonly name: string;
  readonly everyMs: number;
  /** Does what there is to do; true when more is left, so that it goes on without a pause. */
  run(): Promise<boolean>;
}

/** Times between runs vary by this share, so that instances do not work in step. */
const SPREAD = 0.2;
/** After a failure a job pauses at least this long: the reason seldom passes sooner. */
const FAILURE_PAUSE_MS = 1_000;

export interface Upkeep {
  /** Stops after the runs under way. */
  stop(): Promise<void>;
}

/** Starts the jobs, each in a loop of its own: a slow one delays no other. Every instance runs all of them. */
export function startUpkeep(jobs: readonly Job[], log: Logger): Upkeep {
  const stopping = new AbortController();
  const loops = jobs.map((job) => loop(job, log, stopping.signal));
  return {
    async stop() {
      stopping.abort();
      await Promise.all(loops);
    },
  };
}

async function loop(job: Job, log: Logger, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    let pauseMs = job.everyMs * (1 - SPREAD * Math.random());
    try {
      if (await job.run()) pauseMs = 0;
    } catch (error) {
      log[isUnavailable(error) ? "warn" : "error"]("upkeep failed", { job: job.name, error });
      pauseMs = Math.max(pauseMs, FAILURE_PAUSE_MS);
    }
    await pause(pauseMs, signal);
  }
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal.addEventListener("abort", done, { once: true });
    if (signal.aborted) done();
  });
}
