/** Who may call, by the names under which they reach the service. */
export interface OriginRule {
  /** The port the service listens on. */
  port: number;
  /** Further values of the Host header: `queue.example.com`, or with a port `queue.example.com:8443`. */
  hosts: readonly string[];
  /** Further origins of web pages that may call: `https://console.example.com`. */
  origins: readonly string[];
}

/** A web page elsewhere can reach a loopback service, and DNS can point any name at it: so both headers are compared whole. */
export type OriginCheck = (headers: Headers) => boolean;

const LOOPBACK_NAMES = ["127.0.0.1", "localhost", "[::1]"];

/**
 * A check of the Host header (must be one of ours) and of the Origin header (if there is one; programs send none).
 * Ours are the loopback names with the port, and what the rule adds; an added host may also be an origin.
 */
export function createOriginCheck(rule: OriginRule): OriginCheck {
  const loopback = LOOPBACK_NAMES.map((name) => `${name}:${rule.port}`);
  // Browsers and programs leave the default port of http out.
  if (rule.port === 80) loopback.push(...LOOPBACK_NAMES);
  const added = rule.hosts.map((host) => host.toLowerCase());
  const hosts = new Set([...loopback, ...added]);
  const origins = new Set([
    ...loopback.map((host) => `http://${host}`),
    ...added.flatMap((host) => [`http://${host}`, `https://${host}`]),
    ...rule.origins.map((origin) => origin.toLowerCase()),
  ]);
  return (headers) => {
    const host = headers.get("host");
    if (host === null || !hosts.has(host.toLowerCase())) return false;
    const origin = headers.get("origin");
    return origin === null || origins.has(origin.toLowerCase());
  };
}
