import type { RunningServer, ServeOptions } from "./index.ts";

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

declare const Deno: { serve(options: DenoServeOptions, handler: DenoHandler): DenoServer };

export async function serveHttp({ host, port, handle, log }: ServeOptions): Promise<RunningServer> {
  const server = Deno.serve(
    {
      hostname: host,
      port,
      // Deno prints a line of its own otherwise.
      onListen: () => {},
      onError: (error) => {
        log.error("The HTTP server failed.", { error });
        return Response.json({ error: { status: 500, message: "Internal error." } }, { status: 500 });
      },
    },
    (request, { remoteAddr }) =>
      handle(request, { remoteAddress: remoteAddr.hostname ?? null, localPort: server.addr.port }),
  );
  return {
    port: server.addr.port,
    drain: () => server.shutdown(),
    // Deno cuts no connection once a shutdown has begun (aborting the server's signal then is an uncaught BadResource):
    // what still runs ends with the process.
    kill: async () => {},
  };
}
