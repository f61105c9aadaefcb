import type { Budget } from "../lib/budget.ts";

export interface BodyLimits {
  /** Of one body. */
  readonly bytesMax: number;
  /** A body that has not arrived as a whole by then is given up. */
  readonly timeoutMs: number;
  /** Of all bodies that are being read or whose calls are being answered. */
  readonly inFlight: Budget;
}

/**
 * A request's body: read; or too large, too slow, or one for which there is no room, and then not read to its end; or cut off
 * by a caller that hung up. Of a body that was read, `bytes.length` is to be given back to the budget.
 */
export type Body =
  | { kind: "read"; bytes: Uint8Array }
  | { kind: "too large" }
  | { kind: "too slow" }
  | { kind: "no room" }
  | { kind: "cut off" };

/**
 * One read is several times cheaper than a stream, but what has arrived cannot be told until all has. So this is for bodies
 * that take little of the budget even if each connection declares one and sends nothing.
 */
const ONE_READ_BYTES_MAX = 16 * 1024;

/**
 * Reads a body, once. A declared length that is too much is believed at once; what is declared smaller, or not at all, is
 * counted as it arrives, and reading stops at the first byte too many.
 */
export async function readBody(request: Request, limits: BodyLimits): Promise<Body> {
  const declared = declaredLength(request.headers);
  if (declared !== null && declared > limits.bytesMax) return { kind: "too large" };
  if (!limits.inFlight.hasRoomFor(declared ?? 1)) return { kind: "no room" };
  try {
    if (declared === null || declared > ONE_READ_BYTES_MAX) return await readChunks(request.body, limits);
    return await readOnce(request, declared, limits);
  } catch {
    return { kind: "cut off" };
  }
}

function declaredLength(headers: Headers): number | null {
  const text = headers.get("content-length");
  if (text === null) return null;
  // The same length twice comes as "5, 5"; the servers have refused whatever else is no number.
  const length = Number.parseInt(text, 10);
  return Number.isNaN(length) ? 0 : length;
}

async function readOnce(request: Request, declared: number, { timeoutMs, inFlight }: BodyLimits): Promise<Body> {
  inFlight.take(declared);
  const tooSlow = Promise.withResolvers<null>();
  const timer = setTimeout(() => tooSlow.resolve(null), timeoutMs);
  let length = 0;
  try {
    const buffer = await Promise.race([request.arrayBuffer(), tooSlow.promise]);
    if (buffer === null) return { kind: "too slow" };
    const bytes = new Uint8Array(buffer);
    length = bytes.length;
    return { kind: "read", bytes };
  } finally {
    clearTimeout(timer);
    inFlight.give(declared - length);
  }
}

async function readChunks(stream: ReadableStream<Uint8Array> | null, limits: BodyLimits): Promise<Body> {
  if (stream === null) return { kind: "read", bytes: new Uint8Array(0) };
  const reader = stream.getReader();
  const { bytesMax, timeoutMs, inFlight } = limits;
  const chunks: Uint8Array[] = [];
  let length = 0;
  let kept = false;
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    // Ends the read that waits.
    void reader.cancel().catch(() => {});
  }, timeoutMs);
  try {
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      const { value } = next;
      const refused = length + value.length > bytesMax ? "too large" : inFlight.take(value.length) ? null : "no room";
      if (refused !== null) {
        await reader.cancel();
        return { kind: refused };
      }
      chunks.push(value);
      length += value.length;
    }
    kept = !late;
    return late ? { kind: "too slow" } : { kind: "read", bytes: join(chunks, length) };
  } finally {
    clearTimeout(timer);
    if (!kept) inFlight.give(length);
  }
}

function join(chunks: readonly Uint8Array[], length: number): Uint8Array {
  if (chunks.length === 1) return chunks[0]!;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
