import { descriptorsMax, openDescriptors } from "./descriptors.ts";

const LOOK_MS = 1_000;
/** Descriptors that are not for connections: the database's pools, files, and connections that come between two looks. */
const KEPT_BACK = 256;

export interface CrowdOptions {
  /** TCP connections beyond which room is made. */
  connectionsMax: number;
  closeIdle(): void;
  log: { warn(message: string, fields: Record<string, unknown>): void };
}

/**
 * Looks once a second how many connections there are. Bun has no bound for them and does not tell their number, so open
 * descriptors are counted, less those from before the first connection. Where there are too many, idle connections are closed,
 * and `isTooLarge` says that each answer should end its own. What is in the middle of a request is left alone, because it
 * has time-outs of its own. Out of descriptors, Bun would try to accept in a busy loop and serve nobody.
 */
export class Crowd {
  readonly #options: CrowdOptions;
  readonly #before = openDescriptors();
  readonly #most: number;
  readonly #timer: ReturnType<typeof setInterval> | undefined;
  isTooLarge = false;

  constructor(options: CrowdOptions) {
    this.#options = options;
    const descriptors = descriptorsMax();
    this.#most = Math.min(options.connectionsMax, Math.max(1, (descriptors ?? Number.POSITIVE_INFINITY) - KEPT_BACK));
    if (this.#most < options.connectionsMax) {
      options.log.warn("fewer connections than CONNECTIONS_MAX: ulimit -n is too low for them", {
        connections: this.#most,
        descriptors,
      });
    }
    if (this.#before !== null) {
      this.#timer = setInterval(() => this.#look(), LOOK_MS);
      this.#timer.unref();
    }
  }

  end(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    const connections = (openDescriptors() ?? 0) - (this.#before ?? 0);
    const was = this.isTooLarge;
    this.isTooLarge = connections > this.#most;
    if (!this.isTooLarge) return;
    if (!was) this.#options.log.warn("too many connections: idle ones are closed", { connections, most: this.#most });
    this.#options.closeIdle();
  }
}
