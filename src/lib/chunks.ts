/** Less than what sockets take at once would cost turns; more would be copied into their buffers before there is room. */
const CHUNK_BYTES = 256 * 1024;

/**
 * The bytes as a stream that is asked for each part when there is room for it. `onEnd` is told once: when the last part was
 * taken, or nobody will take it any more.
 */
export function chunksOf(bytes: Uint8Array<ArrayBuffer>, onEnd: () => void): ReadableStream<Uint8Array<ArrayBuffer>> {
  let at = 0;
  let end = (): void => {
    end = () => {};
    onEnd();
  };
  return new ReadableStream<Uint8Array<ArrayBuffer>>(
    {
      pull(controller) {
        if (at < bytes.length) {
          controller.enqueue(bytes.subarray(at, at + CHUNK_BYTES));
          at += CHUNK_BYTES;
        } else {
          controller.close();
          end();
        }
      },
      cancel: () => end(),
    },
    { highWaterMark: 0 },
  );
}
