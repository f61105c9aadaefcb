import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { StubTasks } from "./stub-tasks.ts";

export interface StubCall {
  readonly method: string;
  readonly params: Record<string, unknown>;
}

/** What the stub does with a call instead of answering it well. */
export type Mishap =
  /** The connection breaks before the call is carried out. */
  | "lost before"
  /** The call is carried out, and then the connection breaks. */
  | "lost after"
  /** No answer for as long as the client waits. */
  | "silence"
  | { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string }
  | { readonly code: number; readonly data: { readonly type: string; readonly [field: string]: unknown } };

/** Decides what happens to a call; `nth` counts the calls of its method from 1. Undefined: it is answered. */
export type Plan = (call: StubCall, nth: number) => Mishap | undefined;

/**
 * An openSQS in memory, just enough of it to be a client's other side, which fails when and how a test says. The tests
 * against the real service are in worker-service.test.ts.
 */
export class StubService {
  readonly tasks = new StubTasks();
  readonly calls: StubCall[] = [];
  /** How many callers hung up before they were answered. */
  hungUp = 0;
  plan: Plan = () => undefined;
  readonly #counts = new Map<string, number>();
  readonly #recorded = new Map<string, unknown>();
  readonly #server = createServer((request, response) => void this.#serve(request, response));
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
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
    await closed;
  }

  of(method: string): StubCall[] {
    return this.calls.filter((call) => call.method === method);
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += chunk;
    const { id, method, params } = JSON.parse(body) as StubCall & { id: number };
    const call = { method, params };
    this.calls.push(call);
    const nth = (this.#counts.get(method) ?? 0) + 1;
    this.#counts.set(method, nth);
    const mishap = this.plan(call, nth);
    if (mishap === "silence") return;
    if (mishap === "lost before") return void request.socket.destroy();
    if (typeof mishap === "object") return this.#refuse(response, id, mishap);
    const gone = new AbortController();
    response.on("close", () => {
      gone.abort();
      if (!response.writableEnded) this.hungUp += 1;
    });
    const answer = await this.#act(call, gone.signal);
    if (mishap === "lost after") return void request.socket.destroy();
    this.#answer(response, 200, JSON.stringify({ jsonrpc: "2.0", id, ...answer }));
  }

  async #act({ method, params }: StubCall, gone: AbortSignal): Promise<object> {
    const key = typeof params.requestId === "string" ? params.requestId : undefined;
    const before = key === undefined ? undefined : this.#recorded.get(key);
    if (before !== undefined) return before as object;
    const answer = await this.tasks.act(method, params, gone);
    if (key !== undefined) this.#recorded.set(key, answer);
    return answer;
  }

  #refuse(response: ServerResponse, id: number, mishap: Exclude<Mishap, string>): void {
    if ("status" in mishap) this.#answer(response, mishap.status, mishap.body ?? "", mishap.headers);
    else this.#answer(response, 200, JSON.stringify({ jsonrpc: "2.0", id, error: { message: "planned", ...mishap } }));
  }

  #answer(response: ServerResponse, status: number, body: string, headers: Record<string, string> = {}): void {
    response.writeHead(status, { "content-type": "application/json", ...headers });
    response.end(body);
  }
}
