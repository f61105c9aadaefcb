import { isUnavailable } from "../db/failure.ts";
import { Refusal } from "../domain/refusals.ts";
import { addAccount, type NewPerson } from "./accounts.ts";
import { internal, outward, overloaded, unavailable } from "./answers.ts";
import { attempt } from "./attempt.ts";
import { type AuthOptions, baseUrl, createAuth, sessionCookieName } from "./auth.ts";
import { sessionCookie } from "./cookie.ts";
import { checked, routeOf } from "./request.ts";
import type { Route } from "./routes.ts";

export type PeopleOptions = AuthOptions;

/** Somebody who is signed in. */
export interface Person {
  readonly userId: string;
  readonly email: string;
  readonly name: string;
}

export interface People {
  /**
   * Answers a request below /api/auth whose Host and Origin have been checked. `address` is whom the attempts are counted
   * to; with null all whose address is unknown share one count. Never rejects.
   */
  handle(request: Request, address: string | null): Promise<Response>;
  /** Which sessions a request ends that was answered as done, if any. */
  ends(request: Request): Route["ends"];
  /** The cookie in these headers by which somebody may be signed in, and nothing else of them; null: there is none. */
  sessionCookie(headers: Headers): string | null;
  /**
   * Who that cookie is of; null: nobody, or not any more. Whether the Origin that came along may use it is for the caller to
   * check. Writes nothing. Rejects with the refusal `unavailable` when the database cannot be asked.
   */
  session(cookie: string): Promise<Person | null>;
  /** Makes an account, also where sign-up is closed, and gives its id. Rejects as addAccount does. */
  createUser(person: NewPerson): Promise<string>;
  close(): Promise<void>;
}

export function createPeople(options: PeopleOptions): People {
  const { auth, close } = createAuth(options);
  const base = baseUrl(options.publicUrl);
  const cookieName = sessionCookieName(options.publicUrl);

  const answer = async (request: Request, address: string | null): Promise<Response> => {
    const given = await checked(request, address, base);
    if (given instanceof Response) return given;
    return await attempt(given.route.hashes === true, async (made) => {
      const answered = await auth.handler(given.request).catch((error: unknown) => error);
      // Whatever better-auth made of it: it may say "signed out" of a session that is still there.
      if (made.outage) return unavailable();
      if (made.overloaded) return overloaded();
      if (!(answered instanceof Response)) throw answered;
      if (answered.status >= 500) options.log.error("better-auth failed", { path: given.route.path });
      return await outward(answered);
    });
  };

  return {
    async handle(request, address) {
      try {
        return await answer(request, address);
      } catch (error) {
        options.log.error("A request of a person failed inside the service.", { error });
        return internal();
      }
    },
    ends: (request) => routeOf(request)?.ends,
    sessionCookie: (headers) => sessionCookie(headers.get("cookie") ?? "", cookieName),
    async session(cookie) {
      return await attempt(false, async (made) => {
        const query = { disableRefresh: true };
        const found = await auth.api.getSession({ headers: new Headers({ cookie }), query }).catch((error: unknown) => {
          if (made.outage || isUnavailable(error)) throw new Refusal("unavailable", { retryAfterSeconds: 1 });
          throw error;
        });
        return found && { userId: found.user.id, email: found.user.email, name: found.user.name };
      });
    },
    createUser: (person) => addAccount(auth, person),
    close,
  };
}
