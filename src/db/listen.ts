import { randomUUID } from "node:crypto";
import pg from "pg";
import type { Logger } from "../lib/log.ts";
import { clientConfig } from "./drivers.ts";
import { type DatabaseTarget, describeTarget } from "./url.ts";

/**
 * Wake-ups between the instances of the service, over a connection of their own. They are hints: a payload may come twice,
 * late or never, and while the connection is down nothing comes at all. Whoever listens must poll as well.
 */
export interface Listener {
  /** Calls `onPayload` for each notification on the channel. Gives back a function that ends this. */
  listen(channel: string, onPayload: (payload: string) => void): () => void;
  /** Calls `onChange` when the connection is up (again) or down. After "up": poll once, for what was missed. */
  onStateChange(onChange: (up: boolean) => void): () => void;
  /** Sends to all instances, this one too. False: not sent, as the connection is down. Payload: less than 8,000 bytes. */
  notify(channel: string, payload: string): Promise<boolean>;
  readonly isUp: boolean;
  close(): Promise<void>;
}

export interface ListenerOptions {
  /** The database itself: through a transaction pooler no notification arrives, which is noticed, and then it stays down. */
  readonly target: DatabaseTarget;
  readonly log: Logger;
  readonly times?: Partial<typeof TIMES>;
}

/** In milliseconds. */
const TIMES = {
  /** Waits between attempts to connect double from the first to the last. */
  retryFirst: 100,
  retryLast: 30_000,
  /** A connection that a firewall dropped looks alive until something is sent. */
  heartbeat: 20_000,
  answer: 5_000,
};

export function createListener(options: ListenerOptions): Listener {
  const listener = new ReconnectingListener(options);
  listener.start();
  return listener;
}

class ReconnectingListener implements Listener {
  readonly #target: DatabaseTarget;
  readonly #log: Logger;
  readonly #times: typeof TIMES;
  readonly #channels = new Map<string, Set<(payload: string) => void>>();
  readonly #watchers = new Set<(up: boolean) => void>();
  #client: pg.Client | null = null;
  #attempt: Promise<void> = Promise.resolve();
  #asked: Promise<boolean> = Promise.resolve(true);
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** Since the connection was up last. */
  #failures = 0;
  #closed = false;

  constructor({ target, log, times = {} }: ListenerOptions) {
    this.#target = target;
    this.#log = log;
    this.#times = { ...TIMES, ...times };
  }

  get isUp(): boolean {
    return this.#client !== null;
  }

  start(): void {
    this.#attempt = this.#connect();
  }

  listen(channel: string, onPayload: (payload: string) => void): () => void {
    const receivers = this.#channels.get(channel) ?? new Set();
    this.#channels.set(channel, receivers.add(onPayload));
    if (receivers.size === 1) void this.#ask(`listen ${pg.escapeIdentifier(channel)}`);
    return () => {
      if (!receivers.delete(onPayload) || receivers.size > 0) return;
      this.#channels.delete(channel);
      void this.#ask(`unlisten ${pg.escapeIdentifier(channel)}`);
    };
  }

  onStateChange(onChange: (up: boolean) => void): () => void {
    this.#watchers.add(onChange);
    return () => this.#watchers.delete(onChange);
  }

  notify(channel: string, payload: string): Promise<boolean> {
    return this.#ask("select pg_notify($1, $2)", [channel, payload]);
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#attempt;
    await this.#client?.end().catch(() => {});
    this.#client = null;
  }

