import { readdirSync, readFileSync } from "node:fs";

/** What the system shows of a process to others: its arguments to every user, its environment to the same one. */
interface Seen {
  readonly name: string;
  readonly kind: "arguments" | "environment";
  readonly secret: string;
}

export interface ProcessWatch {
  /** Programs whose arguments or environment had a secret in it, each once. */
  found(): Seen[];
  /** Names of all programs that were looked at. */
  readonly programs: ReadonlySet<string>;
  stop(): void;
}

/**
 * Looks at all processes again and again until it is stopped. `secrets` are texts by name. The service, known by `marker` in
 * its environment, has them there; its own environment is left out, and so is a child's that has not become a program yet.
 */
export function watchProcesses(secrets: Readonly<Record<string, string>>, marker: string): ProcessWatch {
  const found = new Map<string, Seen>();
  const programs = new Set<string>();
  const look = () => {
    for (const pid of readdirSync("/proc")) {
      if (!/^\d+$/.test(pid) || Number(pid) === process.pid) continue;
      const name = read(pid, "comm").trim();
      const line = read(pid, "cmdline");
      const environment = read(pid, "environ");
      if (line === "") continue;
      programs.add(name);
      const isService = environment.includes(marker) && line.includes("src/main.ts");
      for (const [secret, text] of Object.entries(secrets)) {
        const note = (kind: Seen["kind"]) => found.set(`${name} ${kind} ${secret}`, { name, kind, secret });
        if (line.includes(text)) note("arguments");
        if (!isService && environment.includes(text)) note("environment");
      }
    }
  };
  const timer = setInterval(look, 1);
  return {
    found: () => [...found.values()],
    programs,
    stop: () => clearInterval(timer),
  };
}

function read(pid: string, file: string): string {
  try {
    return readFileSync(`/proc/${pid}/${file}`, "utf8");
  } catch {
    // It has ended, or is somebody else's.
    return "";
  }
}
