import { expect, test } from "bun:test";
import { CONFIG_VARIABLES, ConfigError, type Environment, readConfig } from "../src/config.ts";

function problems(env: Environment): readonly string[] {
  try {
    readConfig(env);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems;
  }
}

test("an empty environment gives the documented defaults, frozen", () => {
  const config = readConfig({});
  expect(config).toEqual({
    port: 8080,
    host: "127.0.0.1",
    databaseUrl: null,
    listenDatabaseUrl: null,
    dataDir: "./.opensqs",
    poolSize: 10,
    connectTimeoutMs: 10_000,
    acquireTimeoutMs: 10_000,
    statementTimeoutMs: 30_000,
    idleTimeoutMs: 60_000,
    migrateOnStart: true,
    allowUnsafeDatabase: false,
    autoCreateQueues: true,
    longPollMax: 10_000,
    socketsMax: 1000,
    socketCallsMax: 2000,
    socketBytesMax: 33_554_432,
    callsMax: 20_000,
    connectionsMax: 10_000,
    keepAliveSeconds: 15,
    bodyBytesMax: 4_194_304,
    bodyTimeoutMs: 30_000,
    bodiesBytesMax: 268_435_456,
    answersBytesMax: 536_870_912,
    nestingMax: 64,
    batchMax: 100,
    batchCostMax: 10_000,
    valuesMax: 250_000,
    parametersMax: 100,
    resultBytesMax: 4_194_304,
    errorDataBytesMax: 65_536,
    answerBytesMax: 67_108_864,
    auth: false,
    allowInsecure: false,
    adminKey: null,
    authSecret: null,
    signUp: "closed",
    signInLimit: 10,
    publicUrl: null,
    ratePerKey: 10_000,
    ratePerAddress: 20_000,
    wrongPerAddress: 100,
    socketsPerKey: 500,
    longPollsPerKey: 1000,
    trustedProxies: [],
    allowedHosts: [],
    allowedOrigins: [],
    rowChecks: false,
    shutdownSeconds: 10,
    key: null,
    url: null,
    logLevel: "info",
  });
  expect(Object.isFrozen(config)).toBe(true);
  expect(Object.isFrozen(config.allowedHosts)).toBe(true);
});

test("an empty or blank variable counts as absent, as compose files pass it", () => {
  expect(readConfig({ PORT: "", DATABASE_URL: " ", LOG_LEVEL: "" })).toEqual(readConfig({}));
});

test("reads each variable into its unit", () => {
  const env = {
    PORT: "0",
    HOST: "::",
    DATABASE_URL: "postgres://u:p@db/x",
    LISTEN_DATABASE_URL: "postgresql://u:p@db:5433/x",
    CONNECT_TIMEOUT_SECONDS: "2.5",
    AUTO_CREATE_QUEUES: "NO",
    ALLOW_UNSAFE_DATABASE: "yes",
    MAX_WAITING_CLAIMS: "7",
    ALLOWED_HOSTS: "Queue.example.com, queue:8080,,[::1]:80",
    ALLOWED_ORIGINS: "https://queue.example.com/,http://localhost:3000",
    LOG_LEVEL: "Warn",
  };
  expect(readConfig(env)).toMatchObject({
    port: 0,
    host: "::",
    databaseUrl: env.DATABASE_URL,
    listenDatabaseUrl: env.LISTEN_DATABASE_URL,
    connectTimeoutMs: 2500,
    autoCreateQueues: false,
    allowUnsafeDatabase: true,
    longPollMax: 7,
    allowedHosts: ["queue.example.com", "queue:8080", "[::1]:80"],
    allowedOrigins: ["https://queue.example.com", "http://localhost:3000"],
    logLevel: "warn",
  });
});

test("row checks are off in production unless asked for", () => {
  expect(readConfig({ NODE_ENV: "production" }).rowChecks).toBe(false);
  expect(readConfig({ NODE_ENV: "test" }).rowChecks).toBe(true);
  expect(readConfig({ NODE_ENV: "production", ROW_CHECKS: "on" }).rowChecks).toBe(true);
  expect(readConfig({ NODE_ENV: "test", ROW_CHECKS: "off" }).rowChecks).toBe(false);
});

