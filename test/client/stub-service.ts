import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type Refused, StubSockets } from "./stub-sockets.ts";
import { StubTasks } from "./stub-tasks.ts";

export interface StubCall {
  readonly method: string;
  readonly params: Record<string, unknown>;
  readonly over: "http" | "websocket";
}

type Message = Omit<StubCall, "over"> & { readonly id: number };

/** What the stub does with a call instead of answering it well. */
export type Mishap =
  /** The connection breaks before the call is carried out. */
  | "lost before"
  /** The call is carried out, and then the connection breaks. */
  | "lost after"
  /** No answer for as long as the client waits. */
  | "silence"
  /** It is carried out and answered when the promise resolves. */
  | { readonly after: Promise<unknown> }
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  | { readonly code: number; readonly data: { readonly type: string; readonly [field: string]: unknown } };

/** Decides what happens to a call; `nth` counts the calls of its method from 1. Undefined: it is answered. */
export type Plan = (call: StubCall, nth: number) => Mishap | undefined;

/** How a call is answered, whatever it came over. */
export interface Channel {
  readonly over: "http" | "websocket";
  /** Aborted when the caller has gone. */
  readonly gone: AbortSignal;
  answer(text: string, status?: number, headers?: Record<string, string>): void;
  /** Breaks the connection. */
  lose(): void;
}

/**
 * An openSQS in memory, just enough of it to be a client's other side, which fails when and how a test says. The tests
 * against the real service are in worker-service.test.ts.
 */
export class StubService {
  readonly tasks = new StubTasks();
  readonly calls: StubCall[] = [];
  /** How many calls came in each batch. */
  readonly batches: number[] = [];
  /** How many callers hung up before they were answered. */
  hungUp = 0;
  plan: Plan = () => undefined;
  readonly sockets = new StubSockets((text, channel) => void this.#serve(text, channel));
  readonly #counts = new Map<string, number>();
  readonly #recorded = new Map<string, unknown>();
  readonly #server = createServer((request, response) => void this.#post(request, response));
  #port = 0;

  constructor() {
    this.#server.on("upgrade", (request, socket, head) => this.sockets.upgrade(request, socket, head));
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Handshakes are refused with this HTTP status, or left without an answer; null: accepted. */
  set refuseSockets(how: Refused) {
    this.sockets.refuse = how;
  }

  /** Listens on a free port, or after close() on the same one again. */
  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(this.#port, "127.0.0.1", resolve));
    this.#port = (this.#server.address() as AddressInfo).port;
    return this;
  }

  async close(): Promise<void> {
    this.tasks.wakeAll();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    this.sockets.closeAll();
    await closed;
  }

  of(method: string): StubCall[] {
    return this.calls.filter((call) => call.method === method);
  }

  async #post(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += chunk;
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    await this.#serve(body, {
      over: "http",
      gone: gone.signal,
      lose: () => void request.socket.destroy(),
      answer(text, status = 200, headers = {}) {
        response.writeHead(status, { "content-type": "application/json", ...headers });
        response.end(text);
      },
    });
  }

  async #serve(text: string, channel: Channel): Promise<void> {
    const message = JSON.parse(text) as Message | Message[];
    if (!Array.isArray(message)) return await this.#one(message, channel);
    this.batches.push(message.length);
    const answers: string[] = [];
    const answer = (one: string) => {
      if (answers.push(one) === message.length) channel.answer(`[${answers.join(",")}]`);
    };
    await Promise.all(message.map((member) => this.#one(member, { ...channel, answer })));
  }

  async #one({ id, method, params }: Message, channel: Channel): Promise<void> {
    const call = { method, params, over: channel.over };
    this.calls.push(call);
    const nth = (this.#counts.get(method) ?? 0) + 1;
    this.#counts.set(method, nth);
    const mishap = this.plan(call, nth);
    let answered = false;
    channel.gone.addEventListener("abort", () => {
      if (!answered) this.hungUp += 1;
    });
    if (mishap === "silence") return;
    if (typeof mishap === "object" && "after" in mishap) await mishap.after;
    else answered = mishap !== undefined;
    if (mishap === "lost before") return channel.lose();
    if (typeof mishap === "object" && !("after" in mishap)) return refuse(channel, id, mishap);
    const answer = await this.#act(call, channel.gone);
    if (mishap === "lost after") return channel.lose();
    answered = !channel.gone.aborted;
    channel.answer(JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
  }

  async #act({ method, params }: StubCall, gone: AbortSignal): Promise<object> {
    const key = typeof params.requestId === "string" ? params.requestId : undefined;
    const before = key === undefined ? undefined : this.#recorded.get(key);
    if (before !== undefined) return before as object;
    const answer = await this.tasks.act(method, params, gone);
    if (key !== undefined) this.#recorded.set(key, answer);
    return answer;
  }
}

type Refusal = Exclude<Mishap, string | { readonly after: unknown }>;

function refuse(channel: Channel, id: number, mishap: Refusal): void {
  if ("status" in mishap) channel.answer(mishap.body ?? "", mishap.status, mishap.headers);
  else channel.answer(JSON.stringify({ jsonrpc: "2.0", id, error: { message: "planned", ...mishap } }));
}
