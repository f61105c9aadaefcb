/** The limits and names of the configuration reach the service. What they do is tested beside this file. */
import { expect, test } from "bun:test";
import { refusal, testService } from "../support/service.ts";
import { rpcSocket } from "../support/socket.ts";
import { until } from "../support/until.ts";
import { connect } from "./raw-http.ts";

const service = testService({
  BODY_BYTES_MAX: "65536",
  BODIES_BYTES_MAX: "65536",
  SOCKET_BYTES_MAX: "65536",
  BODY_TIMEOUT_SECONDS: "0.2",
  CALLS_MAX: "100",
  PUBLIC_URL: "https://queue.example.com",
  // A proxy that is named puts AUTH on.
  AUTH: "off",
  ALLOW_INSECURE: "yes",
});
const headers = { "content-type": "application/json" };
const listOf = (bytes: number) => {
  const bare = JSON.stringify({ jsonrpc: "2.0", id: "", method: "queue.list", params: {} });
  return bare + " ".repeat(bytes - bare.length);
};
const post = (body: string, more: Record<string, string> = {}) =>
  fetch(`${service.url}/rpc`, { method: "POST", headers: { ...headers, ...more }, body });

test("bodies: size and time", async () => {
  expect((await post(listOf(65_536))).status).toBe(200);
  expect((await post(listOf(65_537))).status).toBe(413);
  const { port } = new URL(service.url);
  const slow = await connect(Number(port));
  const lines = [`Host: localhost:${port}`, "Content-Type: application/json", "Content-Length: 9"];
  slow.write(`POST /rpc HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n{`);
  expect(await slow.closed).toStartWith("HTTP/1.1 408 ");
});

test("messages: size", async () => {
  const socket = new WebSocket(`${service.url.replace("http", "ws")}/rpc`);
  await new Promise((resolve) => socket.addEventListener("open", resolve));
  const answered = new Promise((resolve) => socket.addEventListener("message", resolve));
  socket.send(listOf(65_536));
  await answered;
  const closed = new Promise<CloseEvent>((resolve) => socket.addEventListener("close", resolve));
  socket.send(listOf(65_537));
  // Bun closes without a word when it is told of too much.
  expect([1006, 1009]).toContain((await closed).code);
});

test("calls over all connections, waiting claims among them", async () => {
  const { call, close } = await rpcSocket(service.url);
  const waiting = Array.from({ length: 100 }, () => call("task.claim", { queue: "none", waitSeconds: 60 }));
  for (const claim of waiting) claim.catch(() => {});
  // Messages of a connection are taken up in their order.
  expect(await refusal(call("queue.list", {}))).toMatchObject({ type: "overloaded" });
  expect(await refusal(service.call("queue.list", {}))).toMatchObject({ type: "overloaded" });
  close();
  await until("the claims are gone", () => service.call("queue.list", {}).catch(() => null));
});

test("PUBLIC_URL's host and origin are ours", async () => {
  const own = { host: "queue.example.com", origin: "https://queue.example.com" };
  const response = await post(listOf(100), own);
  expect(response.status).toBe(200);
  expect(response.headers.has("strict-transport-security")).toBe(true);
  expect((await post(listOf(100), { ...own, origin: "http://queue.example.com" })).status).toBe(403);
});
