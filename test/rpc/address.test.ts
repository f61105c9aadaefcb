import { expect, test } from "bun:test";
import { addressGroup, clientAddress, trustedProxies } from "../../src/rpc/address.ts";

const PROXY = "10.0.0.1";
const from = (forwarded: string | null, connected: string | null, trusted: readonly string[] = [PROXY]) =>
  clientAddress(
    new Headers(forwarded === null ? {} : { "x-forwarded-for": forwarded }),
    connected,
    trustedProxies(trusted),
  );

test.each([
  ["nobody forwards", null, "192.0.2.1", "192.0.2.1"],
  ["a client says so itself", "198.51.100.9", "192.0.2.1", "192.0.2.1"],
  ["the proxy says so", "198.51.100.9", PROXY, "198.51.100.9"],
  ["the proxy speaks IPv6 to an IPv4 socket", "198.51.100.9", `::ffff:${PROXY}`, "198.51.100.9"],
  ["a client says more than the proxy", "127.0.0.1, 198.51.100.9", PROXY, "198.51.100.9"],
  ["the proxy says nothing", null, PROXY, PROXY],
  ["an address of many spellings", "2001:DB8::1", PROXY, "2001:db8::1"],
  ["an IPv4 address in IPv6", "::FFFF:198.51.100.9", PROXY, "198.51.100.9"],
  ["the proxy says the port too", "198.51.100.9:40123", PROXY, "198.51.100.9"],
  ["the proxy says the port of an IPv6 address too", "[2001:db8::1]:40123", PROXY, "2001:db8::1"],
  ["the proxy writes an IPv6 address in brackets", "[2001:db8::1]", PROXY, "2001:db8::1"],
  ["the proxy says the port of an IPv4 address in IPv6", "[::ffff:198.51.100.9]:1", PROXY, "198.51.100.9"],
  ["an IPv6 address ends like a port", "2001:db8::8080", PROXY, "2001:db8::8080"],
  ["a runtime that does not know", null, null, "unknown"],
])("where %s", (_, forwarded, connected, address) => {
  expect(from(forwarded, connected)).toBe(address);
});

test("several proxies are walked back as long as they are trusted", () => {
  const trusted = [PROXY, "10.0.0.2"];
  expect(from("203.0.113.7, 198.51.100.9, 10.0.0.2", PROXY, trusted)).toBe("198.51.100.9");
  expect(from("203.0.113.7, 198.51.100.9, 10.0.0.2", PROXY)).toBe("10.0.0.2");
  expect(from("10.0.0.2", PROXY, trusted)).toBe("10.0.0.2");
});

test("networks are trusted as a whole, and what is no address never", () => {
  const trusted = ["10.0.0.0/8", "fd00::/8"];
  expect(from("198.51.100.9", "10.200.3.4", trusted)).toBe("198.51.100.9");
  expect(from("198.51.100.9", "11.0.0.1", trusted)).toBe("11.0.0.1");
  expect(from("198.51.100.9", "fd12::7", trusted)).toBe("198.51.100.9");
  expect(from("198.51.100.9, unknown", "10.0.0.1", trusted)).toBe("unknown");
});

test("an IPv4 address is a group of its own", () => {
  expect(addressGroup("192.0.2.1")).toBe("192.0.2.1");
  expect(addressGroup("192.0.2.1")).not.toBe(addressGroup("192.0.2.2"));
});

test.each([
  ["2001:db8:1:2:3:4:5:6", "2001:db8:1:2:ffff::1", true],
  ["2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", true],
  ["2001:db8:1:2::1", "2001:db8:1:3::1", false],
  ["2001:db8::1", "2001:db8:0:0:7::", true],
  ["2001:db8::1", "2001:db8:0:1::1", false],
  ["::1", "::2", true],
  ["::1", "1::", false],
  ["fe80::1%eth0", "fe80::2", true],
])("%s and %s are one group: %p", (one, other, same) => {
  expect(addressGroup(one) === addressGroup(other)).toBe(same);
});
