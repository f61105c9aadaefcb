/**
 * A receipt names one lease of one task: the task's id (16 bytes) and the lease sequence (4 bytes), as base64url.
 * It is no secret and needs no signature: it is valid exactly while the lease it names is the current one.
 */
export interface Receipt {
  readonly id: string;
  readonly leaseSeq: number;
}

export function formatReceipt(id: string, leaseSeq: number): string {
  const hex = id.replaceAll("-", "") + leaseSeq.toString(16).padStart(8, "0");
  return Buffer.from(hex, "hex").toString("base64url");
}

/** Reads a receipt; null for text that is not one (another spelling of the same bytes is not one either). */
export function parseReceipt(text: string): Receipt | null {
  const bytes = Buffer.from(text, "base64url");
  if (bytes.length !== 20 || bytes.toString("base64url") !== text) return null;
  const hex = bytes.toString("hex");
  const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20, 32)}`;
  if (!/^.{14}7.{4}[89ab]/.test(id)) return null;
  return { id, leaseSeq: Number.parseInt(hex.slice(32), 16) | 0 };
}
