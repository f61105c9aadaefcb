import { availableParallelism, cpus, release, totalmem, type } from "node:os";

/** What the figures were measured on. Nothing that names the machine itself. */
export function describeMachine(): Record<string, string> {
  return {
    processor: cpus()[0]?.model.trim() ?? "unknown",
    cores: String(availableParallelism()),
    memory: `${Math.round(totalmem() / 2 ** 30)} GiB`,
    kernel: `${type()} ${release()}`,
    Bun: Bun.version,
    openSQS: commit(),
  };
}

function commit(): string {
  const git = (...args: string[]) =>
    Bun.spawnSync(["git", ...args])
      .stdout.toString()
      .trim();
  try {
    const changed = git("status", "--porcelain", "--", "src", "db") === "" ? "" : " with changes";
    return `${git("rev-parse", "--short", "HEAD") || "unknown"}${changed}`;
  } catch {
    return "unknown";
  }
}
