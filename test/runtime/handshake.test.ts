/** Who gets a WebSocket at /rpc and who is refused, over real sockets on both runtimes. */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "../rpc/raw-http.ts";
import { handshake, openRaw, type RawWebSocket, text } from "../rpc/raw-websocket.ts";
import { request } from "../rpc/stub-service.ts";
import { until } from "../support/until.ts";
import { ChildService } from "./child-service.ts";

setDefaultTimeout(60_000);

/** What service.ts takes. */
const SOCKETS_MAX = 5;

afterAll(() => ChildService.killAll());

describe.each(["bun", "deno"] as const)("on %s, the handshake", (runtime) => {
  let service: ChildService;
  beforeAll(async () => {
    service = await ChildService.start(runtime, 5);
  });

  const answerTo = async (others: Record<string, string | null>, path = "/rpc"): Promise<string> => {
    const connection = await connect(service.port);
    connection.write(handshake(service.port, others).replace("/rpc", path));
    const head = await connection.until(/\r\n\r\n/);
    connection.hangUp();
    return head;
  };

  test.each([
    {},
    { Host: "127.0.0.1:PORT" },
    { Origin: "http://localhost:PORT" },
    { Connection: "keep-alive, Upgrade", Upgrade: "WebSocket" },
    { "Sec-WebSocket-Protocol": "some, other", "Sec-WebSocket-Extensions": "permessage-deflate" },
  ])("%j is taken", async (others) => {
    const ported = Object.entries(others).map(([name, value]) => [name, value.replace("PORT", `${service.port}`)]);
    const head = await answerTo(Object.fromEntries(ported));
    expect(head).toStartWith("HTTP/1.1 101 ");
    expect(head.toLowerCase()).toContain("sec-websocket-accept: s3pplmbitxaq9kygzzhzrbk+xoo=");
    expect(head.toLowerCase()).not.toContain("extensions");
    // Browsers want one of those that they offer; which is all the same.
    expect(/sec-websocket-protocol: (.*)\r/i.exec(head)?.[1]).toBe(
      "Sec-WebSocket-Protocol" in others ? "some" : undefined,
    );
  });

  test.each([
    [403, { Host: "evil.example" }],
    [403, { Origin: "http://evil.example" }],
    [403, { Origin: "null" }],
    [426, { "Sec-WebSocket-Version": "8" }],
    [426, { "Sec-WebSocket-Version": null }],
    [400, { "Sec-WebSocket-Key": null }],
    [400, { "Sec-WebSocket-Key": "c2hvcnQ=" }],
    [400, { "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR==" }],
    [400, { Connection: "keep-alive" }],
    [405, { Upgrade: null, Connection: null }],
    [405, { Upgrade: "h2c" }],
  ])("%i: %j", async (status, others) => {
    expect(await answerTo(others)).toStartWith(`HTTP/1.1 ${status} `);
  });

  test("a version that is not known is answered with the one that is", async () => {
    expect((await answerTo({ "Sec-WebSocket-Version": "8" })).toLowerCase()).toContain("sec-websocket-version: 13");
  });

  test("holds at /rpc alone", async () => {
    expect(await answerTo({}, "/healthz")).toStartWith("HTTP/1.1 200 ");
    expect(await answerTo({}, "/none")).toStartWith("HTTP/1.1 404 ");
  });

  test("is refused with 503 when there are connections enough, until one has gone", async () => {
    // Those of earlier tests may still be about to go.
    const sockets: RawWebSocket[] = [];
    const open = () => until("there is room", () => openRaw(service.port).catch(() => null));
    while (sockets.length < SOCKETS_MAX) sockets.push(await open());
    const head = (await answerTo({})).toLowerCase();
    expect(head).toStartWith("http/1.1 503 ");
    expect(head).toContain("retry-after: 1");
    for (const socket of sockets) socket.write(text(request("echo", {})));
    for (const socket of sockets) expect(await socket.answer()).toMatchObject({ id: 1, result: {} });
    sockets.pop()!.hangUp();
    sockets.push(await open());
    for (const socket of sockets) socket.hangUp();
  });
});
