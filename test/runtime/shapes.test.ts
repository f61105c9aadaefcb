/**
 * Requests by which one reader of a connection can be made to see other requests than the next: each is refused, or read in
 * the one way that RFC 9112 allows. What is refused is not called, and its connection ends.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { connect } from "../rpc/raw-http.ts";
import { request } from "../rpc/stub-service.ts";
import { ChildService } from "./child-service.ts";

setDefaultTimeout(60_000);
afterAll(() => ChildService.killAll());

const BODY = JSON.stringify(request("echo", { a: "first" }));
const HIDDEN = JSON.stringify(request("echo", { a: "hidden" }, 2));
const LENGTH = `Content-Length: ${BODY.length}`;
const CHUNKED = "Transfer-Encoding: chunked";
const SIZE = BODY.length.toString(16);
const CHUNKS = `${SIZE}\r\n${BODY}\r\n0\r\n\r\n`;
const TYPE = "Content-Type: application/json";

/** A call with these lines beside Host and Content-Type, which stand first. */
const post = (lines: readonly string[], body: string, start = "POST /rpc HTTP/1.1") =>
  `${[start, "Host: localhost:PORT", TYPE, ...lines].join("\r\n")}\r\n\r\n${body}`;
const hidden = post([`Content-Length: ${HIDDEN.length}`], HIDDEN);
/** A chunked body of which these are all bytes. */
const chunks = (body: string) => post([CHUNKED], body);

/**
 * "read": called once, with the body as it is meant. "refused": not called, an error or nothing is answered, the connection
 * ends. "unfinished": the server waits for more, and when nothing more comes the call is not made.
 */
type Reading = "read" | "refused" | "unfinished";

