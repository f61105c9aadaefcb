import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { once } from "node:events";
import net from "node:net";
import { type ServeOptions, serveHttp } from "../../src/runtime/index.ts";
import { connect } from "../rpc/raw-http.ts";
import { openRaw } from "../rpc/raw-websocket.ts";
import { connectionLimits, request, socketLimits } from "../rpc/stub-service.ts";
import { ChildService } from "./child-service.ts";

const post = (port: number, method: string): string => {
  const body = JSON.stringify(request(method));
  const head = [`Host: localhost:${port}`, "Content-Type: application/json", `Content-Length: ${body.length}`];
  return ["POST /rpc HTTP/1.1", ...head, "", body].join("\r\n");
};

/** Whether nobody accepts connections at the port any more. */
const isRefused = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("connect", () => resolve(false) ?? socket.destroy());
    socket.on("error", () => resolve(true));
  });

afterAll(() => ChildService.killAll());

describe.each(["bun", "deno"] as const)("on %s", (runtime) => {
  describe("while it serves", () => {
    let service: ChildService;
    beforeAll(async () => {
      service = await ChildService.start(runtime, 5);
    });

    test("calls are answered", async () => {
      const headers = { "content-type": "application/json" };
      const body = JSON.stringify([request("echo", { a: "é" }), request("rpc.discover", {}, 2)]);
      const response = await fetch(`${service.url}/rpc`, { method: "POST", body, headers });
      const openrpc = await (await fetch(`${service.url}/openrpc.json`)).json();
      expect(await response.json()).toEqual([
        { jsonrpc: "2.0", result: { a: "é" }, id: 1 },
        { jsonrpc: "2.0", result: openrpc, id: 2 },
      ]);
      expect(await (await fetch(`${service.url}/metrics`)).text()).toContain(
        'opensqs_rpc_calls_total{method="echo",outcome="ok"} 1',
      );
    });

    test("what is not ours, not JSON or too large is refused before it is read", async () => {
      const { port } = service;
      const type = "Content-Type: application/json";
      const host = `Host: localhost:${port}`;
      const empty = "Content-Length: 0";
      // Not until the connection is closed: Deno first waits for the body that it was told of.
      const status = async (...head: string[]) => {
        const connection = await connect(port);
        connection.write(["POST /rpc HTTP/1.1", ...head, "", ""].join("\r\n"));
        const text = await connection.until(/\r\n\r\n/);
        connection.hangUp();
        return Number(text.slice(9, 12));
      };
      expect(await status("Host: evil.example", type, empty)).toBe(403);
      expect(await status(host, "Content-Type: text/plain", empty)).toBe(415);
      expect(await status(host, type, "Content-Length: 4194305")).toBe(413);
      expect(await status(host, type, empty)).toBe(200);
    });

    test("the handler learns whom it talks to", async () => {
      const connection = await (await fetch(`${service.url}/connection`)).json();
      expect(connection).toEqual({ remoteAddress: "127.0.0.1", localPort: service.port });
    });

    test("a handler that fails is answered for, without a detail, and logged", async () => {
      const response = await fetch(`${service.url}/broken`);
      expect(response.status).toBe(500);
      expect(await response.json()).toEqual({ error: { status: 500, message: "Internal error." } });
      expect(await service.event("error")).toMatchObject({ text: "Error: secret" });
    });

    test("a long poll learns that its caller has hung up", async () => {
      const connection = await connect(service.port);
      connection.write(post(service.port, "hold"));
      await service.event("holding");
      connection.hangUp();
      await service.event("let go");
    });
  });

  test("SIGTERM: long polls answer at once, running calls are finished, idle connections close, exit code 0", async () => {
    const service = await ChildService.start(runtime, 30);
    const { port } = service;
    const idle = await connect(port);
    idle.write(post(port, "echo"));
    await idle.until(/"result"/);
    const [held, running] = [await connect(port), await connect(port)];
    held.write(post(port, "hold"));
    await service.event("holding");
    running.write(post(port, "slow"));
    await service.event("working");

    service.signal("SIGTERM");
    expect(await service.event("stopping")).toMatchObject({ signal: "SIGTERM" });
    expect(await held.closed).toContain('"result":"let go"');
    await idle.closed;
    expect(await isRefused(port)).toBe(true);
    service.go();
    expect(await running.closed).toContain('"result":"done"');
    expect(await service.event("stopped")).toMatchObject({ finished: true });
    expect(await service.exited()).toBe(0);
  });

  test("SIGINT with a call that does not end: it is cut off when the grace is over", async () => {
    const service = await ChildService.start(runtime, 0.1);
    const connection = await connect(service.port);
    connection.write(post(service.port, "endless"));
    await service.event("working");
    service.signal("SIGINT");
    expect(await connection.closed).toBe("");
    expect(await service.event("stopped")).toMatchObject({ finished: false });
    expect(await service.exited()).toBe(0);
  });
});

test("stopping twice is stopping once, and cuts off what outlasts the grace", async () => {
  const { promise: called, resolve: call } = Promise.withResolvers<void>();
  const handle = (): Promise<Response> => {
    call();
    return new Promise(() => {});
  };
  const server = await serveHttp({
    host: "127.0.0.1",
    port: 0,
    log: { error: () => {}, warn: () => {} },
    connections: connectionLimits,
    sockets: socketLimits,
    handle,
  });
  const connection = await connect(server.port);
  connection.write("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  await called;
  const stopped = server.stop(0);
  expect(server.stop(600)).toBe(stopped);
  expect(await stopped).toBe(false);
  expect(await connection.closed).toBe("");
});

test("who closes a WebSocket as soon as it opens is told that it has closed", async () => {
  const { promise: closed, resolve: close } = Promise.withResolvers<void>();
  const handle: ServeOptions["handle"] = async (_request, connection) =>
    connection.upgrade((socket) => {
      socket.cut(1013, "Not now.");
      return { text: () => {}, binary: () => {}, drained: () => {}, closed: close };
    })!;
  const server = await serveHttp({
    host: "127.0.0.1",
    port: 0,
    log: { error: () => {}, warn: () => {} },
    connections: connectionLimits,
    sockets: socketLimits,
    handle,
  });
  expect(await (await openRaw(server.port)).closeCode()).toBe(1013);
  await closed;
  expect(await server.stop(1)).toBe(true);
});

test("a port that is taken is told", async () => {
  // Not a second server of Bun's: in `bun test`, that would replace the first one instead.
  const taken = net.createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const { port } = taken.address() as net.AddressInfo;
  const options = {
    host: "127.0.0.1",
    port,
    log: { error: () => {}, warn: () => {} },
    connections: connectionLimits,
    sockets: socketLimits,
    handle: async () => new Response(),
  };
  await expect(serveHttp(options)).rejects.toThrow();
  taken.close();
});

test.each([
  ["127.0.0.1", /^http:\/\/127\.0\.0\.1:\d+$/],
  ["0.0.0.0", /^http:\/\/127\.0\.0\.1:\d+$/],
  ["::1", /^http:\/\/\[::1\]:\d+$/],
])("a server on %s is reached at its url", async (host, url) => {
  const handle = async () => new Response("here");
  const server = await serveHttp({
    host,
    port: 0,
    log: { error: () => {}, warn: () => {} },
    connections: connectionLimits,
    sockets: socketLimits,
    handle,
  });
  expect(server.url).toMatch(url);
  expect(await (await fetch(server.url)).text()).toBe("here");
  await server.stop(1);
});
