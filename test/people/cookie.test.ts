import { expect, test } from "bun:test";
import { sessionCookie } from "../../src/people/cookie.ts";

const TOKEN = `${"aB3".repeat(10)}.${"x+/".repeat(14)}Y=`;
const GOOD = `s=${encodeURIComponent(TOKEN)}`;

test.each([
  ["alone", GOOD],
  ["among others", `a=b; ${GOOD}; c=${"d".repeat(9_000)}`],
  ["without blanks, or with many", `a=b;  s =  ${encodeURIComponent(TOKEN)} ;c`],
  ["spelled another way", `s=${TOKEN}`],
  ["with more of it escaped than need be", `s=%61${encodeURIComponent(TOKEN).slice(1)}`],
  ["before another one of its name", `${GOOD}; s=other`],
])("a session's cookie %s is the same one", (_, cookies) => {
  expect(sessionCookie(cookies, "s")).toBe(GOOD);
});

test.each([
  ["nothing", ""],
  ["other cookies", "a=b; ss=c; S=d"],
  ["another one of its name before it", `s=other; ${GOOD}`],
  ["a token without a signature", "s=abc"],
  ["a signature cut short", GOOD.slice(0, -6)],
  ["what is no text", "s=%ff%fe"],
  ["a line feed in it", `s=%0a${encodeURIComponent(TOKEN)}`],
  ["a second cookie inside of it", `s=${encodeURIComponent(`${TOKEN}; a=b`)}`],
])("%s is no session's cookie", (_, cookies) => {
  expect(sessionCookie(cookies, "s")).toBeNull();
});
