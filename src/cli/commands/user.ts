import type { CommandContext } from "../context.ts";
import { readPassword } from "../password.ts";

/** Makes the account of a person, whose password is never an argument: those are seen by all on the machine. */
export async function createUser(context: CommandContext, email: string, { name }: { name?: string }): Promise<void> {
  const password = await readPassword(context);
  const id = await context.createUser({ email, password, name: name ?? email.split("@")[0]! });
  context.print({ id }, () => `${id}\n`);
}
