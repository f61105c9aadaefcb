import net from "node:net";
import { quantiles } from "../rows.ts";

/** What an attack sends, over and over, and how it goes about it. */
export interface Attack {
  readonly url: string;
  readonly connections: number;
  /** Messages a second over all connections at most; an attacker waits for its answer before it sends again. */
  readonly ratePerSecond: number;
  readonly kind: keyof typeof MESSAGES;
  readonly key: string;
}

export interface Attacked {
  readonly sent: number;
  readonly answered: number;
  /** Connections that were open when it ended. */
  readonly open: number;
  readonly seconds: number;
}

const head = (url: string, lines: readonly string[]) =>
  ["POST /rpc HTTP/1.1", `Host: ${new URL(url).host}`, "Content-Type: application/json", ...lines, "", ""].join("\r\n");

const call = (url: string, key: string, method: string, params: object) => {
  const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
  return head(url, [`Authorization: Bearer ${key}`, `Content-Length: ${body.length}`]) + body;
};

/** Above the limit of a body, in chunks: the service has to read 4 MiB before it knows. */
const OVERSIZED = 5 * 1024 * 1024;

const MESSAGES = {
  "wrong keys": ({ url }: Attack) => call(url, `osqs_wrong${Math.random().toString(36).slice(2)}`, "queue.list", {}),
  "oversized bodies": ({ url }: Attack) =>
    `${head(url, ["Transfer-Encoding: chunked"])}${OVERSIZED.toString(16)}\r\n${"x".repeat(OVERSIZED)}\r\n`,
  // Without a byte the kernel would keep them to itself.
  "idle sockets": () => "POST /rpc HT",
  "long polls": ({ url, key }: Attack) => call(url, key, "task.claim", { queue: "hostile-empty", waitSeconds: 60 }),
} as const;

/** Nothing comes back, so nothing is sent after it; the service closes the connection, and another is opened. */
const SILENT: ReadonlySet<string> = new Set(["idle sockets"]);
/** The rest of an answer that refuses a body is not worth waiting for. */
const HANGS_UP: ReadonlySet<string> = new Set(["oversized bodies"]);

class Attackers {
  readonly #attack: Attack;
  readonly #pauseMs: number;
  readonly #sockets = new Set<net.Socket>();
  readonly #start = performance.now();
  readonly #large: string | null;
  #over = false;
  #sent = 0;
  #answered = 0;

  constructor(attack: Attack) {
    this.#attack = attack;
    this.#pauseMs = (attack.connections / attack.ratePerSecond) * 1000;
    this.#large = attack.kind === "oversized bodies" ? MESSAGES[attack.kind](attack) : null;
    const port = Number(new URL(attack.url).port);
    // Spread over one pause, so that they do not come all at once.
    for (let at = 0; at < attack.connections; at++)
      setTimeout(() => this.#open(port), (this.#pauseMs * at) / attack.connections);
  }

  end(): Attacked {
    this.#over = true;
    const open = this.#sockets.size;
    for (const socket of this.#sockets) socket.destroy();
    return { sent: this.#sent, answered: this.#answered, open, seconds: (performance.now() - this.#start) / 1000 };
  }

  #open(port: number): void {
    if (this.#over) return;
    const { kind } = this.#attack;
    const socket = net.connect(port, "127.0.0.1");
    socket.on("connect", () => {
      this.#sockets.add(socket);
      this.#send(socket);
    });
    let waits = true;
    socket.on("data", () => {
      if (!waits) return;
      waits = false;
      this.#answered += 1;
      if (HANGS_UP.has(kind)) socket.destroy();
      else
        setTimeout(() => {
          waits = true;
          this.#send(socket);
        }, this.#pauseMs);
    });
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#sockets.delete(socket);
      setTimeout(() => this.#open(port), SILENT.has(kind) ? 0 : this.#pauseMs);
    });
  }

  #send(socket: net.Socket): void {
    if (this.#over || socket.destroyed) return;
    this.#sent += 1;
    socket.write(this.#large ?? MESSAGES[this.#attack.kind](this.#attack));
  }
}

let attackers: Attackers | null = null;

export async function attack(args: Attack): Promise<null> {
  attackers = new Attackers(args);
  return null;
}

export async function endAttack(): Promise<Attacked> {
  const ended = attackers?.end() ?? { sent: 0, answered: 0, open: 0, seconds: 0 };
  attackers = null;
  return ended;
}

export interface GoodCalls {
  readonly tasks: number;
  readonly failed: number;
  readonly seconds: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** One caller on one connection: enqueues a task, claims it, completes it, again and again. Times are of single calls. */
export async function goodCalls(args: { url: string; key: string; seconds: number }): Promise<GoodCalls> {
  const { url, key, seconds } = args;
  const times: number[] = [];
  let tasks = 0;
  let failed = 0;
  const headers = { "content-type": "application/json", authorization: `Bearer ${key}` };
  const timed = async <T>(method: string, params: object): Promise<T> => {
    const before = performance.now();
    const body = JSON.stringify({ jsonrpc: "2.0", id: 1, method, params });
    const response = await fetch(`${url}/rpc`, { method: "POST", headers, body });
    const { result } = (await response.json()) as { result?: T };
    times.push(performance.now() - before);
    if (result === undefined) throw new Error(`${method} was refused.`);
    return result;
  };
  const start = performance.now();
  while (performance.now() - start < seconds * 1000) {
    try {
      await timed("task.enqueue", { queue: "good", payload: { tasks } });
      const claimed = await timed<{ tasks: { receipt: string }[] }>("task.claim", { queue: "good" });
      for (const { receipt } of claimed.tasks) await timed("task.complete", { receipt });
      tasks += 1;
    } catch {
      failed += 1;
    }
  }
  return { tasks, failed, seconds: (performance.now() - start) / 1000, ...quantiles(times) };
}
