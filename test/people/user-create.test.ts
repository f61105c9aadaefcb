/** `opensqs user create`, by which the first person comes to be. */
import { describe, expect, test } from "bun:test";
import { fileURLToPath } from "node:url";
import type { NewPerson, TextInput } from "../../src/cli/deps.ts";
import { cli, type Given } from "../cli/support.ts";
import { testDatabase, withClient } from "../support/postgres.ts";
import { startInstance } from "../support/service.ts";
import { browser, PASSWORD } from "./support.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));
const database = testDatabase();

describe("the command", () => {
  const made: NewPerson[] = [];
  const create = (argv: readonly string[], given: Given) => {
    made.length = 0;
    const createUser = async (person: NewPerson) => {
      made.push(person);
      return "an-id";
    };
    return cli(["user", "create", ...argv], { createUser, ...given });
  };

  test("takes the password from the first line of standard input", async () => {
    const { code, out, err } = await create(["ada@example.com"], { input: ["correct hor", "se\r\nnot this\n"] });
    expect({ code, out, err }).toEqual({ code: 0, out: "an-id\n", err: "" });
    expect(made).toEqual([{ email: "ada@example.com", name: "ada", password: "correct horse" }]);
  });

  test("takes a name, and answers JSON", async () => {
    const argv = ["ada@example.com", "--name", "Ada L.", "--json"];
    const { out } = await create(argv, { input: [new TextEncoder().encode("pässword")] });
    expect(JSON.parse(out)).toEqual({ id: "an-id" });
    expect(made).toEqual([{ email: "ada@example.com", name: "Ada L.", password: "pässword" }]);
  });

  test.each<[what: string, argv: string[], input: (string | Uint8Array)[]]>([
    ["no password", ["ada@example.com"], []],
    ["an empty line", ["ada@example.com"], ["\n"]],
    ["a line without end", ["ada@example.com"], ["x".repeat(5_000)]],
    ["the password as an argument", ["ada@example.com", "correct horse"], []],
    ["no address", [], ["correct horse\n"]],
  ])("refuses %s", async (_, argv, input) => {
    const { code, out } = await create(argv, { input });
    expect({ code, out, made }).toEqual({ code: 2, out: "", made: [] });
  });

  test("refuses bytes that are no text", async () => {
    const { code } = await create(["ada@example.com"], { input: [new Uint8Array([0xff, 0x0a])] });
    expect({ code, made }).toEqual({ code: 1, made: [] });
  });

  test("on a terminal asks twice, shows nothing, and leaves it as it was", async () => {
    const terminal = fakeTerminal(["corr", "x\u007fect\r", "correct\r"]);
    const { code, out, err } = await create(["ada@example.com"], { stdin: terminal });
    expect({ code, out }).toEqual({ code: 0, out: "an-id\n" });
    expect(err).toBe("Password: \nThe same again: \n");
    expect(made[0]!.password).toBe("correct");
    expect(terminal.modes).toEqual([true, false]);
  });

  test.each([
    ["two that differ", ["correct\r", "korrect\r"], 2],
    ["Ctrl-C", ["corr\u0003"], 1],
  ] as const)("on a terminal, %s makes nobody", async (_, keys, code) => {
    const terminal = fakeTerminal(keys);
    expect((await create(["ada@example.com"], { stdin: terminal })).code).toBe(code);
    expect(made).toEqual([]);
    expect(terminal.modes).toEqual([true, false]);
  });
});

function fakeTerminal(keys: readonly string[]): TextInput & { modes: boolean[] } {
  const modes: boolean[] = [];
  return {
    isTTY: true,
    modes,
    setRawMode: (raw) => modes.push(raw),
    async *[Symbol.asyncIterator]() {
      yield* keys;
    },
  };
}

/** The program itself, on the test's database. */
async function opensqs(argv: readonly string[], input: string) {
  const child = Bun.spawn([process.execPath, MAIN, ...argv], {
    env: { ...process.env, DATABASE_URL: database.url },
    stdin: new Blob([input]),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  return { code, out, err };
}

test("makes somebody who can sign in where sign-up is closed, once", async () => {
  const { code, out, err } = await opensqs(["user", "create", "Root@Example.com", "--json"], `${PASSWORD}\n`);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const { id } = JSON.parse(out) as { id: string };
  const service = await startInstance(database.url, { AUTH: "on" });
  try {
    const page = browser(service.url);
    const { body } = await page.post("/sign-in/email", { email: "root@example.com", password: PASSWORD });
    expect(body.user).toMatchObject({ id, email: "root@example.com", name: "Root", emailVerified: false });
  } finally {
    await service.stop();
  }
  const again = await opensqs(["user", "create", "root@example.com"], "another password\n");
  expect(again).toEqual({ code: 1, out: "", err: "opensqs: root@example.com has an account already\n" });
  const accounts = await withClient(database.url, (client) => client.query("select from account"));
  expect(accounts.rowCount).toBe(1);
});

test("says what is wrong, and makes nobody", async () => {
  const { code, out, err } = await opensqs(["user", "create", "no address"], "short\n");
  expect({ code, out }).toEqual({ code: 1, out: "" });
  expect(err).toBe("opensqs: email is no e-mail address; password must have 8 characters or more\n");
  const { rowCount } = await withClient(database.url, (client) =>
    client.query(`select from "user" where email like 'no%'`),
  );
  expect(rowCount).toBe(0);
});
