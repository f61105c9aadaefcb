import { parseDatabaseUrl } from "../../src/db/url.ts";
import { createLogger } from "../../src/lib/log.ts";
import { createPeople, type People, type PeopleOptions } from "../../src/people/people.ts";

/** A person's browser, as far as signing in goes: it keeps cookies and says where its page is from. */
export interface Browser {
  readonly cookies: Map<string, string>;
  get(path: string): Promise<Answered>;
  post(path: string, body?: unknown, headers?: Record<string, string>): Promise<Answered>;
}

export interface Answered {
  readonly status: number;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers of many shapes
  readonly body: any;
  readonly headers: Headers;
  readonly setCookies: readonly string[];
}

export const PASSWORD = "correct horse battery";

export function browser(url: string): Browser {
  const cookies = new Map<string, string>();
  const call = async (path: string, init: RequestInit): Promise<Answered> => {
    const headers = new Headers(init.headers);
    if (cookies.size > 0) headers.set("cookie", [...cookies].map(([name, value]) => `${name}=${value}`).join("; "));
    if (!headers.has("origin")) headers.set("origin", url);
    const response = await fetch(`${url}/api/auth${path}`, { ...init, headers });
    const setCookies = response.headers.getSetCookie();
    for (const cookie of setCookies) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(cookie)!;
      if (value === "" || /max-age=0/i.test(cookie)) cookies.delete(name!);
      else cookies.set(name!, value!);
    }
    return { status: response.status, body: await response.json(), headers: response.headers, setCookies };
  };
  return {
    cookies,
    get: (path) => call(path, {}),
    post: (path, body = {}, headers = {}) =>
      call(path, {
        method: "POST",
        headers: { "content-type": "application/json", ...headers },
        body: typeof body === "string" || body instanceof Blob ? body : JSON.stringify(body),
      }),
  };
}

/** A browser in which somebody new has signed in, where sign-up is open. */
export async function signedIn(url: string, email = `${crypto.randomUUID()}@example.com`) {
  const page = browser(url);
  await page.post("/sign-up/email", { name: "Ada", email, password: PASSWORD });
  const { status, body } = await page.post("/sign-in/email", { email, password: PASSWORD });
  if (status !== 200) throw new Error(`Could not sign in: ${status} ${JSON.stringify(body)}`);
  return { page, email, userId: body.user.id as string, token: body.token as string };
}

/** An attempt that is refused before a password is looked at, or after. */
export const wrong = { email: "nobody@example.com", password: "not the password" };

/** People without a service around them; whoever asks closes them. */
export function peopleOf(databaseUrl: string, options: Partial<PeopleOptions> = {}, port?: number): People {
  const target = parseDatabaseUrl(databaseUrl);
  return createPeople({
    target: port === undefined ? target : { ...target, host: "127.0.0.1", port },
    connections: 3,
    connectTimeoutMs: 10_000,
    statementTimeoutMs: 10_000,
    idleTimeoutMs: 10_000,
    secret: "a secret of the tests, long enough",
    signUp: "open",
    publicUrl: null,
    attemptsPerMinute: 1_000,
    log: createLogger({ level: "error" }),
    ...options,
  });
}
