import { expect, test } from "bun:test";
import { progressBar } from "../../src/cli/progress-bar.ts";

function output(isTTY: boolean) {
  const written: string[] = [];
  return { written, isTTY, columns: 60, write: (text: string) => void written.push(text) };
}

test("elsewhere than on a terminal there are plain lines, few of them, and the last state is among them", () => {
  const log = output(false);
  const bar = progressBar(log, "done", 200);
  for (let done = 0; done <= 200; done++) bar.update(done, "note");
  bar.end();
  expect(log.written).toEqual(["done   0 %  0/200  note\n", "done 100 %  200/200  note\n"]);
});

test("on a terminal one line is drawn over and over, never wider than the terminal", () => {
  const terminal = output(true);
  const bar = progressBar(terminal, "done", 4);
  bar.update(1, "x".repeat(100));
  bar.update(4);
  bar.end();
  expect(terminal.written[0]).toStartWith("\rdone ██████░░");
  expect(terminal.written.at(-2)).toContain("100 %  4/4");
  expect(terminal.written.at(-1)).toBe("\n");
  for (const line of terminal.written)
    expect([...line.replace("\r", "").replace("\u001b[K", "")].length).toBeLessThan(60);
});

test("without a known end it counts", () => {
  const log = output(false);
  const bar = progressBar(log, "enqueued", null);
  bar.update(500);
  bar.end();
  expect(log.written).toEqual(["enqueued 500\n"]);
});
