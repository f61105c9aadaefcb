import { describe, expect, test } from "bun:test";
import { userInfo } from "node:os";
import { resolve } from "node:path";
import { parseDatabaseUrl, SSL_MODES, withDatabase } from "../../src/db/url.ts";

const plain = {
  host: "db.example.com",
  port: 5432,
  user: "u",
  password: "p",
  database: "d",
  sslMode: "require",
  sslRootCert: null,
  sslCert: null,
  sslKey: null,
  applicationName: null,
  options: null,
  connectTimeoutSeconds: null,
};

/** The message that a URL is refused with; fails if it is not. */
function refusal(url: string): string {
  try {
    parseDatabaseUrl(url);
  } catch (error) {
    expect(error).toHaveProperty("name", "DatabaseUrlError");
    return (error as Error).message;
  }
  throw new Error("The URL was taken.");
}

describe("the parts of a URL", () => {
  test("both schemes, and the default port", () => {
    expect(parseDatabaseUrl("postgres://u:p@db.example.com/d")).toEqual(plain as never);
    expect(parseDatabaseUrl("postgresql://u:p@db.example.com:5432/d")).toEqual(plain as never);
  });

  test("a URL as Neon hands it out", () => {
    const url = "postgresql://u:p@ep-x-pooler.eu.aws.neon.tech/neondb?sslmode=require&channel_binding=require";
    const host = "ep-x-pooler.eu.aws.neon.tech";
    expect(parseDatabaseUrl(url)).toEqual({ ...plain, host, database: "neondb" } as never);
  });

  test.each([
    ["postgres://us%20er:p%40%2F%3F%23%25%3A@h/d%2Fb", { user: "us er", password: "p@/?#%:", database: "d/b" }],
    ["postgres://u:a@b#c:d@h/d", { user: "u", password: "a@b#c:d", host: "h" }],
    ["postgres://u:@h/d", { password: "" }],
    ["postgres://u@h/d", { password: null }],
    ["postgres://u@h", { database: "u" }],
    ["postgres://u@/d", { host: "localhost" }],
    ["postgres:///d", { host: "localhost", user: userInfo().username, database: "d" }],
    ["postgres://u@[2001:db8::1]:6000/d", { host: "2001:db8::1", port: 6000 }],
    ["postgres://u@[::1]/d", { host: "::1", port: 5432, sslMode: "disable" }],
    ["postgres://u:p@/d?host=/var/run/pg&port=6000", { host: "/var/run/pg", port: 6000, sslMode: "disable" }],
    ["postgres://u:p@%2Fvar%2Frun%2Fpg:6000/d", { host: "/var/run/pg", port: 6000 }],
    ["postgres:///?host=h&user=a&password=b%26&dbname=c", { host: "h", user: "a", password: "b&", database: "c" }],
    [
      "postgres://u@h/d?application_name=my%20app&connect_timeout=3",
      { applicationName: "my app", connectTimeoutSeconds: 3 },
    ],
    ["postgres://u@h/d?options=-c%20search_path%3Da%2Cb", { options: "-c search_path=a,b" }],
    ["postgres://u@h/d?pgbouncer=true&target_session_attrs=read-write", { sslMode: "require" }],
    ["postgres://u@h/d?", { database: "d" }],
  ])("%s", (url, parts) => {
    expect(parseDatabaseUrl(url)).toMatchObject(parts as never);
  });
});

