import { mkdtemp, open, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ClaimedTask, HandlerContext } from "../client/index.ts";
import { inputKeys } from "../client/task-input.ts";

export interface InputsFile {
  readonly path: string;
  remove(): Promise<void>;
}

/**
 * Writes the results of all that a task depends on into a file that only this user can read: they may be far larger than
 * what an environment or the memory holds, so those that the claim left out are asked for one by one. Null for a task that
 * depends on nothing.
 */
export async function writeInputs(
  task: ClaimedTask,
  { input }: Pick<HandlerContext, "input">,
): Promise<InputsFile | null> {
  const keys = inputKeys(task);
  if (keys.length === 0) return null;
  const folder = await mkdtemp(join(tmpdir(), "opensqs-"));
  const remove = () => rm(folder, { recursive: true, force: true });
  try {
    const path = join(folder, "inputs.json");
    const file = await open(path, "wx", 0o600);
    try {
      for (const [at, key] of keys.entries())
        await file.write(`${at === 0 ? "{" : ","}${JSON.stringify(key)}:${JSON.stringify(await input(key))}`);
      await file.write("}\n");
    } finally {
      await file.close();
    }
    return { path, remove };
  } catch (error) {
    await remove();
    throw error;
  }
}
