/** An open WebSocket connection, as the runtimes give it to whoever talks over it. Its methods do nothing once it is closed. */
export interface Socket {
  /** Bytes that were sent and that the other side has not taken yet. */
  readonly buffered: number;
  /** Sends each text as a message of its own, all of them in as few writes as can be. */
  send(texts: readonly string[]): void;
  /** Closes as soon as everything sent is out. `reason` is one sentence for a person, of at most 123 bytes. */
  end(code: number, reason: string): void;
  /** Closes without waiting for the other side to take what was sent. */
  cut(code: number, reason: string): void;
}

/** What is told of a connection. Nothing comes after `closed`, and that comes once, whoever closed it and however. */
export interface SocketEvents {
  /** A whole text message; well-formed, since it was UTF-8. */
  text(text: string): void;
  /** A binary message; what was in it is not told, for nothing here takes any. */
  binary(): void;
  /** The other side has taken some of what was sent, after it had been long in doing so: `buffered` has changed. */
  drained(): void;
  closed(): void;
}

/** Called with each connection when it opens; gives who is to be told of it. */
export type OpenSocket = (socket: Socket) => SocketEvents;
