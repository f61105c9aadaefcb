/**
 * Ids of tasks: uuid v7 (RFC 9562), 48 bits of milliseconds first, so that they sort by creation; the low 32 bits are
 * the number of the task's queue, so that a bare id tells where the task lives. 42 bits in between are left for order and
 * chance: within a millisecond they count up in random steps, from a random start.
 */
const SPACE = 2 ** 42;
/** Random steps up to 2^23: a thousand ids of one call fit a millisecond thousands of times over. */
const STEP_MAX = 2 ** 23;

/** Makes an id for a queue's task, of the time `at` (epoch milliseconds) or of now. */
export type NewId = (queueId: number, at?: number) => string;

/**
 * Makes a generator of ids. `now` answers milliseconds since 1970; where it stands still or steps back, ids go on from
 * the last one, so each id of one generator is greater than those before, whatever their queues.
 */
export function idGenerator(now: () => number): NewId {
  let lastMs = 0;
  let middle = 0;
  const random = new Uint32Array(2);
  return (queueId, at = now()) => {
    crypto.getRandomValues(random);
    const ms = Math.floor(at);
    if (ms > lastMs) {
      lastMs = ms;
      middle = Math.floor((random[0]! / 2 ** 32) * (SPACE / 2)) + (random[1]! & 0xff);
    } else {
      middle += 1 + (random[0]! % STEP_MAX);
      if (middle >= SPACE) {
        lastMs += 1;
        middle = random[1]!;
      }
    }
    return format(lastMs, middle, queueId);
  };
}

function format(ms: number, middle: number, queueId: number): string {
  const time = ms.toString(16).padStart(12, "0");
  const high = Math.floor(middle / 2 ** 30);
  const low = middle % 2 ** 30;
  const a = (0x7000 | high).toString(16);
  const b = (0x8000 | (low >>> 16)).toString(16);
  const c = (low & 0xffff).toString(16).padStart(4, "0");
  return `${time.slice(0, 8)}-${time.slice(8)}-${a}-${b}-${c}${(queueId >>> 0).toString(16).padStart(8, "0")}`;
}

/** The queue's number in a task's id. */
export function queueOf(id: string): number {
  return Number.parseInt(id.slice(-8), 16) | 0;
}