describe("sslmode", () => {
  test("each mode of libpq is taken", () => {
    for (const mode of SSL_MODES) expect(parseDatabaseUrl(`postgres://u@h/d?sslmode=${mode}`).sslMode).toBe(mode);
  });

  test.each([
    ["localhost", "disable"],
    ["app.localhost", "require"],
    ["127.1", "require"],
    ["127.0.0.1.nip.io", "require"],
    ["127.999.0.1", "require"],
    ["::ffff:127.0.0.1", "disable"],
    ["127.0.0.1", "disable"],
    ["127.1.2.3", "disable"],
    ["10.0.0.1", "require"],
    ["db", "require"],
    ["localhost.example.com", "require"],
    ["127.0.0.1.example.com", "require"],
  ])("without one, %s gets %s", (host, mode) => {
    const place = host.includes(":") ? `[${host}]` : host;
    expect(parseDatabaseUrl(`postgres://u@${place}/d`).sslMode).toBe(mode as never);
  });

  test("a Unix socket never has TLS, whatever is asked for", () => {
    expect(parseDatabaseUrl("postgres://u@/d?host=/tmp&sslmode=verify-full").sslMode).toBe("disable");
  });

  test("ssl=true means require, and sslrootcert=system means verify-full", () => {
    expect(parseDatabaseUrl("postgres://u@localhost/d?ssl=true").sslMode).toBe("require");
    expect(parseDatabaseUrl("postgres://u@h/d?sslrootcert=system").sslMode).toBe("verify-full");
    expect(refusal("postgres://u@h/d?sslrootcert=system&sslmode=require")).toContain("sslrootcert=system");
  });

  test("certificate paths become absolute, since dbmate runs elsewhere", () => {
    const url = "postgres://u@h/d?sslrootcert=ca.pem&sslcert=c.pem&sslkey=k.pem";
    expect(parseDatabaseUrl(url)).toMatchObject({
      sslRootCert: resolve("ca.pem"),
      sslCert: resolve("c.pem"),
      sslKey: resolve("k.pem"),
    });
  });
});

describe("what is refused", () => {
  test.each([
    ["mysql://u:s3cret@h/d", "postgres://"],
    ["s3cret", "postgres://"],
    ["postgres://u:s3cret@h/d?sslmode=prefered", "sslmode must be one of"],
    ["postgres://u:s3cret@h/d?ssl_mode=require", '"ssl_mode"'],
    ["postgres://u:s3cret@h/d?search_path=x", '"search_path"'],
    ["postgres://u:s3cret@h:port/d", "port"],
    ["postgres://u:s3cret@h:0/d", "port"],
    ["postgres://u:s3cret@h:65536/d", "port"],
    ["postgres://u:s3cret@h1:1,h2:2/d", "one host"],
    ["postgres://u:s3cret@h/d?host=a,b", "one host"],
    ["postgres://u:s3cret@a b/d", "host"],
    ["postgres://u:s3cret%zz@h/d", "password has a %"],
    ["postgres://u:s3cret%00@h/d", "password has a zero byte"],
    ["postgres://u:s3cret@h/d%zz", "database has a %"],
    ["postgres://u:s3cret@h/d?connect_timeout=soon", "connect_timeout"],
    ["postgres://u:s3cret@h/d?sslcert=c.pem", "sslkey"],
    // Characters in the password that end the part of the URL in which it stands.
    ["postgres://u:12/s3cret@h/d", "%2F"],
    ["postgres://u:s3cret?x=y@h/d", "%3F"],
    ["postgres://u:a/s3cret", "port"],
  ])("%s", (url, part) => {
    expect(refusal(url)).toContain(part);
    expect(refusal(url)).not.toContain("s3cret");
  });
});

describe("withDatabase", () => {
  test.each([
    ["postgres://u:p%40@h:1/d?sslmode=require", "postgresql://u:p%40@h:1/x%2Fy?sslmode=require"],
    ["postgres://u@[::1]:1/d", "postgresql://u@[::1]:1/x%2Fy"],
    ["postgres://h", "postgresql://h/x%2Fy"],
    ["postgres:///?host=/tmp&dbname=d&user=u", "postgresql:///x%2Fy?host=/tmp&user=u"],
  ])("%s", (url, expected) => {
    expect(withDatabase(url, "x/y")).toBe(expected);
    expect(parseDatabaseUrl(withDatabase(url, "x/y"))).toEqual({ ...parseDatabaseUrl(url), database: "x/y" });
  });
});