/** By both runtimes alike, or by Bun and by Deno. */
const SHAPES: readonly (readonly [name: string, request: string, reading: Reading, onDeno?: Reading])[] = [
  ["a length", post([LENGTH], BODY), "read"],
  ["chunks", chunks(CHUNKS), "read"],
  ["a length and chunks", post([LENGTH, CHUNKED], CHUNKS), "refused"],
  ["chunks and a length", post([CHUNKED, LENGTH], CHUNKS), "refused"],
  ["chunks and a length of nothing", post([CHUNKED, "Content-Length: 0"], CHUNKS), "refused"],
  ["two lengths", post([LENGTH, `Content-Length: ${BODY.length + 1}`], BODY), "refused"],
  ["two lengths, the first none", post(["Content-Length: 0", LENGTH], BODY), "refused"],
  ["the same length twice", post([LENGTH, LENGTH], BODY), "read"],
  ["a list of lengths", post([`Content-Length: ${BODY.length}, ${BODY.length}`], BODY), "refused"],
  ["a length with a plus", post([`Content-Length: +${BODY.length}`], BODY), "refused"],
  ["a hexadecimal length", post([`Content-Length: 0x${SIZE}`], BODY), "refused"],
  ["a negative length", post(["Content-Length: -5"], BODY), "refused"],
  ["a length past 64 bits", post([`Content-Length: ${2n ** 64n + BigInt(BODY.length)}`], BODY), "refused"],
  ["a length with a letter", post([`${LENGTH}a`], BODY), "refused"],
  ["a length with a space in it", post(["Content-Length: 5 0"], BODY), "refused"],
  ["no length where one is named", post(["Content-Length: "], BODY), "refused"],
  ["a length between tabs", post([`Content-Length:\t${BODY.length}\t`], BODY), "read"],
  ["a coding that is none", post(["Transfer-Encoding: xchunked"], CHUNKS), "refused"],
  ["chunks, then identity", post(["Transfer-Encoding: chunked, identity"], CHUNKS), "refused"],
  ["identity", post(["Transfer-Encoding: identity"], CHUNKS), "refused"],
  ["chunked twice", post(["Transfer-Encoding: chunked, chunked"], CHUNKS), "refused"],
  ["two codings, a line each", post([CHUNKED, "Transfer-Encoding: identity"], CHUNKS), "refused"],
  ["quoted chunked", post(['Transfer-Encoding: "chunked"'], CHUNKS), "refused"],
  ["chunked behind a vertical tab", post(["Transfer-Encoding: \x0bchunked"], CHUNKS), "refused"],
  ["chunked behind a NUL", post(["Transfer-Encoding: \0chunked"], CHUNKS), "refused"],
  ["chunked in capitals", post(["Transfer-Encoding: CHUNKED"], CHUNKS), "read"],
  ["no coding where one is named", post(["Transfer-Encoding: ", LENGTH], BODY), "refused"],
  ["an underscore is another name", post(["Transfer_Encoding: chunked", LENGTH], BODY), "read"],
  ["a space before the colon of a coding", post(["Transfer-Encoding : chunked"], CHUNKS), "refused"],
  ["a space before the colon of a length", post([`Content-Length : ${BODY.length}`], BODY), "refused"],
  ["chunks in HTTP/1.0", post([CHUNKED], CHUNKS, "POST /rpc HTTP/1.0"), "refused"],
  ["a folded line", post(["X-A: b\r\n c", LENGTH], BODY), "refused"],
  ["a folded coding", post(["Transfer-Encoding:\r\n chunked"], CHUNKS), "refused"],
  ["a fold before the first line", `POST /rpc HTTP/1.1\r\n X: y\r\n${post([LENGTH], BODY).slice(20)}`, "refused"],
  ["bare line feeds", post([LENGTH], "").replaceAll("\r\n", "\n") + BODY, "refused", "read"],
  ["a coding behind a bare line feed", post([`X-A: b\n${CHUNKED}`, LENGTH], BODY), "refused"],
  ["a bare carriage return", post(["X-A: b\rX-B: c", LENGTH], BODY), "refused"],
  ["a coding behind a bare carriage return", post([`X-A: b\r${CHUNKED}`, LENGTH], BODY), "refused"],
  ["a NUL in a value", post(["X-A: b\0c", LENGTH], BODY), "refused"],
  ["a NUL in a name", post(["X-\0A: b", LENGTH], BODY), "refused"],
  ["a line without a colon", post(["X-A", LENGTH], BODY), "refused"],
  ["a line without a name", post([": b", LENGTH], BODY), "refused"],
  ["a name that is no token", post(["X(A): b", LENGTH], BODY), "refused"],
  ["a chunk's extension", chunks(`${SIZE};a=b\r\n${BODY}\r\n0\r\n\r\n`), "read"],
  ["a line feed in an extension", chunks(`${SIZE};a\n${BODY}\r\n0\r\n\r\n`), "refused"],
  ["a carriage return in an extension", chunks(`${SIZE};a\rb\r\n${BODY}\r\n0\r\n\r\n`), "refused"],
  ["bare line feeds about chunks", chunks(`${SIZE}\n${BODY}\n0\n\n`), "refused", "unfinished"],
  ["a hexadecimal prefix on a chunk", chunks(`0x${SIZE}\r\n${BODY}\r\n0\r\n\r\n`), "refused"],
  ["a plus on a chunk", chunks(`+${SIZE}\r\n${BODY}\r\n0\r\n\r\n`), "refused"],
  ["a negative chunk", chunks(`-${SIZE}\r\n${BODY}\r\n0\r\n\r\n`), "refused"],
  ["a chunk without a size", chunks(`\r\n${BODY}\r\n0\r\n\r\n`), "refused"],
  ["a chunk past 64 bits", chunks(`1${SIZE.padStart(16, "0")}\r\n${BODY}\r\n0\r\n\r\n`), "refused"],
  ["a chunk past 32 bits", chunks(`1${SIZE.padStart(8, "0")}\r\n${BODY}\r\n0\r\n\r\n`), "unfinished"],
  ["a chunk that goes on past its size", chunks(`${SIZE}\r\n${BODY}xx0\r\n\r\n`), "refused"],
  ["HTTP/0.9", "GET /rpc\r\n\r\n", "refused"],
  ["HTTP/1.2", post([LENGTH], BODY, "POST /rpc HTTP/1.2"), "refused"],
  ["HTTP/2.0 in the line of HTTP/1", post([LENGTH], BODY, "POST /rpc HTTP/2.0"), "refused"],
  ["two spaces in the first line", post([LENGTH], BODY, "POST  /rpc HTTP/1.1"), "refused"],
  ["a space in the target", post([LENGTH], BODY, "POST /rpc x HTTP/1.1"), "refused"],
];

/** What was answered to calls: their results, in order. */
const results = (text: string) => [...text.matchAll(/"result":\{"a":"(\w+)"\}/g)].map(([, a]) => a!);

