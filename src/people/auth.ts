import { type BetterAuthOptions, betterAuth } from "better-auth";
import type { Logger } from "../lib/log.ts";
import { AddressLimit } from "./address-limit.ts";
import { overloaded } from "./answers.ts";
import { currentAttempt } from "./attempt.ts";
import { type PeopleDatabaseOptions, peopleDatabase } from "./database.ts";
import { Gate } from "./gate.ts";

export interface AuthOptions extends PeopleDatabaseOptions {
  /** Signs cookies. */
  readonly secret: string;
  readonly signUp: "open" | "closed";
  /** Where browsers reach the service; null: by HTTP, under whatever name. */
  readonly publicUrl: string | null;
  /** Attempts by one address to sign in within a minute, and as many to sign up and to change a password. */
  readonly attemptsPerMinute: number;
  readonly log: Logger;
}

const COOKIE_PREFIX = "opensqs";
const isSecure = (publicUrl: string | null) => publicUrl?.startsWith("https:") ?? false;
/** The cookie that a session is in, as better-auth names it. */
export const sessionCookieName = (publicUrl: string | null) =>
  `${isSecure(publicUrl) ? "__Secure-" : ""}${COOKIE_PREFIX}.session_token`;
export const BASE_PATH = "/api/auth";
/** Carries the address that the service knows; always set by it, whatever a client sends under that name. */
export const ADDRESS_HEADER = "x-opensqs-address";
/** Stands in for a name where there is none: nothing that is open makes links. */
export const baseUrl = (publicUrl: string | null): string => publicUrl ?? "http://localhost";

/** A hash takes a core for 80 ms and 32 MiB, on a thread beside ours: with one at a time the calls on /rpc keep the others. */
const HASHES = 1;
/** About two seconds of hashing. */
const HASHES_WAITING_MAX = 20;

/** better-auth, and what it stands on. */
export function createAuth(options: AuthOptions) {
  const database = peopleDatabase(options);
  return { auth: betterAuth(libraryOptions(options, database)), close: () => database.end() };
}

function libraryOptions(options: AuthOptions, database: ReturnType<typeof peopleDatabase>) {
  const attempts = { window: 60, max: options.attemptsPerMinute };
  return {
    // The part of a pool that Kysely calls; its type also asks for cursors, which nothing here uses.
    database: database as unknown as NonNullable<BetterAuthOptions["database"]>,
    // As a list, for the single one gives way to an environment variable of better-auth's.
    secrets: [{ version: 1, value: options.secret }],
    baseURL: baseUrl(options.publicUrl),
    basePath: BASE_PATH,
    // The Origin has been compared with ours before a request gets here; better-auth checks that there is one beside a cookie.
    trustedOrigins: (request) => [request?.headers.get("origin")].filter((origin) => typeof origin === "string"),
    emailAndPassword: {
      enabled: true,
      disableSignUp: options.signUp === "closed",
      // What programs written for better-auth expect. By it a sign-up tells who has an account already; where that
      // matters, sign-up stays closed.
      autoSignIn: true,
    },
    rateLimit: {
      enabled: true,
      customStorage: new AddressLimit(),
      customRules: { "/sign-in/*": attempts, "/sign-up/*": attempts, "/change-password": attempts },
    },
    plugins: [gatePlugin()],
    telemetry: { enabled: false },
    logger: { level: "warn", log: (level, message, ...more) => note(options.log, level, message, more) },
    // What is not a refusal is thrown, where otherwise it would be written to the console.
    onAPIError: { throw: true },
    advanced: {
      cookiePrefix: COOKIE_PREFIX,
      useSecureCookies: isSecure(options.publicUrl),
      ipAddress: { ipAddressHeaders: [ADDRESS_HEADER] },
      // Stated, for NODE_ENV=test would turn the checks off.
      disableOriginCheck: false,
      disableCSRFCheck: false,
      // The migrations make the tables, and a test compares.
      database: { validateSchema: false },
    },
  } satisfies BetterAuthOptions;
}

/** Passwords are hashed one after another: behind the limit by address, before a connection is taken. */
function gatePlugin() {
  const gate = new Gate(HASHES, HASHES_WAITING_MAX);
  return {
    id: "opensqs-gate",
    async onRequest() {
      const attempt = currentAttempt();
      if (!attempt?.hashes) return undefined;
      const leave = await gate.enter();
      if (leave === null) attempt.overloaded = true;
      else attempt.leave = leave;
      return leave === null ? { response: overloaded() } : undefined;
    },
  };
}

/**
 * A line of better-auth's. Only errors that were thrown are grave: everything else says what a caller did wrong, as often
 * as the caller likes, and in the caller's words.
 */
function note(log: Logger, level: string, message: unknown, more: readonly unknown[]): void {
  const error = [message, ...more].find((one) => one instanceof Error);
  const text = typeof message === "string" && message !== "" ? message.slice(0, 200) : "better-auth failed";
  if (error === undefined) log.info(text, { part: "people" });
  else log[level === "error" && !currentAttempt()?.outage ? "error" : "warn"](text, { part: "people", error });
}
