import process from "node:process";
import type { OpenSocket } from "../lib/socket.ts";

/** What a server's handler is told of a connection, and may do with it. */
export interface Connection {
  remoteAddress: string | null;
  localPort: number;
  /** From here to its next request, the connection is closed when nothing has moved on it for so long. Deno knows none such. */
  timeout(seconds: number): void;
  /**
   * Makes the request's connection a WebSocket, handed to `open`: the answer given is then the handler's. Null if the
   * request asks for none. The handler has checked the handshake's headers.
   */
  upgrade(open: OpenSocket): Response | null;
}

export interface ServeOptions {
  host: string;
  /** 0: any free port. */
  port: number;
  /** Must not reject; if it does, the caller gets a bare 500. */
  handle(request: Request, connection: Connection): Promise<Response>;
  connections: ConnectionLimits;
  sockets: SocketLimits;
  log: Record<"warn" | "error", (message: string, fields: Record<string, unknown>) => void>;
}

export interface ConnectionLimits {
  /** Bytes of a body up to which the handler is asked and answers itself. */
  bodyBytesMax: number;
  /** A connection is closed when a request on it has been incomplete, or unanswered, for so long. At most 255. Deno knows none such. */
  requestSeconds: number;
  /** TCP connections beyond which those that are idle are closed. Deno knows none such. */
  connectionsMax: number;
}

export interface SocketLimits {
  /** A larger message closes its connection with code 1009. */
  messageBytesMax: number;
  /**
   * A connection that has been silent for about so long although it was pinged is closed: its other side is gone. Bun
   * knows no less than 8.
   */
  silentSecondsMax: number;
}

/** What each runtime brings. */
export interface RunningServer {
  port: number;
  /** Accepts no more; resolves when the running answers are out and every connection is closed, sockets by their owner. */
  drain(): Promise<void>;
  /** Closes every connection, whatever is going on, or leaves that to the end of the process. */
  kill(): Promise<void>;
}

export interface HttpServer {
  readonly port: number;
  /** Where a program on this machine reaches the server. */
  readonly url: string;
  /**
   * Accepts no more, lets running answers finish, closes idle connections; what still runs after `graceSeconds` is cut
   * off (on Deno only by the end of the process). Resolves to whether all answers finished. Repeating it gives the first one's answer.
   * WebSockets are closed by whoever talks over them; one that is still open counts as a running answer.
   */
  stop(graceSeconds: number): Promise<boolean>;
}

export type RuntimeName = "bun" | "deno";

/** By what is there, not by name: whatever has Bun's or Deno's calls is treated as such. */
export const runtimeName: RuntimeName = "Deno" in globalThis ? "deno" : "bun";

/** Listens on `host` and `port`. Rejects if that cannot be had (the port is taken, the address is not ours). */
export async function serveHttp(options: ServeOptions): Promise<HttpServer> {
  const runtime = runtimeName === "deno" ? await import("./deno.ts") : await import("./bun.ts");
  const server = await runtime.serveHttp(options);
  let stopping: Promise<boolean> | undefined;
  return {
    port: server.port,
    url: `http://${reachable(options.host)}:${server.port}`,
    stop(graceSeconds) {
      stopping ??= stopWithin(server, graceSeconds);
      return stopping;
    },
  };
}

async function stopWithin(server: RunningServer, graceSeconds: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const tooLong = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), graceSeconds * 1000);
  });
  const finished = await Promise.race([server.drain().then(() => true as const), tooLong]);
  clearTimeout(timer);
  if (!finished) await server.kill();
  return finished;
}

/** A wildcard address names no machine; an IPv6 address stands in brackets. */
function reachable(host: string): string {
  if (host === "0.0.0.0" || host === "::") return "127.0.0.1";
  return host.includes(":") ? `[${host}]` : host;
}

/** Calls `stop` when the process is asked to end, by SIGTERM or from the keyboard. The name of the signal comes along. */
export function onSignals(stop: (signal: "SIGTERM" | "SIGINT") => void): void {
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, () => stop(signal));
}

/** The command line's words behind the program's own name. */
export function argv(): string[] {
  return process.argv.slice(2);
}

/** Ends the process; open handles do not keep it. */
export function exit(code: number): never {
  process.exit(code);
}
