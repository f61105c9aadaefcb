import net from "node:net";

export const OPCODE = { continuation: 0, text: 1, binary: 2, close: 8, ping: 9, pong: 10 } as const;

export interface Frame {
  opcode: number;
  payload: Buffer;
}

/** A WebSocket connection by hand: frames as they are, whatever a client's library would not send. */
export interface RawWebSocket {
  write(bytes: Uint8Array): void;
  /** The next frame received. Rejects when the connection ends before. */
  next(): Promise<Frame>;
  /** The next text frame, parsed; pings are left unanswered. */
  answer(): Promise<unknown>;
  /** The code of the close frame that comes, which is answered as it should be; null if the connection ends without one. */
  closeCode(): Promise<number | null>;
  /** Resolves when the other side has closed the connection. */
  readonly closed: Promise<void>;
  /** Reads nothing more until told to. */
  pause(): void;
  resume(): void;
  hangUp(): void;
}

/** One frame of a client: masked and final, unless told otherwise. */
export function frame(
  opcode: number,
  payload: string | Uint8Array = "",
  { masked = true, final = true, reserved = 0 } = {},
): Buffer {
  const body = Buffer.from(payload);
  const head = Buffer.alloc(body.length < 126 ? 2 : body.length < 65_536 ? 4 : 10);
  head[0] = (final ? 0x80 : 0) | reserved | opcode;
  head[1] = (masked ? 0x80 : 0) | (head.length === 2 ? body.length : head.length === 4 ? 126 : 127);
  if (head.length === 4) head.writeUInt16BE(body.length, 2);
  if (head.length === 10) head.writeBigUInt64BE(BigInt(body.length), 2);
  if (!masked) return Buffer.concat([head, body]);
  const mask = Buffer.from([0x12, 0x34, 0x56, 0x78]);
  for (let at = 0; at < body.length; at++) body[at]! ^= mask[at % 4]!;
  return Buffer.concat([head, mask, body]);
}

/** A text frame; what is no text is printed first. */
export const text = (message: unknown): Buffer =>
  frame(OPCODE.text, typeof message === "string" ? message : JSON.stringify(message));

/** The lines of an opening handshake, with others in the place of those named. */
export function handshake(port: number, others: Record<string, string | null> = {}): string {
  const headers: Record<string, string | null> = {
    Host: `localhost:${port}`,
    Upgrade: "websocket",
    Connection: "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
    ...others,
  };
  const lines = Object.entries(headers).filter(([, value]) => value !== null);
  return ["GET /rpc HTTP/1.1", ...lines.map(([name, value]) => `${name}: ${value}`), "", ""].join("\r\n");
}

/** Opens a connection and shakes hands. Rejects with what was answered if that was not 101. */
export async function openRaw(port: number, others: Record<string, string | null> = {}): Promise<RawWebSocket> {
  const socket = net.connect(port, "127.0.0.1");
  const frames: Frame[] = [];
  const waiting: PromiseWithResolvers<Frame>[] = [];
  const closed = Promise.withResolvers<void>();
  const opened = Promise.withResolvers<void>();
  let rest = Buffer.alloc(0);
  let isOpen = false;
  let isClosed = false;
  socket.on("data", (bytes) => {
    rest = Buffer.concat([rest, bytes as Uint8Array]);
    if (!isOpen) {
      const end = rest.indexOf("\r\n\r\n");
      if (end === -1) return;
      const head = rest.subarray(0, end).toString("latin1");
      if (!head.startsWith("HTTP/1.1 101 ")) return opened.reject(new Error(head));
      isOpen = true;
      rest = rest.subarray(end + 4);
      opened.resolve();
    }
    for (let read = readFrame(rest); read !== null; read = readFrame(rest)) {
      rest = rest.subarray(read.bytes);
      const next = waiting.shift();
      if (next) next.resolve(read.frame);
      else frames.push(read.frame);
    }
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    isClosed = true;
    closed.resolve();
    opened.reject(new Error("Closed during the handshake."));
    for (const one of waiting) one.reject(new Error("Closed."));
  });
  socket.on("connect", () => socket.write(handshake(port, others)));
  await opened.promise;
  const next = (): Promise<Frame> => {
    const one = Promise.withResolvers<Frame>();
    if (frames.length > 0) one.resolve(frames.shift()!);
    else if (isClosed) one.reject(new Error("Closed."));
    else waiting.push(one);
    return one.promise;
  };
  const nextOf = async (opcode: number): Promise<Frame> => {
    for (;;) {
      const one = await next();
      if (one.opcode === opcode) return one;
    }
  };
  return {
    write: (bytes) => socket.write(bytes),
    next,
    answer: async () => JSON.parse((await nextOf(OPCODE.text)).payload.toString()),
    closeCode: async () => {
      const close = await nextOf(OPCODE.close).catch(() => null);
      if (close === null || close.payload.length < 2) return null;
      socket.write(frame(OPCODE.close, close.payload.subarray(0, 2)));
      return close.payload.readUInt16BE(0);
    },
    closed: closed.promise,
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    hangUp: () => socket.destroy(),
  };
}

/** The first frame in the bytes, if it is there as a whole. Servers do not mask. */
function readFrame(bytes: Buffer): { frame: Frame; bytes: number } | null {
  if (bytes.length < 2) return null;
  const short = bytes[1]! & 0x7f;
  const head = short === 126 ? 4 : short === 127 ? 10 : 2;
  if (bytes.length < head) return null;
  const length = head === 2 ? short : head === 4 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  if (bytes.length < head + length) return null;
  return {
    frame: { opcode: bytes[0]! & 0x0f, payload: bytes.subarray(head, head + length) },
    bytes: head + length,
  };
}
