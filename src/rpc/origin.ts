/** Who may call, by the names under which they reach the service. */
export interface OriginRule {
  /** The port the service listens on. */
  port: number;
  /** Further values of the Host header: `queue.example.com`, or with a port `queue.example.com:8443`. */
  hosts: readonly string[];
  /** Further origins of web pages that may call: `https://console.example.com`. */
  origins: readonly string[];
  /** Where browsers reach the service, if told: `https://queue.example.com`. Its host and its origin are ours. */
  publicUrl: string | null;
}

/** Null: not ours. Else `listed` is the caller's origin if it is one of the rule's further ones: a page elsewhere that may call. */
export type Caller = { readonly listed: string | null } | null;

/** A web page elsewhere can reach a loopback service, and DNS can point any name at it: so both headers are compared whole. */
export type OriginCheck = (request: Request) => Caller;

const LOOPBACK_NAMES = ["127.0.0.1", "localhost", "[::1]"];

const OURS: Caller = { listed: null };

/**
 * A check of the Host header (must be one of ours) and of the Origin header (if there is one; programs send none).
 * Ours are the loopback names with the port, and what the rule adds; an added host may also be an origin.
 */
export function createOriginCheck(rule: OriginRule): OriginCheck {
  const loopback = LOOPBACK_NAMES.map((name) => `${name}:${rule.port}`);
  // Browsers and programs leave the default port of http out.
  if (rule.port === 80) loopback.push(...LOOPBACK_NAMES);
  const added = rule.hosts.map((host) => host.toLowerCase());
  const own = rule.publicUrl === null ? [] : [new URL(rule.publicUrl)];
  const hosts = new Map([...loopback, ...added, ...own.map(({ host }) => host)].map((host) => [host, urlHost(host)]));
  const origins = new Set([
    ...loopback.map((host) => `http://${host}`),
    ...added.flatMap((host) => [`http://${host}`, `https://${host}`]),
    ...own.map(({ origin }) => origin),
  ]);
  const listed = new Set(rule.origins.map((origin) => origin.toLowerCase()).filter((origin) => !origins.has(origin)));
  return ({ headers, method, url }) => {
    const host = hosts.get(headers.get("host")?.toLowerCase() ?? "");
    if (host === undefined || !reaches(url, host)) return null;
    const origin = headers.get("origin")?.toLowerCase();
    if (origin === undefined) return isFromElsewhere(method, headers) ? null : OURS;
    if (origins.has(origin)) return OURS;
    return listed.has(origin) ? { listed: origin } : null;
  };
}

/** As it stands in a parsed URL, where 80 and superfluous digits are gone. */
function urlHost(host: string): string {
  return URL.parse(`http://${host}`)?.host ?? host;
}

/**
 * Whether the target names the same host as the Host line. Most targets are a path and say nothing; one that is a whole URL
 * counts more than the Host line (RFC 9112, 3.2.2), and Deno reads it so where Bun drops it. What is no URL is no page either.
 */
function reaches(url: string, host: string): boolean {
  // Parsing costs more than all else here, and nearly every URL begins as expected.
  if (url.startsWith(`http://${host}/`)) return true;
  const parsed = URL.parse(url);
  return parsed === null || parsed.host === "" || (parsed.host === host && parsed.protocol === "http:");
}

/**
 * A browser that sends no Origin says in another header whether a page elsewhere is behind a request: an image, a script or
 * a form by GET. None of these is wanted; a link that is followed is.
 */
function isFromElsewhere(method: string, headers: Headers): boolean {
  const site = headers.get("sec-fetch-site");
  if (site === null || site === "same-origin" || site === "none") return false;
  return headers.get("sec-fetch-mode") !== "navigate" || (method !== "GET" && method !== "HEAD");
}
