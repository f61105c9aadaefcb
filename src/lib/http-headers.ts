/**
 * What every answer carries, whoever makes it. Answers are nobody's to cache, to sniff at, to frame, or to draw into a page
 * of another origin; and what is opened as a page may load nothing and run nothing.
 */
export const SECURITY_HEADERS = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "x-frame-options": "DENY",
} as const;
