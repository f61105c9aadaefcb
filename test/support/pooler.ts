import { connect, createServer } from "node:net";

/** A connection pooler's manners without its pool: what it refuses, and a record of what it was sent. */
export interface Pooler {
  readonly port: number;
  /** Start-up parameters it refused, as often as they came. */
  readonly refused: string[];
  /** Names of prepared statements: in transaction mode the next transaction may meet a connection that knows none of them. */
  readonly statementNames: Set<string>;
  readonly statements: string[];
  close(): Promise<void>;
}

/** What PgBouncer takes at start-up unless it is told to ignore more. */
const ACCEPTED = new Set([
  "user",
  "database",
  "client_encoding",
  "datestyle",
  "timezone",
  "standard_conforming_strings",
  "application_name",
]);
const PARSE = "P".charCodeAt(0);
const QUERY = "Q".charCodeAt(0);

export async function startPooler(target: { host: string; port: number }): Promise<Pooler> {
  const record = { refused: [] as string[], statementNames: new Set<string>(), statements: [] as string[] };
  const sockets = new Set<{ destroy(): void }>();
  const server = createServer((client) => {
    const database = connect(target);
    for (const socket of [client, database]) sockets.add(socket);
    client.on("error", () => database.destroy()).on("close", () => database.destroy());
    database.on("error", () => client.destroy()).on("close", () => client.destroy());
    database.pipe(client);
    let started = false;
    let rest: Buffer = Buffer.alloc(0);
    client.on("data", (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      for (;;) {
        const head = started ? 1 : 0;
        if (rest.length < head + 4 || rest.length < head + rest.readUInt32BE(head)) return;
        const message = rest.subarray(0, head + rest.readUInt32BE(head));
        rest = rest.subarray(message.length);
        if (!started) {
          started = true;
          const refused = startUpParameters(message).filter((name) => !ACCEPTED.has(name.toLowerCase()));
          record.refused.push(...refused);
          if (refused[0] !== undefined) return void client.end(refusal(`unsupported startup parameter: ${refused[0]}`));
        } else if (message[0] === PARSE) {
          const [name, text] = message.subarray(5).toString().split("\0");
          if (name) record.statementNames.add(name);
          record.statements.push(text!);
        } else if (message[0] === QUERY) record.statements.push(message.subarray(5, -1).toString());
        database.write(message);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return {
    ...record,
    port: (server.address() as { port: number }).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function startUpParameters(message: Buffer): string[] {
  return message
    .subarray(8)
    .toString()
    .split("\0")
    .filter((text, at) => at % 2 === 0 && text !== "");
}

/** An ErrorResponse: severity, SQLSTATE and message, each ended by a zero byte. */
function refusal(message: string): Buffer {
  const fields = Buffer.from(`SFATAL\0C08P01\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write("E");
  head.writeUInt32BE(4 + fields.length, 1);
  return Buffer.concat([head, fields]);
}
