import { BlockList, isIP, isIPv6 } from "node:net";

/** Whether an address is that of a proxy whose word is taken. */
export type IsTrusted = (address: string) => boolean;

/** By addresses and networks, such as 10.0.0.0/8; null where there are none. */
export function trustedProxies(listed: readonly string[]): IsTrusted | null {
  if (listed.length === 0) return null;
  const proxies = new BlockList();
  for (const one of listed) {
    const [address, bits] = one.split("/") as [string, string?];
    proxies.addSubnet(address, Number(bits ?? (isIPv6(address) ? 128 : 32)), familyOf(address));
  }
  return (address) => isIP(address) !== 0 && proxies.check(address, familyOf(address));
}

const familyOf = (address: string) => (isIPv6(address) ? "ipv6" : "ipv4");

/**
 * Where a request comes from: the address of the connection, or behind proxies that are trusted what the last of them saw.
 * What a client wrote into X-Forwarded-For itself stands before that and is not looked at.
 */
export function clientAddress(headers: Headers, connected: string | null, isTrusted: IsTrusted | null): string {
  let address = plain(connected ?? "unknown");
  if (isTrusted === null) return address;
  const hops = headers.get("x-forwarded-for")?.split(",") ?? [];
  while (isTrusted(address) && hops.length > 0) address = plain(hops.pop()!.trim());
  return address;
}

/**
 * An IPv4 address as such, also where the socket speaks IPv6. Some proxies write the caller's port behind it, which is another
 * one on each connection: counted by that, nobody would ever be told to wait.
 */
const plain = (address: string) =>
  address
    .toLowerCase()
    .replace(/^\[([^\]]*)\](?::\d+)?$|^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1$2")
    .replace(/^::ffff:(?=\d+\.)/, "");

/** Whose tokens an address takes: a single user is given 2^64 addresses of IPv6. */
export function addressGroup(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail = ""] = address.split("::");
  const start = head.split(":").filter((part) => part !== "");
  const end = tail.split(":").filter((part) => part !== "");
  const middle = address.includes("::") ? Array<string>(Math.max(0, 8 - start.length - end.length)).fill("0") : [];
  return [...start, ...middle, ...end].slice(0, 4).join(":");
}
