import { violatedConstraint } from "../db/failure.ts";
import type { Database } from "../db/pool.ts";
import { projectByName } from "../domain/project/queries.ts";
import { insertQueue, insertQueues, type QueueRow, queueById, queueByName } from "../domain/queue/queries.ts";
import { Refusal } from "../domain/refusals.ts";
import type { Call, InProject } from "./engine.ts";

/** How long a queue's policy may be remembered. Numbers never change; only the payload limit is used from here. */
const REMEMBERED_MS = 1_000;

interface Remembered {
  readonly row: QueueRow;
  readonly until: number;
}

/**
 * Finds projects and queues by name, remembering them for a moment. What must not be stale (paused, lease, attempts) is
 * read by the statements themselves.
 */
export class Directory {
  readonly #db: Database;
  readonly #createQueues: boolean;
  readonly #projects = new Map<string, { readonly id: number; readonly until: number }>();
  readonly #byName = new Map<string, Remembered>();
  readonly #byId = new Map<number, Remembered>();
  /** Look-ups under way, which very many calls may join when a moment is over. */
  readonly #projectsUnderWay = new Map<string, Promise<{ readonly id: number } | null>>();
  readonly #queuesUnderWay = new Map<string, Promise<QueueRow | null>>();

  constructor(db: Database, createQueues: boolean) {
    this.#db = db;
    this.#createQueues = createQueues;
  }

  /** A project's number; refused as not_found when there is none. Remembered for a second. */
  async project(name: string): Promise<number> {
    const known = this.#projects.get(name);
    if (known && known.until > performance.now()) return known.id;
    const row = await joined(this.#projectsUnderWay, name, () =>
      this.#db.run((db) => db.maybeOne(projectByName(name))),
    );
    if (!row) {
      this.#projects.delete(name);
      throw new Refusal("not_found", { noun: "project", id: name });
    }
    this.#projects.set(name, { id: row.id, until: performance.now() + REMEMBERED_MS });
    return row.id;
  }

  /**
   * The number of the project a call acts in. Refused as not_found where its caller has no part in such a one, exactly as
   * where there is none: the names of other projects are not even looked up.
   */
  async projectOf({ project }: InProject, { principal }: Pick<Call, "principal">): Promise<number> {
    const name = project ?? principal.project;
    if (principal.everywhere !== null) return await this.project(name);
    const grant = principal.grants.get(name);
    if (!grant) throw new Refusal("not_found", { noun: "project", id: name });
    // For its name alone, should it go meanwhile.
    if (!this.#projects.has(name)) this.#projects.set(name, { id: grant.projectId, until: Number.NEGATIVE_INFINITY });
    return grant.projectId;
  }

  /** Forgets a project that this instance renamed or deleted. */
  forgetProject(name: string): void {
    const known = this.#projects.get(name);
    this.#projects.delete(name);
    this.#projectsUnderWay.delete(name);
    if (!known) return;
    for (const [key, { row }] of this.#byName)
      if (row.project_id === known.id) {
        this.#byName.delete(key);
        this.#byId.delete(row.id);
      }
  }

  /** A queue by name, or null. Remembered for a second, so its policy may be that old. */
  async find(projectId: number, name: string): Promise<QueueRow | null> {
    const known = this.#byName.get(`${projectId}/${name}`);
    if (known && known.until > performance.now()) return known.row;
    const row = await this.#db.run((db) => db.maybeOne(queueByName(projectId, name)));
    if (row) this.#remember(row);
    else this.forget(projectId, name);
    return row;
  }

  /** A queue by name; refused as not_found when there is none. */
  async queue(projectId: number, name: string): Promise<QueueRow> {
    const row = await this.find(projectId, name);
    if (!row) throw new Refusal("not_found", { noun: "queue", id: name });
    return row;
  }

  /** A queue by name for a new task: created if it is new, unless the service is told not to. */
  async queueForTask(projectId: number, name: string): Promise<QueueRow> {
    const row = await this.find(projectId, name);
    if (row) return row;
    if (!this.#createQueues) throw new Refusal("not_found", { noun: "queue", id: name });
    try {
      await this.#db.run((db) => db.maybeOne(insertQueue(projectId, name)));
    } catch (error) {
      // The project went within the second in which it was remembered.
      if (violatedConstraint(error) === "queue_project_id_fkey")
        throw new Refusal("not_found", { noun: "project", id: this.nameOf(projectId) });
      throw error;
    }
    return await this.queue(projectId, name);
  }

  /** Makes those of these queues that are not there; answers false, and makes none, where the service is told not to. */
  async makeQueues(queues: readonly { readonly project_id: number; readonly queue: string }[]): Promise<boolean> {
    if (this.#createQueues) await this.#db.run((db) => db.any(insertQueues(queues)));
    return this.#createQueues;
  }

  /** The name of a project as it is remembered; its number where it is not. */
  nameOf(projectId: number): string {
    const [name = String(projectId)] = [...this.#projects].find(([, { id }]) => id === projectId) ?? [];
    return name;
  }

  /**
   * The queue a task's id names, if it belongs to the project and the caller may know of it. Another project's queue takes
   * the very way of one that does not exist: what is remembered of it is not looked at.
   */
  async queueOfTask(
    projectId: number,
    queueId: number,
    { principal }: Pick<Call, "principal">,
  ): Promise<QueueRow | null> {
    const known = this.#byId.get(queueId);
    const fresh = known !== undefined && known.row.project_id === projectId && known.until > performance.now();
    const row = fresh
      ? known.row
      : await joined(this.#queuesUnderWay, `${projectId}/${queueId}`, () =>
          this.#db.run((db) => db.maybeOne(queueById(projectId, queueId))),
        );
    if (!row) return null;
    if (!fresh) this.#remember(row);
    return principal.queues?.allows(row.name) === false ? null : row;
  }

  /** What is remembered of a queue by its number, however old: enough for its name. */
  known(queueId: number): QueueRow | null {
    return this.#byId.get(queueId)?.row ?? null;
  }

  /** A queue's number as it is remembered, however old; null for a queue that is not. */
  numberOf(projectId: number, name: string): number | null {
    return this.#byName.get(`${projectId}/${name}`)?.row.id ?? null;
  }

  /** Forgets what is known of a queue that this instance changed. */
  forget(projectId: number, name: string): void {
    const key = `${projectId}/${name}`;
    const known = this.#byName.get(key);
    if (known) {
      this.#byId.delete(known.row.id);
      this.#queuesUnderWay.delete(`${projectId}/${known.row.id}`);
    }
    this.#byName.delete(key);
  }

  #remember(row: QueueRow): void {
    const remembered = { row, until: performance.now() + REMEMBERED_MS };
    this.#byName.set(`${row.project_id}/${row.name}`, remembered);
    this.#byId.set(row.id, remembered);
  }
}

/** Finds what a look-up under way finds. If that is nothing, a look of its own decides: it may have come meanwhile. */
async function joined<K, T>(
  underWay: Map<K, Promise<T | null>>,
  key: K,
  look: () => Promise<T | null>,
): Promise<T | null> {
  const other = underWay.get(key);
  if (other) return (await other) ?? (await look());
  const own = look().finally(() => underWay.get(key) === own && underWay.delete(key));
  underWay.set(key, own);
  return await own;
}
