/** The program from outside, where it ends before it has begun. */
import { expect, test } from "bun:test";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../src/main.ts", import.meta.url));

test("what is wrong with the environment is told in lines of its own, whatever is in it", async () => {
  const child = Bun.spawn([process.execPath, MAIN, "serve"], {
    env: { PATH: process.env.PATH, PORT: "\u001b[31m80\u009b2J\r\u202e", POOL_SIZE: "0" },
    stdout: "ignore",
    stderr: "pipe",
  });
  const text = await new Response(child.stderr).text();
  expect(await child.exited).toBe(1);
  const lines = text.trimEnd().split("\n");
  expect(lines).toHaveLength(3);
  expect(lines[0]).toBe("opensqs: The configuration is wrong:");
  expect(lines[1]).toContain("PORT must be");
  expect(lines.join("")).toMatch(/^[ -~]*$/);
});