test("every wrong variable is named at once, in plain words", () => {
  expect(problems({ PORT: "80a", POOL_SIZE: "0", LOG_LEVEL: "loud", MIGRATE_ON_START: "maybe" })).toEqual([
    'PORT must be a whole number from 0 to 65535, not "80a".',
    'LOG_LEVEL must be one of debug, info, warn, error, not "loud".',
    'POOL_SIZE must be a whole number from 1 to 1000, not "0".',
    'MIGRATE_ON_START must be on or off, not "maybe".',
  ]);
});

test.each([
  ["PORT", "65536"],
  ["PORT", "-1"],
  ["PORT", "1e3"],
  ["HOST", "http://0.0.0.0"],
  ["HOST", "localhost:80"],
  ["CONNECT_TIMEOUT_SECONDS", "0"],
  ["CONNECT_TIMEOUT_SECONDS", "NaN"],
  ["STATEMENT_TIMEOUT_SECONDS", "30s"],
  ["SOCKETS_MAX", "many"],
  ["SOCKET_CALLS_MAX", "99"],
  ["SOCKET_BYTES_MAX", "65535"],
  ["CALLS_MAX", "99"],
  ["CONNECTIONS_MAX", "9"],
  ["KEEP_ALIVE_SECONDS", "3"],
  ["KEEP_ALIVE_SECONDS", "241"],
  ["BODY_BYTES_MAX", "65535"],
  ["BODY_BYTES_MAX", "67108865"],
  ["BODY_TIMEOUT_SECONDS", "0"],
  ["BODY_TIMEOUT_SECONDS", "121"],
  ["BODIES_BYTES_MAX", "4 MiB"],
  ["ANSWERS_BYTES_MAX", "2097151"],
  ["ALLOWED_HOSTS", "a b"],
  ["ALLOWED_HOSTS", "https://a"],
  ["ALLOWED_ORIGINS", "queue.example.com"],
  ["ALLOWED_ORIGINS", "https://a/path"],
  ["ALLOWED_ORIGINS", "*"],
  ["ADMIN_KEY", "fifteen-letters"],
  ["AUTH_SECRET", "31 characters are one too few ."],
  ["SIGN_UP", "yes"],
  ["SIGN_IN_LIMIT", "0"],
  ["PUBLIC_URL", "https://queue.example.com/path"],
  ["TRUSTED_PROXIES", "proxy"],
  ["TRUSTED_PROXIES", "10.0.0.0/33"],
  ["TRUSTED_PROXIES", "10.0.0.0/8/8"],
  ["OPENSQS_KEY", "a b"],
])("%s=%s is refused", (name, value) => {
  expect(problems({ [name]: value })).toHaveLength(1);
  expect(problems({ [name]: value })[0]).toStartWith(`${name} must be `);
});

test("a database URL is never shown, whatever is wrong with it", () => {
  const found = problems({ DATABASE_URL: "mysql://u:s3cret@db/x", LISTEN_DATABASE_URL: "s3cret" });
  expect(found).toHaveLength(2);
  expect(found.join()).not.toContain("s3cret");
});

test("credentials are never shown", () => {
  const found = problems({ ADMIN_KEY: "s3cret", AUTH_SECRET: "s3cret", OPENSQS_KEY: "s3 cret" });
  expect(found).toHaveLength(3);
  expect(found.join()).not.toContain("s3");
});

