import { createHash } from "node:crypto";
import type { Config } from "../config.ts";
import type { Principal } from "../domain/access/principal.ts";
import type { EngineContext } from "../engine/context.ts";
import type { Guest } from "../engine/credentials.ts";
import { principalOfPerson } from "../engine/members.ts";
import type { People } from "../people/people.ts";
import { type Authenticate, createAuthenticate, letInAnyone } from "../rpc/authenticate.ts";
import type { Metrics } from "../rpc/metrics.ts";

export interface Entrance {
  readonly authenticate: Authenticate;
  /** Who signs in and out; null where nobody does. */
  readonly people: Pick<People, "handle"> | null;
}

/** Who is let in, by keys and by sessions; where there are no people, everybody. */
export function createEntrance(
  config: Config,
  context: EngineContext,
  people: People | null,
  metrics: Metrics,
): Entrance {
  if (people === null) return { authenticate: letInAnyone, people: null };
  const { credentials } = context;
  return {
    authenticate: createAuthenticate({
      ofKey: (hash) => credentials.ofKey(hash),
      wasGood: (hash) => credentials.wasGood(hash),
      ofSession: (headers) => ofSession(context, people, headers),
      sessionWasGood: (headers) => credentials.knows(nameOfSession(headers)),
      adminKey: config.adminKey,
      wrongPerAddress: config.wrongPerAddress,
      refused: (reason) => metrics.turnedAway(reason),
    }),
    people: {
      async handle(request, address) {
        const answer = await people.handle(request, address);
        // Signing out and changing a password end sessions, which shall be over at once here, and within 5 s elsewhere.
        if (request.method === "POST" && answer.ok) credentials.forget();
        return answer;
      },
    },
  };
}

function ofSession(context: EngineContext, people: People, headers: Headers): Promise<Guest | null> {
  const cookie = new Headers({ cookie: headers.get("cookie") ?? "" });
  return context.credentials.find(nameOfSession(headers), async (): Promise<Principal | null> => {
    const person = await people.session(cookie);
    return person && (await principalOfPerson(context, person.userId));
  });
}

/** One name for the same cookies; not the cookies themselves, which open something. */
const nameOfSession = (headers: Headers) =>
  `session ${createHash("sha256")
    .update(headers.get("cookie") ?? "")
    .digest("base64url")}`;
