/** A request's body: read, too large (and not read to its end), or cut off by a caller that hung up. */
export type Body = { kind: "read"; bytes: Uint8Array } | { kind: "too large" } | { kind: "cut off" };

/**
 * Reads a body of at most `bytesMax` bytes, once. A declared length above that is believed at once; what is declared
 * smaller, or not at all, is counted as it arrives, and reading stops at the first byte too many.
 */
export async function readBody(request: Request, bytesMax: number): Promise<Body> {
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > bytesMax) return { kind: "too large" };
  try {
    if (declared === null) return await readChunks(request.body, bytesMax);
    // One read is several times cheaper than a stream; the server cuts the body at its declared length.
    const bytes = new Uint8Array(await request.arrayBuffer());
    return bytes.length > bytesMax ? { kind: "too large" } : { kind: "read", bytes };
  } catch {
    return { kind: "cut off" };
  }
}

async function readChunks(stream: ReadableStream<Uint8Array> | null, bytesMax: number): Promise<Body> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  if (stream !== null) {
    const reader = stream.getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      chunks.push(next.value);
      length += next.value.length;
      if (length > bytesMax) {
        await reader.cancel();
        return { kind: "too large" };
      }
    }
  }
  return { kind: "read", bytes: join(chunks, length) };
}

function join(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
