import type { WorkerEvent } from "../../src/client/index.ts";

/** Polls until the condition holds; the deadline is for a test that would hang, never for one that is slow. */
export async function until(condition: () => boolean | Promise<boolean>, what: string, seconds = 20): Promise<void> {
  const deadline = performance.now() + seconds * 1000;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`Waited ${seconds} s in vain: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** A listener that keeps all it hears. */
export class Heard {
  readonly events: WorkerEvent[] = [];
  readonly listen = (event: WorkerEvent) => void this.events.push(event);

  of<T extends WorkerEvent["type"]>(type: T): Extract<WorkerEvent, { type: T }>[] {
    return this.events.filter((event): event is Extract<WorkerEvent, { type: T }> => event.type === type);
  }

  async one<T extends WorkerEvent["type"]>(type: T): Promise<Extract<WorkerEvent, { type: T }>> {
    await until(() => this.of(type).length > 0, `an event ${type}`);
    return this.of(type)[0]!;
  }
}

/** A promise and what settles it: lets a test decide when a handler ends. */
export function gate<T = void>() {
  return Promise.withResolvers<T>();
}