  async #connect(): Promise<void> {
    const { answer } = this.#times;
    const config = { connectionTimeoutMillis: answer, query_timeout: answer, ...clientConfig(this.#target) };
    const client = new pg.Client(config);
    client.on("error", (error) => this.#lose(client, error));
    client.on("end", () => this.#lose(client, new Error("the connection ended")));
    client.on("notification", ({ channel, payload = "" }) => {
      for (const onPayload of this.#channels.get(channel) ?? []) onPayload(payload);
    });
    try {
      await client.connect();
      await proveDelivery(client, config, answer);
    } catch (error) {
      this.#fail(client, error);
      return;
    }
    if (this.#closed) return void (await client.end().catch(() => {}));
    // From here on listen() reaches this connection by itself; the channels that it had before are made up for.
    this.#client = client;
    const names = [...this.#channels.keys()];
    await Promise.all(names.map((channel) => this.#ask(`listen ${pg.escapeIdentifier(channel)}`)));
    if (this.#client === client) this.#settle(client);
  }

  #settle(client: pg.Client): void {
    if (this.#failures > 0) this.#log.info("notifications from the database arrive again", { database: this.#where });
    this.#failures = 0;
    for (const watcher of this.#watchers) watcher(true);
    this.#beat(client);
  }

  #beat(client: pg.Client): void {
    this.#timer = setTimeout(async () => {
      if (this.#client === client && (await this.#ask("select 1"))) this.#beat(client);
    }, this.#times.heartbeat);
  }

  /** Whether the statement was carried out. One after the other, as pg is about to demand. */
  #ask(text: string, values: string[] = []): Promise<boolean> {
    const client = this.#client;
    this.#asked = this.#asked.then(() => this.#run(client, text, values));
    return this.#asked;
  }

  /** A connection that fails a statement is given up: a LISTEN would stay lost on it. */
  async #run(client: pg.Client | null, text: string, values: string[]): Promise<boolean> {
    if (client === null || this.#client !== client || this.#closed) return false;
    try {
      await client.query(text, values);
      return true;
    } catch (error) {
      this.#lose(client, error);
      return false;
    }
  }

  /** The connection was up and is not any more. Errors of others come here too: each failed statement, then the end. */
  #lose(client: pg.Client, error: unknown): void {
    if (this.#client !== client || this.#closed) return;
    this.#client = null;
    for (const watcher of this.#watchers) watcher(false);
    this.#fail(client, error);
  }

  #fail(client: pg.Client, error: unknown): void {
    void client.end().catch(() => {});
    if (this.#closed) return;
    // Once a spell: the service does not need the connection, so its absence must not fill the log.
    if (this.#failures === 0) {
      this.#log.warn("no notifications from the database, polling instead", { database: this.#where, error });
    }
    const { retryFirst, retryLast } = this.#times;
    const wait = Math.min(retryLast, retryFirst * 2 ** this.#failures);
    this.#failures += 1;
    clearTimeout(this.#timer);
    // Half of it by chance, so that all instances do not come back at the same moment.
    this.#timer = setTimeout(() => this.start(), wait / 2 + (Math.random() * wait) / 2);
  }

  get #where(): string {
    return describeTarget(this.#target);
  }
}

/**
 * Through a transaction pooler LISTEN succeeds and nothing ever arrives, so the connection has one sent to it to begin with:
 * by another connection, as what it sends itself comes back with the statement's own answer even there.
 */
async function proveDelivery(client: pg.Client, config: pg.ClientConfig, timeoutMs: number): Promise<void> {
  const channel = `opensqs_${randomUUID()}`;
  const sender = new pg.Client(config);
  sender.on("error", () => {});
  let timer: ReturnType<typeof setTimeout> | undefined;
  const arrival = new Promise<void>((resolve, reject) => {
    timer = setTimeout(() => reject(new Error("notifications do not arrive: is it a pooler's URL?")), timeoutMs);
    client.on("notification", (message) => {
      if (message.channel === channel) resolve();
    });
  });
  // Handled from the start: a statement below may fail before it.
  arrival.catch(() => {});
  try {
    await client.query(`listen ${pg.escapeIdentifier(channel)}`);
    await sender.connect();
    await sender.query("select pg_notify($1, '')", [channel]);
    await arrival;
  } finally {
    clearTimeout(timer);
    await sender.end().catch(() => {});
    await client.query(`unlisten ${pg.escapeIdentifier(channel)}`).catch(() => {});
  }
}
