/** How the values of variables are read: each gives what it reads, or throws Wrong with what it must be. */
import { isIP } from "node:net";

/** Completes the sentence "NAME must be …". */
export class Wrong extends Error {}

export const anyText = (text: string) => text;

export function whole(min: number, max: number) {
  return (text: string): number => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= min && value <= max)) throw new Wrong(`a whole number from ${min} to ${max}`);
    return value;
  };
}

/** Durations are configured in seconds and used in milliseconds, the unit of timers and of PostgreSQL's time-outs. */
export function milliseconds(minSeconds: number, maxSeconds: number) {
  return (text: string): number => {
    const seconds = /^\d{1,9}(\.\d{1,3})?$/.test(text) ? Number(text) : Number.NaN;
    if (!(seconds >= minSeconds && seconds <= maxSeconds)) {
      throw new Wrong(`a number of seconds from ${minSeconds} to ${maxSeconds}`);
    }
    return Math.round(seconds * 1000);
  };
}

export function oneOf<const T extends string>(values: readonly T[]) {
  return (text: string): T => {
    const value = values.find((candidate) => candidate === text.toLowerCase());
    if (value === undefined) throw new Wrong(`one of ${values.join(", ")}`);
    return value;
  };
}

export const ON = ["on", "true", "yes", "1"];
export const OFF = ["off", "false", "no", "0"];

export function onOff(text: string): boolean {
  const lower = text.toLowerCase();
  if (!ON.includes(lower) && !OFF.includes(lower)) throw new Wrong("on or off");
  return ON.includes(lower);
}

export function postgresUrl(text: string): string {
  if (!/^postgres(ql)?:\/\/\S+$/.test(text)) throw new Wrong("a URL that begins with postgres:// or postgresql://");
  return text;
}

export function httpUrl(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol))
    throw new Wrong("a URL that begins with http:// or https://");
  return text;
}

export function hostName(text: string): string {
  // An address to bind, so no port, path or scheme; colons only where they make an IPv6 address.
  if (!/^([A-Za-z0-9._-]+|[0-9A-Fa-f:.]*:[0-9A-Fa-f:.]*)$/.test(text)) throw new Wrong("a host name or an IP address");
  return text;
}

export function listOf(parse: (item: string) => string) {
  return (text: string): readonly string[] => {
    const items = text.split(",").map((item) => item.trim());
    return Object.freeze(items.filter((item) => item !== "").map(parse));
  };
}

export function hostValue(item: string): string {
  if (!/^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:\d{1,5})?$/.test(item)) {
    throw new Wrong("a comma list of host names, each with its port if it has one");
  }
  return item.toLowerCase();
}

export function originOr(expected: string) {
  return (text: string): string => {
    const url = URL.parse(text);
    if (!url || !/^https?:$/.test(url.protocol) || text.toLowerCase().replace(/\/$/, "") !== url.origin)
      throw new Wrong(expected);
    return url.origin;
  };
}

export const origin = originOr("a comma list of origins such as https://queue.example.com");

/** Visible ASCII, as a header can carry it. */
export function bearer(text: string): string {
  if (!/^[\x21-\x7e]{1,255}$/.test(text)) throw new Wrong("a key as apiKey.create gave it");
  return text;
}

export function adminKey(text: string): string {
  if (!/^[\x21-\x7e]{16,255}$/.test(text)) throw new Wrong("16 to 255 visible ASCII characters");
  return text;
}

export function authSecret(text: string): string {
  if (text.length < 32) throw new Wrong("32 characters or more");
  return text;
}

export const publicUrl = originOr("an origin such as https://queue.example.com");

/** An address, or a network as 10.0.0.0/8. */
export function network(item: string): string {
  const [address = "", bits, ...more] = item.split("/");
  const most = isIP(address) === 6 ? 128 : 32;
  const fits = bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= most);
  if (isIP(address) === 0 || !fits || more.length > 0) throw new Wrong("a comma list of IP addresses and networks");
  return item.toLowerCase();
}
