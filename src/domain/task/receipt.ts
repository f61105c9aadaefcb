/**
 * A receipt names one lease of one task: the task's id (16 bytes) and the lease sequence (4 bytes), as base64url.
 * It is no secret and needs no signature: it is valid exactly while the lease it names is the current one.
 *
 * The last character has two bits to spare. One says that when the task was claimed somebody waited for its end: it goes
 * at once to where such ends are settled, instead of by a statement that leaves it alone. A hint, and not believed.
 */
export interface Receipt extends Lease {
  readonly awaited: boolean;
}

/** One lease of one task. */
export interface Lease {
  readonly id: string;
  readonly leaseSeq: number;
}

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const LENGTH = 27;
const AWAITED = 1;

export function formatReceipt(id: string, leaseSeq: number, awaited: boolean): string {
  const hex = id.replaceAll("-", "") + leaseSeq.toString(16).padStart(8, "0");
  const text = Buffer.from(hex, "hex").toString("base64url");
  return awaited ? text.slice(0, -1) + ALPHABET[ALPHABET.indexOf(text.at(-1)!) | AWAITED] : text;
}

/** Reads a receipt; null for text that is not one (another spelling of the same bytes is not one either). */
export function parseReceipt(text: string): Receipt | null {
  const last = ALPHABET.indexOf(text.at(-1) ?? "");
  if (text.length !== LENGTH || last < 0) return null;
  const awaited = (last & AWAITED) !== 0;
  const plain = awaited ? text.slice(0, -1) + ALPHABET[last ^ AWAITED] : text;
  const bytes = Buffer.from(plain, "base64url");
  if (bytes.length !== 20 || bytes.toString("base64url") !== plain) return null;
  const hex = bytes.toString("hex");
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
  if (!/^.{14}7.{4}[89ab]/.test(id)) return null;
  return { id, leaseSeq: Number.parseInt(hex.slice(32), 16) | 0, awaited };
}
