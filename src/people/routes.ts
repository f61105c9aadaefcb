import { z } from "zod";

/** A way into better-auth that is open. */
export interface Route {
  readonly path: string;
  readonly method: "GET" | "POST";
  /** What the body may hold. better-auth takes more, which has no use here; null: there is no body. */
  readonly body: z.ZodType | null;
  /** Costs a password's hash, which is most of what anything here costs. */
  readonly hashes?: true;
  /** Ends sessions: that of the caller, who may have none and is told the same, or others of a caller who has one. */
  readonly ends?: "own" | "others";
}

/** Controls and marks of direction would make a name look like another, or drive a terminal. */
const UNFIT = /[\p{Cc}\p{Zl}\p{Zp}\p{Bidi_Control}]/u;
export const personName = z
  .string()
  .trim()
  .min(1, "must not be empty")
  .max(100, "must not be longer than 100 characters")
  .refine((name) => name.isWellFormed() && !UNFIT.test(name), "must not have control characters in it");
/** The longest address that mail can be sent to. */
const email = z.string().max(254, "must not be longer than 254 characters");
/** How long passwords must and may be is better-auth's to say. */
const password = z.string();
const token = z.string().regex(/^[A-Za-z0-9_-]{1,128}$/, "is no token");
const none = z.strictObject({});

/**
 * Every other path of better-auth's is closed: what needs mail (verification, reset, change of address), other providers
 * (sign-in/social, callback, link-social, accounts, tokens), delete-user, its pages. `image` cannot be set, and no URL is
 * taken: nothing here redirects.
 */
const OPEN: readonly Route[] = [
  {
    path: "/sign-up/email",
    method: "POST",
    body: z.strictObject({ name: personName, email, password }),
    hashes: true,
  },
  {
    path: "/sign-in/email",
    method: "POST",
    body: z.strictObject({ email, password, rememberMe: z.boolean().optional() }),
    hashes: true,
  },
  { path: "/sign-out", method: "POST", body: none, ends: "own" },
  // Who is signed in. Also what keeps a session from running out.
  { path: "/get-session", method: "GET", body: null },
  { path: "/update-user", method: "POST", body: z.strictObject({ name: personName }) },
  {
    path: "/change-password",
    method: "POST",
    body: z.strictObject({
      currentPassword: password,
      newPassword: password,
      revokeOtherSessions: z.boolean().optional(),
    }),
    hashes: true,
    ends: "others",
  },
  // For who has lost a machine: where somebody is signed in, and the end of it.
  { path: "/list-sessions", method: "GET", body: null },
  { path: "/revoke-session", method: "POST", body: z.strictObject({ token }), ends: "others" },
  { path: "/revoke-sessions", method: "POST", body: none, ends: "others" },
  { path: "/revoke-other-sessions", method: "POST", body: none, ends: "others" },
];

export const ROUTES: ReadonlyMap<string, Route> = new Map(OPEN.map((route) => [route.path, route]));
