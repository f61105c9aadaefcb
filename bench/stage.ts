import { rpc, type SpawnedService, spawnService } from "../test/support/service.ts";
import { withClient } from "../test/support/template.ts";
import { QUEUE } from "./callers/payload.ts";
import type { Target } from "./callers/transport.ts";
import { Child } from "./children.ts";
import { Meter } from "./meter.ts";
import type { Sizes, TransportName } from "./options.ts";
import type { Database, Server } from "./postgres.ts";

/** What every workload of ours is given. */
export interface Stage {
  readonly server: Server;
  readonly sizes: Sizes;
  readonly transports: readonly TransportName[];
  readonly connections: number;
  /** Measurements under way, to be ended when the bench is told to stop. */
  readonly live: Set<AsyncDisposable>;
}

/** Never on a database that may forget, and without the checks that only tests and development want. */
const SERVICE_ENV = {
  NODE_ENV: "production",
  ALLOW_UNSAFE_DATABASE: "off",
  LISTEN_DATABASE_URL: "",
  ROW_CHECKS: "",
  MIGRATE_ON_START: "off",
  LOG_LEVEL: "info",
};

/** One measurement's own database, services and processes; all gone when it is disposed of. */
export class Run implements AsyncDisposable {
  readonly stage: Stage;
  readonly database: Database;
  readonly meter: Meter;
  readonly #stack: AsyncDisposableStack;
  readonly services: SpawnedService[] = [];

  private constructor(stage: Stage, database: Database, stack: AsyncDisposableStack) {
    this.stage = stage;
    this.database = database;
    this.meter = new Meter(stage.server, database.name);
    this.#stack = stack;
  }

  /** A new empty database and `replicas` services on it. */
  static async begin(stage: Stage, replicas = 1, env: Record<string, string> = {}): Promise<Run> {
    await using stack = new AsyncDisposableStack();
    const run = new Run(stage, stack.use(await stage.server.freshDatabase()), stack.move());
    stage.live.add(run);
    try {
      for (let at = 0; at < replicas; at++) await run.#startService(env);
    } catch (error) {
      await run[Symbol.asyncDispose]();
      throw error;
    }
    return run;
  }

  async #startService(env: Record<string, string>): Promise<void> {
    const service = await spawnService({ ...SERVICE_ENV, DATABASE_URL: this.database.url, ...env });
    this.#stack.defer(async () => void (await service.stop()));
    this.services.push(service);
    this.meter.services.push(service.pid);
  }

  /** A process of callers or workers. */
  async child(): Promise<Child> {
    const child = this.#stack.use(await Child.start());
    this.meter.callers.push(child.pid);
    return child;
  }

  get url(): string {
    return this.services[0]!.url;
  }

  get urls(): string[] {
    return this.services.map(({ url }) => url);
  }

  target(transport: TransportName, urls: readonly string[] = [this.url]): Target {
    return { urls, transport, connections: this.stage.connections };
  }

  /** For filling and feeding, where the transport is not what is measured: the last, WebSocket unless told otherwise. */
  get quickest(): Target {
    return this.target(this.stage.transports.at(-1)!);
  }

  /** Tasks of the queue that are not finished, and completed ones. */
  async counts(): Promise<{ unfinished: number; completed: number }> {
    const stats = await rpc(this.url, "queue.stats", { name: QUEUE });
    if ("queues" in stats) throw new Error("queue.stats answered for all queues.");
    return {
      unfinished: stats.waiting + stats.pending + stats.delayed + stats.claimed,
      completed: stats.completed,
    };
  }

  /** As bench-peers does before it measures: a checkpoint, and before a drain a vacuum with fresh statistics. */
  async settle({ vacuum }: { vacuum: boolean }): Promise<void> {
    if (vacuum) await onDatabase(this.database.url, "vacuum analyze");
    await this.stage.server.query("checkpoint");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
    this.stage.live.delete(this);
  }
}

/** One statement on a connection of its own. */
export async function onDatabase(url: string, text: string, values: readonly unknown[] = []): Promise<void> {
  await withClient(url, (client) => client.query(text, [...values]));
}
