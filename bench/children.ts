import { fileURLToPath } from "node:url";
import type { Arguments, OperationName, Outcome } from "./callers/operations.ts";
import type { Count } from "./callers/work.ts";
import type { Reply, Request } from "./child.ts";

const PROGRAM = fileURLToPath(new URL("./child.ts", import.meta.url));
/** fetch() makes no more connections than this at once; Bun's own limit is 256. */
const HTTP_CONNECTIONS_MAX = "4096";

/** The bench's end of a child process. */
export class Child implements AsyncDisposable {
  readonly #process: Bun.Subprocess;
  readonly #calls = new Map<number, { resolve(result: unknown): void; reject(error: Error): void }>();
  #lastId = 0;
  /** Hears how many handlers the child's workers have started. */
  onCount: (count: Count) => void = () => {};

  /** Starts one and waits until it listens. */
  static async start(): Promise<Child> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const child = new Child(resolve);
    void child.#process.exited.then((code) => reject(new Error(`A child process of the bench ended (${code}).`)));
    await promise;
    return child;
  }

  private constructor(up: () => void) {
    this.#process = Bun.spawn([process.execPath, PROGRAM], {
      env: { ...process.env, BUN_CONFIG_MAX_HTTP_REQUESTS: HTTP_CONNECTIONS_MAX, NODE_ENV: "production" },
      stdio: ["ignore", "inherit", "inherit"],
      serialization: "json",
      ipc: (message) => this.#heard(message as Reply, up),
      onExit: () => {
        for (const { reject } of this.#calls.values()) reject(new Error("A child process of the bench ended."));
        this.#calls.clear();
      },
    });
  }

  get pid(): number {
    return this.#process.pid;
  }

  /** Rejects with what the operation threw. */
  call<N extends OperationName>(name: N, args: Arguments<N>): Promise<Outcome<N>> {
    const id = ++this.#lastId;
    return new Promise((resolve, reject) => {
      this.#calls.set(id, { resolve: (result) => resolve(result as Outcome<N>), reject });
      this.#process.send({ id, name, args } satisfies Request);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#process.kill("SIGKILL");
    await this.#process.exited;
  }

  #heard(message: Reply, up: () => void): void {
    if (message.kind === "up") up();
    else if (message.kind === "count") this.onCount(message.count);
    else this.#settle(message);
  }

  #settle(message: Extract<Reply, { id: number }>): void {
    const call = this.#calls.get(message.id);
    this.#calls.delete(message.id);
    if (message.kind === "done") call?.resolve(message.result);
    else call?.reject(new Error(message.reason));
  }
}
