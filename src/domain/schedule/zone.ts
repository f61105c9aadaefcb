import { Remembered } from "../../lib/remembered.ts";

/**
 * A stretch of time in which a zone's offset from UTC stays the same. All in milliseconds; local times are written as if
 * they were of UTC, so local = instant + offset.
 */
export interface Stretch {
  /** The first instant of it; -Infinity where no change came before. */
  readonly start: number;
  /** The first instant after it; Infinity where no change follows. */
  readonly end: number;
  readonly offset: number;
  /**
   * Where local time had come to when it began. Less than its own first local time: a gap, what lies between is skipped.
   * More: a fold, what lies between comes again.
   */
  readonly reached: number;
}

/** The IANA names are some 600; other spellings of them are few. */
const ZONES_MAX = 1_000;
/** A century of two changes a year: nobody needs more who asks about times of our days. */
const STRETCHES_MAX = 200;

/** A time zone's clock changes, each looked up once: from then on, placing a local time is arithmetic. */
export class Zone {
  readonly #name: string;
  /** In their order; not all that lie between need be there. */
  #known: Stretch[] = [];

  constructor(name: string) {
    this.#name = name;
  }

  /** The stretch that an instant lies in. */
  at(instant: number): Stretch {
    const after = this.#firstAfter(instant);
    const known = this.#known[after - 1];
    if (known !== undefined && instant < known.end) return known;
    const found = this.#lookUp(instant);
    if (this.#known.length < STRETCHES_MAX) this.#known.splice(after, 0, found);
    else this.#known = [found];
    return found;
  }

  /** The place of the first known stretch that begins after an instant. */
  #firstAfter(instant: number): number {
    let [low, high] = [0, this.#known.length];
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#known[middle]!.start <= instant) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #lookUp(instant: number): Stretch {
    const local = this.#local(instant);
    // A change at this very instant is one that has been: the look back begins just after it.
    const start = this.#local(instant + 1).getTimeZoneTransition("previous")?.epochMilliseconds ?? -Infinity;
    const end = local.getTimeZoneTransition("next")?.epochMilliseconds ?? Infinity;
    const reached = start === -Infinity ? start : start + offsetOf(this.#local(start - 1));
    return { start, end, offset: offsetOf(local), reached };
  }

  #local(instant: number): Temporal.ZonedDateTime {
    return Temporal.Instant.fromEpochMilliseconds(instant).toZonedDateTimeISO(this.#name);
  }
}

const offsetOf = (time: Temporal.ZonedDateTime) => time.offsetNanoseconds / 1_000_000;

const zones = new Remembered(ZONES_MAX, (name) => new Zone(name));

/** A zone by its name; isZone() has said before that there is one. */
export const zoneOf = (name: string): Zone => zones.get(name);

/** Whether a name is one of a time zone: "Europe/Berlin", "UTC". An offset such as "+01:00" is none. */
export function isZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
}
