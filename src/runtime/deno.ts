import type { OpenSocket, Socket, SocketEvents } from "../lib/socket.ts";
import { failed, stopping } from "./answers.ts";
import type { RunningServer, ServeOptions, SocketLimits } from "./index.ts";

/** The little of Deno that is used. Its own types cannot stand beside Bun's. */
interface DenoServer {
  readonly addr: { port: number };
  shutdown(): Promise<void>;
}

interface DenoServeOptions {
  hostname: string;
  port: number;
  onListen(): void;
  onError(error: unknown): Response;
}

type DenoHandler = (request: Request, info: { remoteAddr: { hostname?: string } }) => Promise<Response>;

interface DenoUpgradeOptions {
  /** Seconds of silence: after half of them the other side is pinged, after all of them the connection is closed. */
  idleTimeout: number;
  protocol?: string;
}

declare const Deno: {
  serve(options: DenoServeOptions, handler: DenoHandler): DenoServer;
  upgradeWebSocket(request: Request, options: DenoUpgradeOptions): { socket: WebSocket; response: Response };
};

export async function serveHttp({ host, port, handle, log, sockets }: ServeOptions): Promise<RunningServer> {
  const opened = new OpenSockets(sockets);
  let draining = false;
  const server = Deno.serve(
    {
      hostname: host,
      port,
      // Deno prints a line of its own otherwise.
      onListen: () => {},
      onError: (error) => {
        log.error("The HTTP server failed.", { error });
        return failed();
      },
    },
    async (request, { remoteAddr }) => {
      if (draining) return stopping();
      return handle(request, {
        remoteAddress: remoteAddr.hostname ?? null,
        localPort: server.addr.port,
        timeout: () => {},
        upgrade: (open) => opened.upgrade(request, open),
      });
    },
  );
  return {
    port: server.addr.port,
    async drain() {
      draining = true;
      // A shutdown cuts WebSockets off at once, so theirs is the first turn; it alone stops Deno from accepting, too.
      await opened.allClosed();
      await server.shutdown();
    },
    // Deno cuts no HTTP connection once a shutdown has begun (aborting the server's signal then is an uncaught
    // BadResource): what still runs ends with the process.
    kill: async () => void server.shutdown(),
  };
}

class OpenSockets {
  readonly #limits: SocketLimits;
  readonly #open = new Set<WebSocket>();
  #allClosed: () => void = () => {};

  constructor(limits: SocketLimits) {
    this.#limits = limits;
  }

  async allClosed(): Promise<void> {
    if (this.#open.size > 0)
      await new Promise<void>((resolve) => {
        this.#allClosed = resolve;
      });
  }

  upgrade(request: Request, open: OpenSocket): Response {
    // Bun takes the first sub-protocol that is offered; browsers want one to be taken.
    const protocol = request.headers.get("sec-websocket-protocol")?.split(",")[0]?.trim();
    const { socket: ws, response } = Deno.upgradeWebSocket(request, {
      idleTimeout: this.#limits.silentSecondsMax,
      ...(protocol !== undefined && { protocol }),
    });
    // Whatever is not text is refused unread: no Blob need be made of it.
    ws.binaryType = "arraybuffer";
    let events: SocketEvents | null = null;
    ws.onopen = () => {
      this.#open.add(ws);
      events = open(new DenoSocket(ws, () => events?.drained()));
    };
    ws.onmessage = ({ data }: MessageEvent<string | ArrayBuffer>) => {
      if (typeof data !== "string") events?.binary();
      else if (isLarger(data, this.#limits.messageBytesMax)) ws.close(1009, "The message is too large.");
      else events?.text(data);
    };
    // After a ping that was not answered, Deno says so twice. Errors are followed by it.
    ws.onclose = () => {
      events?.closed();
      events = null;
      if (this.#open.delete(ws) && this.#open.size === 0) this.#allClosed();
    };
    return response;
  }
}

const encoder = new TextEncoder();

/** Whether a text is longer than so many bytes of UTF-8. Deno itself takes frames of 64 MiB, and any number of fragments. */
function isLarger(text: string, bytesMax: number): boolean {
  // A unit of UTF-16 becomes one to three bytes, so most texts need not be counted.
  if (text.length > bytesMax) return true;
  return text.length * 3 > bytesMax && encoder.encode(text).length > bytesMax;
}

const LOOK_MS = 250;

class DenoSocket implements Socket {
  readonly #ws: WebSocket;
  readonly #drained: () => void;
  #looking = false;

  constructor(ws: WebSocket, drained: () => void) {
    this.#ws = ws;
    this.#drained = drained;
  }

  get buffered(): number {
    // What was not out when it closed stays in the browsers' figure for ever.
    return this.#ws.readyState === WebSocket.CLOSED ? 0 : this.#ws.bufferedAmount;
  }

  send(texts: readonly string[]): void {
    for (const text of texts) this.#ws.send(text);
    this.#look();
  }

  /** Nothing tells when the other side has taken what was sent, so it is looked at for as long as there is something. */
  #look(): void {
    if (this.#looking || this.buffered === 0) return;
    this.#looking = true;
    setTimeout(() => {
      this.#looking = false;
      this.#drained();
      this.#look();
    }, LOOK_MS);
  }

  end(code: number, reason: string): void {
    // The closing frame queues behind what was sent, and the connection stays until the other side has answered it.
    this.#ws.close(code, reason);
  }

  cut(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }
}
