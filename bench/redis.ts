import { mkdtemp, rm } from "node:fs/promises";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

export interface RedisServer extends AsyncDisposable {
  readonly url: string;
  readonly version: string;
}

const START_TIMEOUT_MS = 10_000;

/** A Redis with nothing in it, on a free port, in a temporary folder. bench-peers sets how often it waits for the disk. */
export async function startRedis(): Promise<RedisServer> {
  const folder = await mkdtemp(join(tmpdir(), "opensqs-bench-redis-"));
  const port = await freePort();
  const settings = [
    "--port",
    String(port),
    "--bind",
    "127.0.0.1",
    "--dir",
    folder,
    "--save",
    "",
    "--appendonly",
    "yes",
  ];
  const server = Bun.spawn(["redis-server", ...settings], { stdio: ["ignore", "ignore", "inherit"] });
  const version = Bun.spawnSync(["redis-server", "--version"]).stdout.toString();
  const stop = async () => {
    server.kill();
    await server.exited;
    await rm(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + START_TIMEOUT_MS;
  while (!(await accepts(port))) {
    if (performance.now() > deadline || server.exitCode !== null) {
      await stop();
      throw new Error("redis-server does not start.");
    }
    await Bun.sleep(50);
  }
  return {
    url: `redis://127.0.0.1:${port}`,
    version: /v=(\S+)/.exec(version)?.[1] ?? "unknown",
    [Symbol.asyncDispose]: stop,
  };
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    socket.once("connect", () => resolve(true)).once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() => resolve(typeof address === "object" && address !== null ? address.port : 0));
    });
  });
}
