import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { EmbeddedError, errorCode } from "./error.ts";

/** How long a turn may be waited for: the longest a healthy holder needs is PostgreSQL's recovery after a crash. */
const TURN_TIMEOUT_MS = 600_000;
const TURN_POLL_MS = 25;

/**
 * A name that tells of the process that made it: "<pid>-<when it started>-<random>". The time is there because process ids
 * are used again, most of all in containers; it is 0 where the system does not tell it.
 */
export function ownName(): string {
  return `${process.pid}-${startOf(process.pid) ?? 0}-${randomBytes(4).toString("hex")}`;
}

/** Whether the process that a name of ownName() tells of still runs. */
export function isPresent(name: string): boolean {
  const [pid, started] = name.split("-").map(Number);
  if (!pid || started === undefined || Number.isNaN(started)) return false;
  return isRunning(pid) && (started === 0 || startOf(pid) === started);
}

export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    // EPERM: it runs, and belongs to somebody else.
    if (errorCode(error) !== "EPERM") return false;
  }
  // A zombie has ended, and in a container whose first process collects nobody it stays for ever.
  return statOf(pid)?.[0] !== "Z";
}

/** Clock ticks from the system's start to the process's; null where there is no /proc, or no such process. */
function startOf(pid: number): number | null {
  const started = statOf(pid)?.[19];
  return started === undefined ? null : Number(started);
}

/** The fields of /proc/<pid>/stat after the program's name, which stands in brackets and may hold anything. */
function statOf(pid: number): string[] | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  } catch {
    return null;
  }
}

/** Puts a file under `name` into the folder, to be seen by presentIn(). */
export async function appear(folder: string, name: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await writeFile(join(folder, name), "", { mode: 0o600 });
}

export async function disappear(folder: string, name: string): Promise<void> {
  await rm(join(folder, name), { force: true });
}

/** The names in a folder whose processes run. Files that crashed processes left behind are removed. */
export async function presentIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const present = names.filter(isPresent);
  await Promise.all(names.filter((name) => !isPresent(name)).map((name) => disappear(folder, name)));
  return present;
}

/**
 * Runs `work` while no other caller, in this process or another, runs under the same folder.
 *
 * Neither Bun nor Deno offers a file lock that the system drops when its holder dies, and a lock file cannot be taken over
 * from a dead holder without a moment in which two believe they have it. So the turns go as at a baker's (Lamport): who
 * comes draws a number above all others, and the lowest number whose process runs is served. Nobody ever removes the
 * ticket of a process that runs, so a crash leaves nothing to break open.
 */
export async function inTurn<T>(folder: string, work: () => Promise<T>): Promise<T> {
  const [drawing, tickets] = [join(folder, "drawing"), join(folder, "tickets")];
  const name = ownName();
  let ticket = name;
  try {
    await appear(drawing, name);
    const taken = await readdir(tickets).catch(() => []);
    ticket = `${name}-${Math.max(0, ...taken.map(numberOf)) + 1}`;
    await appear(tickets, ticket);
    await disappear(drawing, name);
    await waitForTurn(drawing, tickets, ticket);
    return await work();
  } finally {
    await disappear(drawing, name);
    await disappear(tickets, ticket);
  }
}

async function waitForTurn(drawing: string, tickets: string, own: string): Promise<void> {
  const deadline = performance.now() + TURN_TIMEOUT_MS;
  let ahead: string | undefined;
  while (performance.now() < deadline) {
    // In this order: who has left the first folder is in the second before it is read.
    const undecided = await presentIn(drawing);
    const waiting = await presentIn(tickets);
    ahead = undecided[0] ?? waiting.find((ticket) => comesBefore(ticket, own));
    if (ahead === undefined) return;
    await delay(TURN_POLL_MS);
  }
  throw new EmbeddedError(
    `Process ${ahead?.split("-")[0]} has been starting or stopping the server in ${tickets} for too long.`,
  );
}

function numberOf(ticket: string): number {
  return Number(ticket.split("-")[3]) || 0;
}

/** Two who drew the same number are told apart by their names. */
function comesBefore(ticket: string, other: string): boolean {
  const difference = numberOf(ticket) - numberOf(other);
  return difference < 0 || (difference === 0 && ticket < other);
}
