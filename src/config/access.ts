import { isLoopback } from "../lib/loopback.ts";
import { adminKey, authSecret, hostValue, listOf, network, oneOf, onOff, origin, publicUrl, whole } from "./values.ts";
import { type Environment, optional, variable } from "./variable.ts";

/** What says that others come by a proxy: then loopback is where the proxy is, and not who calls. */
const PROXY_VARIABLES = ["PUBLIC_URL", "TRUSTED_PROXIES"] as const;
export const proxyVariable = (env: Environment) => PROXY_VARIABLES.find((name) => (env[name]?.trim() ?? "") !== "");

const authFallback = (env: Environment) =>
  isLoopback(env.HOST?.trim() || "127.0.0.1") && proxyVariable(env) === undefined ? "off" : "on";

/** Who may call, from where, and how often. */
export const ACCESS = {
  auth: variable("AUTH", authFallback, onOff, "Demand a credential on every call.", {
    fallbackText:
      "off where HOST is a loopback address and neither PUBLIC_URL nor TRUSTED_PROXIES names a proxy, else on",
  }),
  allowInsecure: variable(
    "ALLOW_INSECURE",
    "no",
    onOff,
    "Let AUTH=off stand beyond loopback, or behind a proxy: whoever reaches the service may do everything.",
  ),
  adminKey: optional(
    "ADMIN_KEY",
    adminKey,
    "A key that may do everything, for the first steps: 16 characters or more. It works while it stands here.",
    { secret: true },
  ),
  authSecret: optional("AUTH_SECRET", authSecret, "Signs the session cookies of people; the same on all replicas.", {
    secret: true,
    fallbackText: "made at the first start and kept in the database",
  }),
  signUp: variable("SIGN_UP", "closed", oneOf(["open", "closed"]), "Whether people may make accounts by themselves."),
  signInLimit: variable(
    "SIGN_IN_LIMIT",
    "10",
    whole(1, 1_000_000),
    "Most attempts to sign in that one address may make in a minute; the same to sign up, and to change a password.",
  ),
  publicUrl: optional(
    "PUBLIC_URL",
    publicUrl,
    "Where browsers reach the service, such as https://queue.example.com: its host and origin are ours, and with https cookies are sent over TLS only.",
  ),
  ratePerKey: variable(
    "RATE_PER_KEY",
    "10000",
    whole(0, 1_000_000_000),
    "Calls a second of one key or person, twice as many in a moment; 0: any number.",
  ),
  ratePerAddress: variable(
    "RATE_PER_ADDRESS",
    "20000",
    whole(0, 1_000_000_000),
    "Calls a second from one address (of IPv6: its first 64 bits), twice as many in a moment; 0: any number.",
  ),
  wrongPerAddress: variable(
    "WRONG_KEYS_PER_ADDRESS",
    "100",
    whole(1, 1_000_000),
    "Credentials that open nothing, a second from one address, ten times as many in a moment.",
  ),
  socketsPerKey: variable(
    "SOCKETS_PER_KEY",
    "500",
    whole(1, 1_000_000),
    "Most WebSocket connections of one key or person; where SOCKETS_MAX is less, that counts.",
  ),
  longPollsPerKey: variable(
    "LONG_POLLS_PER_KEY",
    "1000",
    whole(1, 1_000_000),
    "Most calls of one key or person that may wait for something at once.",
  ),
  trustedProxies: variable(
    "TRUSTED_PROXIES",
    "",
    listOf(network),
    "Comma list of the proxies in front, by address or network (10.0.0.0/8), whose X-Forwarded-For is believed.",
  ),
  allowedHosts: variable(
    "ALLOWED_HOSTS",
    "",
    listOf(hostValue),
    "Comma list of further Host values to answer, for a service behind a proxy or under a compose name.",
  ),
  allowedOrigins: variable(
    "ALLOWED_ORIGINS",
    "",
    listOf(origin),
    "Comma list of further origins whose pages may call the service.",
  ),
} as const;
