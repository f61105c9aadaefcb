import { ANYONE } from "../../src/domain/access/principal.ts";
import type { Guest } from "../../src/engine/credentials.ts";
import { letInAnyone } from "../../src/rpc/authenticate.ts";

/** Somebody at a service that asks for no credentials. */
export const GUEST: Guest = { principal: ANYONE, onEnd: () => () => {} };

/** What an HTTP handler is told of a service that asks for none. */
export const OPEN_DOOR = { authenticate: letInAnyone, rates: null, isTrusted: null, people: null };
