import type { WorkerEvent } from "../../src/client/index.ts";
import { until } from "../support/until.ts";

/** A listener that keeps all it hears. */
export class Heard {
  readonly events: WorkerEvent[] = [];
  readonly listen = (event: WorkerEvent) => void this.events.push(event);

  of<T extends WorkerEvent["type"]>(type: T): Extract<WorkerEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<WorkerEvent, { type: T }> => event.type === type);
  }

  async one<T extends WorkerEvent["type"]>(type: T): Promise<Extract<WorkerEvent, { type: T }>> {
    return await until(`an event ${type} is heard`, () => this.of(type)[0]);
  }
}

/** A promise and what settles it: lets a test decide when a handler ends. */
export function gate<T = void>() {
  return Promise.withResolvers<T>();
}
