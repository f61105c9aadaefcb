import { afterAll, afterEach, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { appear, disappear, inTurn, isPresent, isRunning, ownName, presentIn } from "../../src/db/embedded/presence.ts";
import { until } from "../support/until.ts";

setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "opensqs-presence-"));
const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Runs a script that imports what is tested as `presence`, in a process of its own. */
function inProcess(script: string, ...args: string[]) {
  const source = `${import.meta.dir}/../../src/db/embedded/presence.ts`;
  const text = `import * as presence from ${JSON.stringify(source)}; import * as fs from "node:fs"; ${script}`;
  const child = spawn(process.execPath, ["-e", text, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return { child, ended };
}

describe("presence", () => {
  test("the own name is present, and the names of others are not", async () => {
    const [pid, started, chance] = ownName().split("-");
    expect(pid).toBe(String(process.pid));
    expect(isPresent(ownName())).toBe(true);
    expect(isPresent(`4194303-${started}-${chance}`)).toBe(false);
    expect(isPresent("nonsense")).toBe(false);
    expect(isPresent("")).toBe(false);
  });

  test.skipIf(!existsSync("/proc/self/stat"))(
    "a process id that was used again is told by the time of its start",
    () => {
      expect(isPresent(`${process.pid}-1-abcd`)).toBe(false);
    },
  );

  test("a process that has ended is not running, even while its parent has not looked", async () => {
    // The shell's child ends and the shell, replaced by sleep, never collects it.
    const shell = spawn("/bin/sh", ["-c", "true & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
    children.push(shell);
    let output = "";
    shell.stdout.on("data", (text) => {
      output += text;
    });
    const pid = Number(await until("the shell says its child's id", () => output.includes("\n") && output.trim()));
    await until("the child is over", () => !isRunning(pid));
  });

  test("what crashed processes left behind is cleared away", async () => {
    const folder = join(root, "users");
    const own = ownName();
    await appear(folder, own);
    writeFileSync(join(folder, "4194303-1-dead"), "");
    expect(await presentIn(folder)).toEqual([own]);
    expect(readdirSync(folder)).toEqual([own]);
    await disappear(folder, own);
    expect(await presentIn(folder)).toEqual([]);
  });
});

describe("turns", () => {
  test("no two at once, in one process or in several", async () => {
    const folder = join(root, "counting");
    const counter = join(root, "counter");
    writeFileSync(counter, "0");
    // Read, wait, write: any overlap loses a count.
    const script = `
      const [folder, counter] = process.argv.slice(-2);
      const count = () => presence.inTurn(folder, async () => {
        const value = Number(fs.readFileSync(counter, "utf8"));
        await new Promise((resolve) => setTimeout(resolve, 1));
        fs.writeFileSync(counter, String(value + 1));
      });
      for (let round = 0; round < 5; round += 1) await Promise.all([count(), count()]);`;
    const ended = await Promise.all([1, 2, 3].map(() => inProcess(script, folder, counter).ended));
    expect(ended).toEqual([0, 0, 0]);
    expect(readFileSync(counter, "utf8")).toBe("30");
    expect(readdirSync(join(folder, "tickets"))).toEqual([]);
    expect(readdirSync(join(folder, "drawing"))).toEqual([]);
  });

  test("who dies in its turn holds nobody up", async () => {
    const folder = join(root, "dying");
    const script = `
      await presence.inTurn(process.argv.at(-1), async () => {
        console.log("in");
        await new Promise((resolve) => setTimeout(resolve, 600_000));
      });`;
    const { child, ended } = inProcess(script, folder);
    await new Promise((resolve) => child.stdout.once("data", resolve));
    let served = false;
    const next = inTurn(folder, async () => {
      served = true;
    });
    await until("the next one waits", () => readdirSync(join(folder, "tickets")).length === 2);
    expect(served).toBe(false);
    child.kill("SIGKILL");
    await Promise.all([ended, next]);
    expect(served).toBe(true);
  });

  test("a failure ends the turn and is passed on", async () => {
    const folder = join(root, "failing");
    await expect(inTurn(folder, () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await inTurn(folder, async () => 42)).toBe(42);
  });
});