test.each([
  ["127.0.0.1", false],
  ["127.8.9.10", false],
  ["::1", false],
  ["LocalHost", false],
  [" ", false],
  ["", false],
  ["0:0:0:0:0:0:0:1", false],
  ["::ffff:127.0.0.1", false],
  ["::FFFF:7f00:0001", false],
  // Loopback to some programs and not to others, or to the system's own files and DNS.
  ["localhost.", true],
  ["app.localhost", true],
  ["127.1", true],
  ["0", true],
  ["127.999.0.1", true],
  ["::ffff:10.0.0.1", true],
  ["::ffff:128.0.0.1", true],
  ["::127.0.0.1", true],
  ["0.0.0.0", true],
  ["::", true],
  ["10.0.0.1", true],
  ["queue.example.com", true],
  ["127.0.0.1.example.com", true],
])("HOST=%s: who calls needs a credential: %p", (HOST, auth) => {
  expect(readConfig({ HOST }).auth).toBe(auth);
  expect(readConfig({ HOST, AUTH: "on" }).auth).toBe(true);
  // Beyond loopback, doing without must be said twice.
  expect(problems({ HOST, AUTH: "off" })).toHaveLength(auth ? 1 : 0);
  expect(readConfig({ HOST, AUTH: "off", ALLOW_INSECURE: "yes" }).auth).toBe(false);
});

test("calls may be as many as claims that wait, and 10,000 more", () => {
  expect(readConfig({ MAX_WAITING_CLAIMS: "50000" }).callsMax).toBe(60_000);
  expect(readConfig({ MAX_WAITING_CLAIMS: "50000", CALLS_MAX: "100" }).callsMax).toBe(100);
  expect(problems({ MAX_WAITING_CLAIMS: "many" })).toHaveLength(1);
});

test("what may be under way holds at least one body", () => {
  expect(problems({ BODY_BYTES_MAX: "70000", SOCKET_BYTES_MAX: "70000", BODIES_BYTES_MAX: "70000" })).toEqual([]);
  expect(problems({ BODY_BYTES_MAX: "70000", SOCKET_BYTES_MAX: "69999", BODIES_BYTES_MAX: "69999" })).toEqual([
    "SOCKET_BYTES_MAX must not be below BODY_BYTES_MAX.",
    "BODIES_BYTES_MAX must not be below BODY_BYTES_MAX.",
  ]);
});

test.each([
  ["PUBLIC_URL", "https://queue.example.com"],
  ["TRUSTED_PROXIES", "127.0.0.1"],
])("%s says that others come by a proxy, so loopback alone lets nobody in", (name, value) => {
  expect(readConfig({ [name]: value }).auth).toBe(true);
  expect(readConfig({ [name]: " " }).auth).toBe(false);
  expect(problems({ [name]: value, AUTH: "off" })).toEqual([
    `AUTH=off with ${name} lets everybody who reaches the service do everything: set AUTH=on, or ALLOW_INSECURE=yes.`,
  ]);
  expect(readConfig({ [name]: value, AUTH: "off", ALLOW_INSECURE: "yes" }).auth).toBe(false);
});

test("listening without credentials beyond loopback says what, why, and what to set", () => {
  expect(problems({ HOST: "0.0.0.0", AUTH: "off" })).toEqual([
    "AUTH=off with HOST=0.0.0.0 lets everybody who reaches the service do everything: set AUTH=on, or ALLOW_INSECURE=yes.",
  ]);
});

test("the password of a URL is not shown either", () => {
  const found = problems({
    OPENSQS_URL: "ftp://u:s3cret@h/",
    PUBLIC_URL: "https://u:s3cret@h",
    ALLOWED_ORIGINS: "x://u:s3cret@h",
  });
  expect(found).toHaveLength(3);
  expect(found.join()).not.toContain("s3cret");
});

test("LISTEN_DATABASE_URL alone is refused", () => {
  expect(problems({ LISTEN_DATABASE_URL: "postgres://u@h/d" })).toEqual([
    "LISTEN_DATABASE_URL needs DATABASE_URL beside it.",
  ]);
});

test("the table documents every variable once, in whole sentences", () => {
  expect(new Set(CONFIG_VARIABLES.map((entry) => entry.name)).size).toBe(Object.keys(readConfig({})).length);
  for (const { name, meaning } of CONFIG_VARIABLES) {
    expect(name).toMatch(/^[A-Z][A-Z_]+$/);
    expect(meaning).toMatch(/^[A-Z].*\.$/);
  }
});
