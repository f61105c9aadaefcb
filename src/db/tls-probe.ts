import { connect } from "node:net";
import { type DatabaseTarget, DatabaseUrlError, describeTarget, isLocal } from "./url.ts";

/** PostgreSQL's SSLRequest: length 8, then a number that no protocol version has. */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);

/**
 * Settles sslmode=allow and prefer, which mean "as the server offers" and which no driver here can negotiate: asks the
 * server once, and gives back the target with require or disable. Any other mode comes back as it is, and so does a target
 * that does not answer within `timeoutMs`: connecting to it will fail and say why.
 *
 * Throws DatabaseUrlError where that would be plain text to another machine. Whoever stands between can give the answer in
 * the server's place, so going without TLS must have been asked for by name: sslmode=disable.
 */
export async function settleTls(target: DatabaseTarget, timeoutMs = 10_000): Promise<DatabaseTarget> {
  if (target.sslMode !== "allow" && target.sslMode !== "prefer") return target;
  const answer = await askForTls(target, timeoutMs);
  if (answer === null) return target;
  if (answer !== "S" && !isLocal(target.host)) throw new DatabaseUrlError(plainTextRefused(target));
  return { ...target, sslMode: answer === "S" ? "require" : "disable" };
}

function plainTextRefused(target: DatabaseTarget): string {
  return (
    `${describeTarget(target)} offers no TLS, so sslmode=${target.sslMode} would send the password and all tasks in plain text. ` +
    "Give the server TLS (then sslmode=verify-full is best), or write sslmode=disable if nobody else is on the way to it"
  );
}

/** "S" for yes, anything else for no; null: no answer. */
function askForTls({ host, port }: DatabaseTarget, timeoutMs: number): Promise<string | null> {
  const socket = connect({ host, port, timeout: timeoutMs });
  const answer = new Promise<string | null>((resolve) => {
    socket.once("connect", () => socket.write(SSL_REQUEST));
    socket.once("data", (bytes) => resolve(bytes.toString("latin1").slice(0, 1)));
    for (const end of ["error", "timeout", "close"]) socket.once(end, () => resolve(null));
  });
  return answer.finally(() => socket.destroy());
}
