import { readdirSync, readFileSync } from "node:fs";

/** USER_HZ; 100 on every Linux that Bun runs on. */
const TICKS_PER_SECOND = 100;

interface Stat {
  readonly parent: number;
  /** Clock ticks of the process itself, all its threads, in user and kernel. */
  readonly own: number;
  /** Of its children that have ended and were waited for. */
  readonly reaped: number;
}

/** Null where there is no such process, or no /proc. */
function statOf(pid: number): Stat | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The program's name stands in brackets and may hold anything.
    const fields = text
      .slice(text.lastIndexOf(")") + 2)
      .split(" ")
      .map(Number);
    return { parent: fields[1]!, own: fields[11]! + fields[12]!, reaped: fields[13]! + fields[14]! };
  } catch {
    return null;
  }
}

export function parentOf(pid: number): number | null {
  return statOf(pid)?.parent ?? null;
}

/** CPU seconds that a process and its children, ended ones too, have used so far; 0 for one that is not there. */
export function cpuSecondsOf(pid: number): number {
  const top = statOf(pid);
  if (top === null) return 0;
  let ticks = top.own + top.reaped;
  for (const name of readdirSync("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (stat?.parent === pid) ticks += stat.own;
  }
  return ticks / TICKS_PER_SECOND;
}

/** CPU seconds that the whole machine has been busy since it started, whoever it was busy for. */
export function busySeconds(): number {
  const [user = 0, nice = 0, system = 0, , , irq = 0, softIrq = 0] = readFileSync("/proc/stat", "utf8")
    .split("\n")[0]!
    .trim()
    .split(/\s+/)
    .slice(1)
    .map(Number);
  return (user + nice + system + irq + softIrq) / TICKS_PER_SECOND;
}

/** Resident memory in MB (10^6 bytes). */
export function residentMb(pid: number): number {
  const kib = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return (Number(kib ?? Number.NaN) * 1024) / 1e6;
}
