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
  const isKnown = (headers: Headers) => {
    const cookie = people.sessionCookie(headers);
    return cookie !== null && credentials.isKnown(nameOf(cookie));
  };
  return {
    authenticate: createAuthenticate({
      ofKey: (hash) => credentials.ofKey(hash),
      wasGood: (hash) => credentials.wasGood(hash),
      ofSession: (headers) => ofSession(context, people, headers),
      sessionWasGood: isKnown,
      adminKey: config.adminKey,
      wrongPerAddress: config.wrongPerAddress,
      refused: (reason) => metrics.turnedAway(reason),
    }),
    people: {
      async handle(request, address) {
        const answer = await people.handle(request, address);
        // Sessions that somebody ends shall be over at once here, and within 5 s elsewhere. Strangers are told that they are
        // signed out as well: looking up everybody anew must not be theirs to ask for.
        const ends = answer.ok ? people.ends(request) : undefined;
        if (ends === "others" || (ends === "own" && isKnown(request.headers))) credentials.forget();
        return answer;
      },
    },
  };
}

async function ofSession(context: EngineContext, people: People, headers: Headers): Promise<Guest | null> {
  const cookie = people.sessionCookie(headers);
  if (cookie === null) return null;
  return await context.credentials.find(nameOf(cookie), async (): Promise<Principal | null> => {
    const person = await people.session(cookie);
    return person && (await principalOfPerson(context, person.userId));
  });
}

const nameOf = (cookie: string) => `session ${createHash("sha256").update(cookie).digest("base64url")}`;
