import { createHash, randomBytes } from "node:crypto";

const PREFIX = "osqs_";
/** The prefix and 32 random bytes in base64url. */
const FORM = /^osqs_[A-Za-z0-9_-]{43}$/;
/** Of a key, what may be shown again: enough to tell one from another. */
const SHOWN = PREFIX.length + 4;

export function newKey(): { readonly key: string; readonly hash: Buffer; readonly shown: string } {
  const key = PREFIX + randomBytes(32).toString("base64url");
  return { key, hash: hashOf(key), shown: key.slice(0, SHOWN) };
}

/** Whether a text can be a key at all; what cannot need not be looked up. */
export const isKeyForm = (text: string): boolean => FORM.test(text);

export const hashOf = (key: string): Buffer => createHash("sha256").update(key).digest();
