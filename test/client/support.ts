import { afterEach, beforeEach } from "bun:test";
import { HttpTransport } from "../../src/client/http.ts";
import {
  type Client,
  type ClientOptions,
  createClient,
  type Handler,
  Worker,
  type WorkerEvent,
  type WorkerOptions,
} from "../../src/client/index.ts";
import { writeMessage } from "../../src/client/message.ts";
import { type SocketPatience, SocketTransport } from "../../src/client/socket.ts";
import { until } from "../support/until.ts";
import { StubService } from "./stub-service.ts";

export const TRANSPORTS = ["http", "websocket"] as const;
export type Over = (typeof TRANSPORTS)[number];

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

/** Ends when its signal is aborted, as a well-behaved handler does. */
export const untilAborted: Handler = (_task, { signal }) =>
  new Promise((_resolve, reject) => signal.addEventListener("abort", () => reject(signal.reason)));

/** What a promise rejects with; undefined if it does not. */
export const caught = (promise: Promise<unknown>) => promise.then(() => undefined).catch((error: unknown) => error);

/** For each test of the calling file: a stub service, and clients that call over WebSockets. */
export class StubClients {
  service = new StubService();
  readonly #open: { close(): void }[] = [];

  constructor() {
    beforeEach(async () => {
      this.service = await new StubService().listen();
    });
    afterEach(async () => {
      for (const each of this.#open.splice(0)) each.close();
      await this.service.close();
    });
  }

  client(more: ClientOptions = {}): Client {
    const retry = { baseSeconds: 0.001, maxSeconds: 0.002 };
    const made = createClient({ url: this.service.url, transport: "websocket", retry, ...more });
    this.#open.push(made);
    return made;
  }

  /** The transport by itself, so that its patience can be short. Gives the function to call by. */
  transport(patience: Partial<SocketPatience>) {
    const url = `${this.service.url}/rpc`;
    const http = new HttpTransport({ url, headers: {}, fetch });
    const made = new SocketTransport({ url: url.replace("http", "ws"), headers: {}, http, patience });
    this.#open.push(made);
    let lastId = 0;
    return (method: string, timeoutMs = 10_000): Promise<unknown> => {
      const id = ++lastId;
      const written = writeMessage({ jsonrpc: "2.0", id, method, params: {} });
      return made.exchange({
        id,
        method,
        ...written,
        timeoutMs,
        signal: undefined,
        waits: false,
        brief: false,
        late: undefined,
      });
    };
  }

  /** What each call came over. */
  overs(): Over[] {
    return this.service.calls.map(({ over }) => over);
  }
}

/** For each test of the calling block: a stub service, a listener, and workers that call over `over`. */
export class StubWorkers {
  service = new StubService();
  heard = new Heard();
  #workers: Worker[] = [];
  readonly #over: Over;

  constructor(over: Over) {
    this.#over = over;
    beforeEach(async () => {
      this.service = await new StubService().listen();
      this.heard = new Heard();
      this.#workers = [];
    });
    afterEach(async () => {
      await Promise.all(this.#workers.map((worker) => worker.stop({ graceSeconds: 0 })));
      await this.service.close();
    });
  }

  make(options: Partial<WorkerOptions>): Worker {
    const client = createClient({ url: this.service.url, retry: { baseSeconds: 0.001, maxSeconds: 0.01 } });
    const transport = options.client ? {} : { transport: this.#over };
    const worker = new Worker({ client, queue: "q", onEvent: this.heard.listen, ...transport, ...options });
    this.#workers.push(worker);
    return worker;
  }

  start(options: Partial<WorkerOptions>): Worker {
    return this.make(options).start();
  }

  /** The items of all calls of a …Many method, one after the other. */
  items(method: string): Record<string, unknown>[] {
    return this.service.of(method).flatMap(({ params }) => params.items as Record<string, unknown>[]);
  }
}
