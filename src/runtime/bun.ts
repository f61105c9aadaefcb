import type { RunningServer, ServeOptions } from "./index.ts";

/** Longer than the longest poll (60 s) and the commit behind it: a connection is silent for that long. */
const IDLE_SECONDS = 90;

/**
 * Bodies up to this size reach our handler, which answers what is above its own limit itself; beyond, Bun answers a bare
 * 413 and closes the connection, so that nobody makes us read on.
 */
const BODY_BYTES_MAX = 8 * 1024 * 1024;

export async function serveHttp({ host, port, handle, log }: ServeOptions): Promise<RunningServer> {
  const server = Bun.serve({
    hostname: host,
    port,
    development: false,
    idleTimeout: IDLE_SECONDS,
    maxRequestBodySize: BODY_BYTES_MAX,
    fetch: (request, self) =>
      handle(request, { remoteAddress: self.requestIP(request)?.address ?? null, localPort: self.port ?? 0 }),
    error: (error) => {
      log.error("The HTTP server failed.", { error });
      return Response.json({ error: { status: 500, message: "Internal error." } }, { status: 500 });
    },
  });
  return {
    port: server.port ?? 0,
    drain: () => server.stop(false),
    kill: () => server.stop(true),
  };
}
