import type { ServerWebSocket } from "bun";
import type { OpenSocket, Socket, SocketEvents } from "../lib/socket.ts";
import { failed } from "./answers.ts";
import { Crowd } from "./crowd.ts";
import type { RunningServer, ServeOptions } from "./index.ts";

/**
 * Bodies up to so many times the limit reach our handler, which answers what is above the limit itself; beyond, Bun answers a
 * bare 413 and closes the connection, so that nobody makes us read on.
 */
const BEYOND_LIMIT = 2;

export async function serveHttp(options: ServeOptions): Promise<RunningServer> {
  const { host, port, handle, log, connections, sockets } = options;
  const server = Bun.serve({
    hostname: host,
    port,
    development: false,
    // Holds from the end of a request's head on, in all and whatever trickles in, until its body is there: Bun lets a request
    // take its time then. The head of a connection's first request has 8 to 12 seconds that cannot be changed; that of a later
    // one, the time-out that the last answer left behind.
    idleTimeout: connections.requestSeconds,
    maxRequestBodySize: connections.bodyBytesMax * BEYOND_LIMIT,
    fetch: async (request, self) => {
      const response = await handle(request, {
        remoteAddress: self.requestIP(request)?.address ?? null,
        localPort: self.port ?? 0,
        timeout: (seconds) => self.timeout(request, seconds),
        upgrade: (open) => (self.upgrade(request, { data: new BunSocket(open) }) ? UPGRADED : null),
      });
      if (crowd.isTooLarge && response !== UPGRADED) response.headers.set("connection", "close");
      return response;
    },
    error: (error) => {
      log.error("The HTTP server failed.", { error });
      return failed();
    },
    websocket: {
      data: {} as BunSocket,
      maxPayloadLength: sockets.messageBytesMax,
      idleTimeout: sockets.silentSecondsMax,
      sendPings: true,
      perMessageDeflate: false,
      // Whoever talks over the socket looks at `buffered`; dropping messages silently would lose answers.
      backpressureLimit: 0,
      open: (ws) => ws.data.opened(ws),
      message: (ws, message) => ws.data.message(message),
      drain: (ws) => ws.data.drained(),
      close: (ws) => ws.data.closed(),
      error: (error) => log.error("A WebSocket's handler failed.", { error }),
    },
  });
  const crowd = new Crowd({
    connectionsMax: connections.connectionsMax,
    closeIdle: () => void server.closeIdleConnections(),
    log,
  });
  return {
    port: server.port ?? 0,
    drain() {
      crowd.end();
      return server.stop(false);
    },
    kill: () => server.stop(true),
  };
}

/** Bun has answered the handshake itself and looks over what the handler gives. */
const UPGRADED = new Response(null);

class BunSocket implements Socket {
  readonly #open: OpenSocket;
  #ws: ServerWebSocket<BunSocket> | null = null;
  #events: SocketEvents | null = null;
  #ending: { code: number; reason: string } | null = null;

  constructor(open: OpenSocket) {
    this.#open = open;
  }

  get buffered(): number {
    return this.#ws?.getBufferedAmount() ?? 0;
  }

  send(texts: readonly string[]): void {
    // Outside of Bun's own handlers each send is a write of its own, unless corked.
    if (texts.length === 1) this.#ws?.sendText(texts[0]!);
    else
      this.#ws?.cork((ws) => {
        for (const text of texts) ws.sendText(text);
      });
  }

  end(code: number, reason: string): void {
    // Bun drops after some seconds what is not out when a socket is closed, and at once when the process ends.
    if (this.buffered === 0) this.cut(code, reason);
    else this.#ending ??= { code, reason };
  }

  cut(code: number, reason: string): void {
    this.#ws?.close(code, reason);
  }

  opened(ws: ServerWebSocket<BunSocket>): void {
    this.#ws = ws;
    this.#events = this.#open(this);
    // Closed while it opened: nobody could be told.
    if (this.#ws === null) this.closed();
  }

  message(message: string | Uint8Array): void {
    if (typeof message === "string") this.#events?.text(message);
    else this.#events?.binary();
  }

  drained(): void {
    this.#events?.drained();
    if (this.#ending && this.buffered === 0) this.cut(this.#ending.code, this.#ending.reason);
  }

  closed(): void {
    this.#ws = null;
    this.#events?.closed();
    this.#events = null;
  }
}
