import { connect, createServer, type Server, type Socket } from "node:net";

/** Stands between a client and PostgreSQL on loopback, to be as unhelpful as networks and poolers can be. */
export interface WireProxy {
  readonly port: number;
  /** Keeps back notifications but for those in the middle of an answer, as a transaction pooler does. */
  dropNotifications: boolean;
  /** Passes nothing on any more in either direction, and says nothing, as a firewall that forgot the connection. */
  silent: boolean;
  /** What names this is carried out, but on the connection that asked for it nothing is answered any more. */
  swallow: RegExp | null;
  readonly connections: number;
  /** How many statements clients have had run. */
  readonly statements: number;
  close(): Promise<void>;
}

const NOTIFICATION = "A".charCodeAt(0);
const READY = "Z".charCodeAt(0);

export async function startWireProxy(target: { host: string; port: number }): Promise<WireProxy> {
  const sockets = new Set<Socket>();
  const state = {
    dropNotifications: false,
    silent: false,
    swallow: null as RegExp | null,
    connections: 0,
    statements: 0,
  };
  const server: Server = createServer((client) => {
    state.connections += 1;
    const database = connect(target);
    const split = messageSplitter();
    const statementsIn = statementCounter();
    let isIdle = false;
    let swallowing = false;
    client.on("data", (bytes) => {
      isIdle = false;
      state.statements += statementsIn(Buffer.from(bytes));
      swallowing ||= state.swallow?.test(Buffer.from(bytes).toString("latin1")) ?? false;
      if (!state.silent) database.write(bytes);
    });
    database.on("data", (bytes) => {
      const kept = split(Buffer.from(bytes)).filter((message) => {
        if (message[0] === READY) isIdle = true;
        return !(state.dropNotifications && isIdle && message[0] === NOTIFICATION);
      });
      if (!state.silent && !swallowing) client.write(Buffer.concat(kept));
    });
    for (const [one, other] of [
      [client, database],
      [database, client],
    ] as const) {
      sockets.add(one);
      one.on("error", () => other.destroy());
      one.on("close", () => other.destroy());
    }
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  return Object.assign(state, {
    port: typeof address === "object" && address !== null ? address.port : 0,
    close: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  });
}

/** Cuts what the server sends into whole messages: a type byte, then a length that counts itself. */
function messageSplitter(): (bytes: Buffer) => Buffer[] {
  let rest = Buffer.alloc(0);
  return (bytes) => {
    rest = Buffer.concat([rest, bytes]);
    const messages: Buffer[] = [];
    while (rest.length >= 5 && rest.length >= 1 + rest.readUInt32BE(1)) {
      const end = 1 + rest.readUInt32BE(1);
      messages.push(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    return messages;
  };
}

/** Requests for encryption, which come before a connection's start-up message and have no type byte either. */
const ENCRYPTION = [80877103, 80877104];
const EXECUTE = "E".charCodeAt(0);
const QUERY = "Q".charCodeAt(0);

/** Counts the statements that a client has run, by the messages that each needs one of. */
function statementCounter(): (bytes: Buffer) => number {
  const split = messageSplitter();
  let head = Buffer.alloc(0);
  let isStarted = false;
  return (bytes) => {
    let rest = bytes;
    if (!isStarted) {
      head = Buffer.concat([head, bytes]);
      while (!isStarted && head.length >= 8 && head.length >= head.readUInt32BE(0)) {
        isStarted = !ENCRYPTION.includes(head.readUInt32BE(4));
        head = head.subarray(head.readUInt32BE(0));
      }
      if (!isStarted) return 0;
      rest = head;
    }
    return split(rest).filter(([type]) => type === EXECUTE || type === QUERY).length;
  };
}
