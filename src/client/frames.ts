import type { Exchange } from "./transport.ts";

/**
 * A frame takes as much as a body posted to the service. But Deno (2.9) writes the header and the text of a frame of more
 * than 1,024 bytes one after the other without TCP_NODELAY, so that the text waits for the other side's delayed ACK: 44 ms,
 * seen on loopback. Its fetch does not, so there the larger calls go over HTTP.
 */
const BYTES_MAX = "Deno" in globalThis ? 1024 : 4 * 1024 * 1024;
/** UTF-8 needs at most three bytes for a UTF-16 unit. */
const BYTES_A_UNIT_MAX = 3;
/** The service reads no deeper, a batch's own level included. */
const DEPTH_MAX = 64;
/** The most requests in one batch. */
const BATCH_MAX = 100;

/**
 * Whether a call can go as a frame. What is too large or too deep the service would refuse without saying which call it
 * was; over HTTP it says so.
 */
export function fitsFrame({ text, depth }: Exchange): boolean {
  if (depth > DEPTH_MAX) return false;
  if (text.length * BYTES_A_UNIT_MAX <= BYTES_MAX) return true;
  return text.length <= BYTES_MAX && new TextEncoder().encode(text).length <= BYTES_MAX;
}

/** Packs calls, each of which fits a frame, into as few frames as can be, in their order. */
export function pack(calls: readonly Exchange[], bytesMax = BYTES_MAX): string[] {
  const frames: string[] = [];
  let batch: string[] = [];
  let units = 0;
  const close = () => {
    if (batch.length > 0) frames.push(batch.length === 1 ? batch[0]! : `[${batch.join(",")}]`);
    batch = [];
    units = 0;
  };
  for (const { text, depth } of calls) {
    const more = text.length + 2;
    if (depth === DEPTH_MAX) close();
    if (batch.length === BATCH_MAX || (units + more) * BYTES_A_UNIT_MAX > bytesMax) close();
    batch.push(text);
    units += more;
    if (depth === DEPTH_MAX) close();
  }
  close();
  return frames;
}
