import { timingSafeEqual } from "node:crypto";
import { ANYONE, everywhere } from "../domain/access/principal.ts";
import { hashOf, isKeyForm } from "../domain/api-key/key.ts";
import { Refusal } from "../domain/refusals.ts";
import type { Guest } from "../engine/credentials.ts";
import { TokenBuckets } from "../lib/token-buckets.ts";
import { addressGroup } from "./address.ts";

/** Finds out who calls, by the headers of a request. Throws unauthenticated, rate_limited, or what the look-up meets. */
export type Authenticate = (headers: Headers, address: string) => Promise<Guest>;

export interface AuthenticateOptions {
  /** By the hash of a key, whom it stands for; null: nobody. */
  readonly ofKey: (hash: Buffer) => Promise<Guest | null>;
  /** Whether the key was good not long ago. */
  readonly wasGood: (hash: Buffer) => boolean;
  /** Whom the session in the cookies stands for; null: nobody, or there is none. Origin has been found to be ours. */
  readonly ofSession: (headers: Headers) => Promise<Guest | null>;
  /** Whether that session was good not long ago. */
  readonly sessionWasGood: (headers: Headers) => boolean;
  /** A key of the environment, which may do all. */
  readonly adminKey: string | null;
  /** Credentials that open nothing: so many a second from one address, and so many times that in a moment (BURST). */
  readonly wrongPerAddress: number;
  /** Told of each refusal, for the metrics. */
  readonly refused: (reason: "none" | "wrong" | "too many") => void;
}

const BURST = 10;

/** A guest whom nobody sends away: of a service that asks for no credentials, or with the key of its environment. */
const forEver = (principal: Guest["principal"]): Guest => ({ principal, onEnd: () => () => {} });

export const letInAnyone: Authenticate = async () => ANYONE_IN;
const ANYONE_IN = forEver(ANYONE);

/**
 * Demands a credential of each request: a key, or a person's session. An address that has shown too many that open nothing
 * must wait; what it shows meanwhile is not looked up, so that trying costs the service next to nothing, but a credential
 * that was good goes on: others may be behind the same address.
 */
export function createAuthenticate(options: AuthenticateOptions): Authenticate {
  const wrong = new TokenBuckets(options.wrongPerAddress, options.wrongPerAddress * BURST);
  const admin = options.adminKey === null ? null : { hash: hashOf(options.adminKey), guest: adminGuest() };

  const refuseTooMany = (seconds: number) => {
    if (seconds <= 0) return;
    options.refused("too many");
    throw new Refusal("rate_limited", { retryAfterSeconds: Math.ceil(seconds) });
  };

  /** Null: what was shown opens nothing; undefined: nothing was shown. */
  const find = async (headers: Headers, group: string): Promise<Guest | null | undefined> => {
    const authorization = headers.get("authorization");
    if (authorization === null) {
      // Browsers send cookies along by themselves, with whatever page asks; which page that is they say in Origin alone.
      if (!headers.has("cookie") || !headers.has("origin")) return undefined;
      if (!options.sessionWasGood(headers)) refuseTooMany(wrong.wait(group));
      return await options.ofSession(headers);
    }
    const key = /^bearer +([\x21-\x7e]{1,255}) *$/i.exec(authorization)?.[1];
    const hash = key === undefined ? null : hashOf(key);
    if (admin && hash && timingSafeEqual(hash, admin.hash)) return admin.guest;
    if (!hash || !options.wasGood(hash)) refuseTooMany(wrong.wait(group));
    return hash && isKeyForm(key!) ? await options.ofKey(hash) : null;
  };

  return async (headers, address) => {
    const group = addressGroup(address);
    const guest = await find(headers, group);
    if (guest) return guest;
    // Those that were looked up at the same time are all charged, also where that is more than there was.
    if (guest === null) wrong.charge(group, 1);
    options.refused(guest === null ? "wrong" : "none");
    throw new Refusal("unauthenticated", {});
  };
}

const adminGuest = () => forEver(everywhere("the key of the environment", new Set(["admin"])));
