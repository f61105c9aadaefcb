import net from "node:net";

/** One connection on which bytes are written as they are: what fetch would not send. */
export interface RawConnection {
  write(text: string | Uint8Array): void;
  /** Everything received by the time that it matches. Rejects if the connection closes before. */
  until(pattern: RegExp): Promise<string>;
  /** Resolves when the other side has closed the connection, to all that it sent. */
  readonly closed: Promise<string>;
  /** Sends no more, but goes on listening. */
  end(): void;
  /** Hangs up, as a caller does that is killed. */
  hangUp(): void;
}

export async function connect(port: number): Promise<RawConnection> {
  let received = "";
  const waiting: { pattern: RegExp; resolve(text: string): void; reject(error: Error): void }[] = [];
  const socket = net.connect(port, "127.0.0.1");
  const { promise: closed, resolve: close } = Promise.withResolvers<string>();
  const settle = (): void => {
    for (const one of waiting) if (one.pattern.test(received)) one.resolve(received);
  };
  socket.on("data", (bytes) => {
    received += bytes.toString("latin1");
    settle();
  });
  socket.on("error", () => {});
  socket.on("close", () => {
    close(received);
    for (const one of waiting) one.reject(new Error(`Closed after ${JSON.stringify(received)}`));
  });
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  return {
    closed,
    write: (text) => socket.write(text),
    until(pattern) {
      const { promise, resolve, reject } = Promise.withResolvers<string>();
      waiting.push({ pattern, resolve, reject });
      settle();
      return promise;
    },
    end: () => socket.end(),
    hangUp: () => socket.destroy(),
  };
}

/** Sends one request, given as its lines and a body, and returns the answer's status and text. */
export async function raw(port: number, head: string[], body = ""): Promise<{ status: number; text: string }> {
  const connection = await connect(port);
  connection.write(`${[...head, "Connection: close", "", body].join("\r\n")}`);
  const text = await connection.closed;
  connection.hangUp();
  return { status: Number(text.slice(9, 12)), text };
}

/** A connection whose other side reads nothing until it is told to. */
export interface PausedConnection {
  write(text: string): void;
  /** Reads until so many bytes have come, and on from there; gives the first of them. */
  read(bytes: number): Promise<string>;
  hangUp(): void;
}

export async function connectPaused(port: number): Promise<PausedConnection> {
  const socket = net.connect(port, "127.0.0.1");
  socket.on("error", () => {});
  await new Promise<void>((resolve) => socket.once("connect", () => resolve()));
  socket.pause();
  return {
    write: (text) => socket.write(text),
    read(bytes) {
      const { promise, resolve } = Promise.withResolvers<string>();
      let start = "";
      let count = 0;
      socket.on("data", (part) => {
        if (start.length < 1000) start += part.toString("latin1", 0, 1000);
        count += part.length;
        if (count >= bytes) resolve(start);
      });
      socket.resume();
      return promise;
    },
    hangUp: () => socket.destroy(),
  };
}
