import { readdirSync, readFileSync, statSync } from "node:fs";

/** Files, sockets and the like that this process has open; null where the system does not tell. */
export function openDescriptors(): number | null {
  try {
    // Since Linux 6.2 the folder's size is their number; before, and elsewhere, they must be counted.
    return statSync("/proc/self/fd").size || readdirSync("/proc/self/fd").length;
  } catch {
    return null;
  }
}

/** How many it may have open (ulimit -n, the hard one: Bun raises the soft one to it); null where the system does not tell. */
export function descriptorsMax(): number | null {
  try {
    const hard = /^Max open files\s+\S+\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"))?.[1];
    return hard === undefined ? null : Number(hard);
  } catch {
    return null;
  }
}
