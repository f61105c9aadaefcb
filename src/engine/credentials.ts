import { isUnavailable } from "../db/failure.ts";
import { type Database, NoConnection } from "../db/pool.ts";
import { everywhere, type Principal } from "../domain/access/principal.ts";
import { queuePatterns } from "../domain/access/queue-patterns.ts";
import { type LiveKeyRow, liveKeys } from "../domain/api-key/queries.ts";
import type { BatchLimits } from "./context.ts";
import { GroupCommit } from "./group-commit.ts";
import { refusalOf } from "./refusal-of.ts";

/** A credential that was found good is believed for so long, and looked up anew beside its use from half of that on. */
const BELIEVED_MS = 2_000;
/** Who holds on to a credential, a connection or a call that waits, learns of its end so often. */
const SWEEP_MS = 1_000;
/** A credential that nobody has used for so long is forgotten. */
const KEPT_MS = 600_000;
/** Keys looked up by one statement. */
const BATCH_MAX = 500;

/** Somebody who has been let in. */
export interface Guest {
  /** As it is now: what somebody may do can change while a connection is open. */
  readonly principal: Principal;
  /** Calls the listener when the credential opens nothing any more, or not the same; answers how to take it back. */
  onEnd(listener: () => void): () => void;
}

/** Looks up whom a credential stands for now; null: nobody. */
type LookUp = () => Promise<Principal | null>;

interface Entry {
  principal: Principal;
  readonly lookUp: LookUp;
  checked: number;
  /** It opened nothing when it was last looked up; there may be a new entry by its name since. */
  ended: boolean;
  readonly listeners: Set<() => void>;
}

/**
 * Who callers are, by their credentials. What was found out is remembered for seconds, so a key that is revoked, a session
 * that has ended and a member who was removed stop on every instance within 5 s: BELIEVED_MS and a sweep later at most.
 */
export class Credentials {
  readonly #entries = new Map<string, Entry>();
  readonly #underWay = new Map<string, Promise<Entry | null>>();
  readonly #keys: GroupCommit<Buffer, Principal | null>;
  #changed = Number.NEGATIVE_INFINITY;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(db: Database, limits: BatchLimits) {
    this.#keys = new GroupCommit({
      slots: limits.slots,
      gatherMax: limits.gatherMax,
      gatherWeightMax: Number.POSITIVE_INFINITY,
      weight: () => 1,
      weightMax: BATCH_MAX,
      mayBeOnes: (error) => !isUnavailable(error) && !(error instanceof NoConnection),
      run: (_lane, hashes) => principalsOf(db, hashes),
    });
    this.#timer = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#timer.unref?.();
  }

  /** By the hash of an API key, whom it stands for; null: nobody. */
  ofKey(hash: Buffer): Promise<Guest | null> {
    return this.find(nameOf(hash), () => this.#keys.submit({ projectId: 0, queueId: 0 }, hash));
  }

  /** Whether an API key was good when it was last looked up, which may be minutes ago. */
  wasGood(hash: Buffer): boolean {
    return this.isKnown(nameOf(hash));
  }

  /** Whether anything is remembered of a credential, or being found out. */
  isKnown(name: string): boolean {
    return this.#entries.has(name) || this.#underWay.has(name);
  }

  /** Whom another credential stands for. `name` tells it from all others, and must not be the credential itself. */
  async find(name: string, lookUp: LookUp): Promise<Guest | null> {
    const known = this.#entries.get(name);
    const age = known ? performance.now() - known.checked : Number.POSITIVE_INFINITY;
    if (known && age < BELIEVED_MS) {
      if (age > BELIEVED_MS / 2 && !this.#underWay.has(name)) this.#check(name, lookUp).catch(() => {});
      return this.#guest(known);
    }
    const entry = await (this.#underWay.get(name) ?? this.#check(name, lookUp));
    return entry && this.#guest(entry);
  }

  /** Looks all credentials up anew when they are next used: this instance has changed one. */
  forget(): void {
    this.#changed = performance.now();
    // Long ago, but no so long that those who use them count as strangers.
    for (const entry of this.#entries.values()) entry.checked = this.#changed - 2 * BELIEVED_MS;
    this.#underWay.clear();
    this.#sweep();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  #guest(entry: Entry): Guest {
    return {
      get principal() {
        return entry.principal;
      },
      onEnd(listener) {
        // It may have ended while the request was still being read. Later, as all others are told.
        if (entry.ended) queueMicrotask(listener);
        entry.listeners.add(listener);
        return () => void entry.listeners.delete(listener);
      },
    };
  }

  #check(name: string, lookUp: LookUp): Promise<Entry | null> {
    const began = performance.now();
    const checking = lookUp()
      // What was read before the change is good for the call that asked, and not for those after it.
      .then((principal) => this.#note(name, lookUp, principal, began < this.#changed ? began - 2 * BELIEVED_MS : began))
      .catch((error) => {
        throw refusalOf(error);
      })
      .finally(() => this.#underWay.get(name) === checking && this.#underWay.delete(name));
    this.#underWay.set(name, checking);
    return checking;
  }

  #note(name: string, lookUp: LookUp, principal: Principal | null, checked: number): Entry | null {
    const known = this.#entries.get(name);
    if (principal === null) {
      this.#entries.delete(name);
      if (known) known.ended = true;
      for (const listener of known?.listeners ?? []) listener();
      return null;
    }
    const entry: Entry = known ?? { principal, lookUp, checked, ended: false, listeners: new Set() };
    this.#entries.set(name, entry);
    // A look-up that began before another ended knows less.
    if (checked < entry.checked) return entry;
    const changed = !isSame(entry.principal, principal);
    Object.assign(entry, { principal, checked });
    if (changed) for (const listener of entry.listeners) listener();
    return entry;
  }

  #sweep(): void {
    const now = performance.now();
    for (const [name, { checked, listeners, lookUp }] of this.#entries) {
      const age = now - checked;
      if (listeners.size === 0) {
        if (age > KEPT_MS) this.#entries.delete(name);
      } else if (age > SWEEP_MS && !this.#underWay.has(name)) {
        // Where the database does not answer, nothing can be done with the credential either; the next sweep asks again.
        this.#check(name, lookUp).catch(() => {});
      }
    }
  }
}

/** Whether two look-ups found the same powers. The patterns of a key never change. */
function isSame(a: Principal, b: Principal): boolean {
  const powers = ({ project, everywhere, grants }: Principal) =>
    JSON.stringify([
      project,
      everywhere && [...everywhere],
      [...grants].map(([name, { projectId, scopes }]) => [name, projectId, [...scopes]]),
    ]);
  return powers(a) === powers(b);
}

const nameOf = (hash: Buffer) => `key ${hash.toString("base64url")}`;

async function principalsOf(db: Database, hashes: readonly Buffer[]): Promise<(Principal | null)[]> {
  const rows = await db.run((on) => on.any(liveKeys(hashes)));
  const found = new Map(rows.map((row) => [row.key_hash.toString("base64url"), principalOf(row)]));
  return hashes.map((hash) => found.get(hash.toString("base64url")) ?? null);
}

function principalOf(row: LiveKeyRow): Principal | null {
  const { project_id: projectId, project } = row;
  const [id, scopes, queues] = [`key ${row.id}`, new Set(row.scopes), queuePatterns(row.queues)];
  if (projectId === null) return everywhere(id, scopes, queues);
  if (project === null) return null;
  return { id, userId: null, project, everywhere: null, grants: new Map([[project, { projectId, scopes }]]), queues };
}
