import { isIP } from "node:net";

/**
 * Whether `host` is this machine and can be nobody else, as seen from its text. Only localhost and the addresses are: names
 * below .localhost are left to DNS by most systems, and short forms such as 127.1 mean different things to different programs.
 */
export function isLoopback(host: string): boolean {
  if (host.toLowerCase() === "localhost") return true;
  if (isIP(host) === 4) return host.startsWith("127.");
  // The standard's way of writing an IPv6 address, whatever form came in. A zone is none of it.
  const written = isIP(host) === 6 && URL.parse(`http://[${host}]/`)?.hostname;
  // ::ffff:127.0.0.0/104, that is IPv4 loopback under an IPv6 name.
  return (
    written === "[::1]" || (typeof written === "string" && /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(written))
  );
}
