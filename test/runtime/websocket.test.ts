/** The WebSocket /rpc over real sockets on both runtimes: what bytes come and go, and how it ends. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { frame, OPCODE, openRaw, type RawWebSocket, text } from "../rpc/raw-websocket.ts";
import { failure, request, socketLimits } from "../rpc/stub-service.ts";
import { until } from "../support/until.ts";
import { ChildService } from "./child-service.ts";

// A dead caller is noticed after eight seconds.
setDefaultTimeout(60_000);

const { messageBytesMax } = socketLimits;
afterAll(() => ChildService.killAll());

const result = (value: unknown, id: unknown = 1) => ({ jsonrpc: "2.0", result: value, id });

describe.each(["bun", "deno"] as const)("on %s", (runtime) => {
  let service: ChildService;
  beforeAll(async () => {
    service = await ChildService.start(runtime, 5);
  });

  /** Runs a test's work on a connection of its own, which is gone afterwards. */
  const onSocket = async (work: (socket: RawWebSocket) => Promise<void>): Promise<void> => {
    const socket = await openRaw(service.port);
    try {
      await work(socket);
    } finally {
      socket.hangUp();
      await socket.closed;
    }
  };

  describe("messages", () => {
    test("a text message is a call, and its answer a text message", () =>
      onSocket(async (socket) => {
        socket.write(text(request("echo", { a: "日本語 é" })));
        expect(await socket.answer()).toEqual(result({ a: "日本語 é" }));
      }));

    test("calls are answered as they end, in any order", () =>
      onSocket(async (socket) => {
        socket.write(text(request("hold", {}, "long poll")));
        await service.event("holding");
        socket.write(text(request("echo", { n: 1 }, 1)));
        socket.write(text([request("echo", { n: 2 }, 2), { jsonrpc: "2.0", method: "echo" }]));
        expect(await socket.answer()).toEqual(result({ n: 1 }, 1));
        expect(await socket.answer()).toEqual([result({ n: 2 }, 2)]);
        socket.hangUp();
        await service.event("let go");
      }));

    test("a notification is not answered, alone or in a batch", () =>
      onSocket(async (socket) => {
        const notification = { jsonrpc: "2.0", method: "echo", params: {} };
        for (const message of [notification, [notification, notification], request("echo", { last: true })])
          socket.write(text(message));
        expect(await socket.answer()).toEqual(result({ last: true }));
      }));

    test.each([
      ["no JSON", "nonsense", failure(-32700, "parse_error")],
      ["nothing", "", failure(-32700, "parse_error")],
      ["an empty batch", "[]", failure(-32600, "invalid_request")],
      ["101 calls", JSON.stringify(Array(101).fill(request("echo", {}))), failure(-32600, "invalid_request")],
      ["too deep", `${"[".repeat(65)}${"]".repeat(65)}`, failure(-32600, "invalid_request")],
      ["no method of ours", '{"jsonrpc":"2.0","id":"x","method":"absent"}', failure(-32601, "method_not_found", "x")],
      ["a byte order mark", "\ufeff{}", failure(-32700, "parse_error")],
    ])("what is wrong with a body over HTTP is wrong with a message: %s", (_name, message, answer) =>
      onSocket(async (socket) => {
        socket.write(text(message));
        expect(await socket.answer()).toMatchObject(answer);
        socket.write(text(request("echo", { alive: true })));
        expect(await socket.answer()).toEqual(result({ alive: true }));
      }),
    );

    test("a message may come in pieces, with a ping between them", () =>
      onSocket(async (socket) => {
        const bytes = Buffer.from(JSON.stringify(request("echo", { a: "é".repeat(200) })));
        const cut = bytes.indexOf("é") + 1; // In the middle of a letter.
        socket.write(frame(OPCODE.text, bytes.subarray(0, 5), { final: false }));
        socket.write(frame(OPCODE.continuation, bytes.subarray(5, cut), { final: false }));
        socket.write(frame(OPCODE.ping, "still there?"));
        expect(await socket.next()).toEqual({ opcode: OPCODE.pong, payload: Buffer.from("still there?") });
        const last = frame(OPCODE.continuation, bytes.subarray(cut));
        for (let at = 0; at < last.length; at += 7) socket.write(last.subarray(at, at + 7));
        expect(await socket.answer()).toEqual(result({ a: "é".repeat(200) }));
      }));

    /** A call of exactly so many bytes, in letters of three. */
    const sized = (bytes: number): string => {
      const empty = Buffer.byteLength(JSON.stringify(request("echo", { a: "" })));
      const letters = Math.floor((bytes - empty) / 3);
      return JSON.stringify(request("echo", { a: "語".repeat(letters) + "x".repeat(bytes - empty - letters * 3) }));
    };

    test("4 MiB are read, a byte more closes with 1009", () =>
      onSocket(async (socket) => {
        socket.write(text(sized(messageBytesMax)));
        expect(await socket.answer()).toMatchObject({ id: 1, result: {} });
        socket.write(text(sized(messageBytesMax + 1)));
        expect(await socket.closeCode()).toBe(1009);
      }));

    test("pieces that become too much close with 1009", () =>
      onSocket(async (socket) => {
        const half = sized(messageBytesMax + 2).length / 2;
        const bytes = Buffer.from(sized(messageBytesMax + 2));
        socket.write(frame(OPCODE.text, bytes.subarray(0, half), { final: false }));
        socket.write(frame(OPCODE.continuation, bytes.subarray(half)));
        expect(await socket.closeCode()).toBe(1009);
      }));
  });

  describe("the end of a connection ends its waiting calls", () => {
    const whileHolding = (work: (socket: RawWebSocket) => Promise<void>) =>
      onSocket(async (socket) => {
        socket.write(text(request("hold")));
        await service.event("holding");
        await work(socket);
        await service.event("let go");
      });

    test("when the caller hangs up", () => whileHolding(async (socket) => socket.hangUp()));

    test("when the caller says good-bye, which is answered", () =>
      whileHolding(async (socket) => {
        socket.write(frame(OPCODE.close, Buffer.from([0x03, 0xe8])));
        expect(await socket.closeCode()).toBe(1000);
        await socket.closed;
      }));

    test("when a binary message came: 1003", () =>
      whileHolding(async (socket) => {
        socket.write(frame(OPCODE.binary, JSON.stringify(request("echo", {}))));
        expect(await socket.closeCode()).toBe(1003);
        socket.write(text(request("echo")));
        await socket.closed;
      }));

    // Deno closes without a word, and does not mind what is not masked.
    test.each([
      ["that is no UTF-8", frame(OPCODE.text, Buffer.from([0x22, 0xff, 0x22])), 1007],
      ["of an unknown kind", frame(3, "{}"), 1002],
      ["with a reserved bit", frame(OPCODE.text, "{}", { reserved: 0x40 }), 1002],
      ["that goes on with nothing", frame(OPCODE.continuation, "{}"), 1002],
      ["of control that is too long", frame(OPCODE.ping, "x".repeat(126)), 1002],
      ...(runtime === "bun"
        ? ([["that is not masked", frame(OPCODE.text, "{}", { masked: false }), 1002]] as const)
        : []),
    ])("when a frame came %s", (_name, bytes, code) =>
      whileHolding(async (socket) => {
        socket.write(bytes);
        expect(await socket.closeCode()).toBe(runtime === "bun" ? code : null);
        await socket.closed;
      }),
    );

    test("when answers are not read: what lies unread is bounded", () =>
      whileHolding(async (socket) => {
        socket.pause();
        const message = text(request("echo", { a: "x".repeat(2 * 1024 * 1024) }));
        for (let sent = 0; sent < 32; sent++) socket.write(message);
      }));

    test("when the caller is silent for long and answers no ping; one that answers is left alone", () =>
      onSocket(async (alive) => {
        const answer = (async () => {
          for (;;) {
            const { opcode, payload } = await alive.next();
            if (opcode === OPCODE.ping) alive.write(frame(OPCODE.pong, payload));
            if (opcode === OPCODE.text) return JSON.parse(payload.toString());
          }
        })();
        await whileHolding((dead) => dead.closed);
        alive.write(text(request("echo", { alive: true })));
        expect(await answer).toEqual(result({ alive: true }));
      }));
  });

  test("SIGTERM: waiting calls answer, running ones are finished, new ones refused, and connections closed with 1001", async () => {
    const stopped = await ChildService.start(runtime, 30);
    const [idle, held, running] = [
      await openRaw(stopped.port),
      await openRaw(stopped.port),
      await openRaw(stopped.port),
    ];
    held.write(text(request("hold")));
    await stopped.event("holding");
    running.write(text(request("slow")));
    await stopped.event("working");

    stopped.signal("SIGTERM");
    await stopped.event("stopping");
    expect(await idle.closeCode()).toBe(1001);
    expect(await held.answer()).toEqual(result("let go"));
    expect(await held.closeCode()).toBe(1001);
    running.write(text([request("echo", {}, 2), { jsonrpc: "2.0", method: "echo" }]));
    expect(await running.answer()).toMatchObject([failure(1006, "overloaded", 2)]);
    await expect(openRaw(stopped.port)).rejects.toThrow();
    // Bun accepts no connection any more; Deno goes on with that while there are WebSockets.
    expect(
      await fetch(`${stopped.url}/healthz`).then(
        ({ status }) => status,
        () => 503,
      ),
    ).toBe(503);
    stopped.go();
    expect(await running.answer()).toEqual(result("done"));
    expect(await running.closeCode()).toBe(1001);
    await running.closed;
    expect(await stopped.event("stopped")).toMatchObject({ finished: true });
    expect(await stopped.exited()).toBe(0);
  });

  test("SIGTERM: answers that are on their way arrive as a whole", async () => {
    const stopped = await ChildService.start(runtime, 30);
    const socket = await openRaw(stopped.port);
    socket.pause();
    // More than the sockets' buffers in the kernel hold.
    const a = "x".repeat(2 * 1024 * 1024);
    for (let id = 0; id < 8; id++) socket.write(text(request("echo", { a }, id)));
    await until("all are answered", async () =>
      (await (await fetch(`${stopped.url}/metrics`)).text()).includes('calls_total{method="echo",outcome="ok"} 8'),
    );
    stopped.signal("SIGTERM");
    await stopped.event("stopping");
    socket.resume();
    for (let id = 0; id < 8; id++) expect(await socket.answer()).toEqual(result({ a }, id));
    expect(await socket.closeCode()).toBe(1001);
    expect(await stopped.event("stopped")).toMatchObject({ finished: true });
    expect(await stopped.exited()).toBe(0);
  });

  test("SIGTERM with a call that does not end: its connection is cut off when the grace is over", async () => {
    const stopped = await ChildService.start(runtime, 0.1);
    const socket = await openRaw(stopped.port);
    socket.write(text(request("endless")));
    await stopped.event("working");
    stopped.signal("SIGTERM");
    await socket.closed;
    expect(await stopped.event("stopped")).toMatchObject({ finished: false });
    expect(await stopped.exited()).toBe(0);
  });
});