describe.each(["bun", "deno"] as const)("on %s", (runtime) => {
  let service: ChildService;
  beforeAll(async () => {
    service = await ChildService.start(runtime, 5);
  });

  const calls = async (): Promise<number> => {
    const text = await (await fetch(`${service.url}/metrics`)).text();
    return Number(/calls_total\{method="echo",outcome="ok"\} (\d+)/.exec(text)?.[1] ?? 0);
  };
  const open = async (text: string) => {
    const connection = await connect(service.port);
    connection.write(Buffer.from(text.replaceAll("PORT", `${service.port}`), "latin1"));
    return connection;
  };

  test.each(SHAPES)("%s", async (_name, text, onBun, onDeno = onBun) => {
    const reading = runtime === "bun" ? onBun : onDeno;
    const before = await calls();
    // Behind what is refused, and behind what ends where it is meant to, nothing may be taken for a request.
    const connection = await open(reading === "refused" ? text + hidden : text);
    if (reading === "read") {
      expect(results(await connection.until(/"result"/))).toEqual(["first"]);
      connection.hangUp();
      expect(await calls()).toBe(before + 1);
      return;
    }
    if (reading === "unfinished") connection.end();
    const answered = await connection.closed;
    expect(answered).toMatch(/^$|^HTTP\/1\.\d (400|403|431|505) /);
    expect(results(answered)).toEqual([]);
    connection.hangUp();
    expect(await calls()).toBe(before);
  });

  test("a request without a Host is not called", async () => {
    const before = await calls();
    const connection = await open(post([LENGTH], BODY).replace("Host: localhost:PORT\r\n", ""));
    // Deno leaves it to us, and keeps the connection.
    expect(await connection.until(/\r\n\r\n/)).toStartWith(`HTTP/1.1 ${runtime === "bun" ? 400 : 403} `);
    connection.hangUp();
    expect(await calls()).toBe(before);
  });

  test("the preface of HTTP/2 is refused, or answered in HTTP/2", async () => {
    const connection = await open("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
    connection.end();
    const text = await connection.closed;
    if (runtime === "bun") expect(text).toStartWith("HTTP/1.1 400 ");
    else expect(text).not.toContain("HTTP/1.1");
  });

  test("a request behind a body is one of its own, never a part of the first", async () => {
    const connection = await open(post([LENGTH], BODY) + hidden);
    // Bun drops a connection on which a request comes while another is being answered.
    const text = await Promise.race([connection.until(/hidden/), connection.closed]).catch(() => connection.closed);
    expect([[], ["first"], ["first", "hidden"]]).toContainEqual(results(text));
    connection.hangUp();
  });

  test("a request in the body of another is never read as one", async () => {
    const before = await calls();
    const inside = hidden.replaceAll("PORT", `${service.port}`);
    const connection = await open(post([`Content-Length: ${inside.length}`], inside));
    expect(results(await connection.until(/-32700/))).toEqual([]);
    connection.hangUp();
    expect(await calls()).toBe(before);
  });

  test("a request in the place of trailers is never read as one", async () => {
    const before = await calls();
    const connection = await open(chunks(`${SIZE}\r\n${BODY}\r\n0\r\n${hidden}`));
    const text = await connection.closed;
    expect(text).not.toContain("hidden");
    expect((await calls()) - before).toBeLessThanOrEqual(1);
  });

  test("a body that is refused unread is not read as the next request", async () => {
    const before = await calls();
    const inside = hidden.replaceAll("PORT", `${service.port}`);
    const connection = await open(
      post([`Content-Length: ${inside.length}`], inside).replace(TYPE, "Content-Type: text/plain"),
    );
    expect(await connection.until(/\r\n\r\n/)).toStartWith("HTTP/1.1 415");
    connection.write(post([LENGTH], BODY).replaceAll("PORT", `${service.port}`));
    expect(results(await connection.until(/"result"/))).toEqual(["first"]);
    connection.hangUp();
    expect(await calls()).toBe(before + 1);
  });

  test("a target that names another host is not ours, whatever the Host line says", async () => {
    const before = await calls();
    const answers = async (target: string) => {
      const connection = await open(post([LENGTH], BODY, `POST ${target} HTTP/1.1`));
      const text = await connection.until(/\r\n\r\n/);
      connection.hangUp();
      return Number(text.slice(9, 12));
    };
    expect(await answers("http://localhost:PORT/rpc")).toBe(200);
    // Bun drops a target's host, and with it what could be refused; the Host line has been checked.
    for (const target of ["http://evil.example/rpc", "https://localhost:PORT/rpc", "http://a@localhost:1/rpc"])
      expect(await answers(target)).toBe(runtime === "bun" ? 200 : 403);
    expect(await calls()).toBe(before + (runtime === "bun" ? 4 : 1));
  });
});

test("on bun, a head has at most 16 KiB and 200 lines", async () => {
  const service = await ChildService.start("bun", 5);
  const status = async (lines: readonly string[]) => {
    const connection = await connect(service.port);
    connection.write(post([...lines, LENGTH], BODY).replaceAll("PORT", `${service.port}`));
    const text = await connection.until(/\r\n\r\n/);
    connection.hangUp();
    return Number(text.slice(9, 12));
  };
  const lines = (count: number) => Array.from({ length: count }, (_, at) => `X-${at}: a`);
  expect(await status([`X: ${"a".repeat(16_000)}`])).toBe(200);
  expect(await status([`X: ${"a".repeat(16_384)}`])).toBe(431);
  expect(await status(lines(190))).toBe(200);
  expect(await status(lines(200))).toBe(431);
});
