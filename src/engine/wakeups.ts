import { Hints } from "./hints.ts";

/**
 * Tells those who wait for tasks of a queue that some may be there: at once within this instance, and other instances by
 * hints. A hint is marked when the tasks may lie before those that were claimed last: made earlier, or to run earlier.
 */
export class Wakeups extends Hints {
  constructor() {
    super({ news: "opensqs_ready", wanted: "opensqs_waiting" });
  }

  /**
   * A queue of this instance's doing has tasks that are due; `stirred` unless all of them are new and of this moment.
   */
  wake(queueId: number, { stirred = true }: { readonly stirred?: boolean } = {}): void {
    this.say({ queueId, marked: stirred });
    this.tell(queueId, { marked: stirred });
  }
}
