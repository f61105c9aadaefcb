import type { CommandContext } from "../context.ts";
import type { MigrationAction } from "../deps.ts";

export async function migrate(context: CommandContext, action: MigrationAction): Promise<void> {
  const migrations = await context.migrate(action);
  context.print(migrations, () => {
    const lines = migrations.map(({ name, applied }) => `${applied ? "[x]" : "[ ]"} ${name}\n`);
    const pending = migrations.filter(({ applied }) => !applied).length;
    return `${lines.join("")}${migrations.length - pending} applied, ${pending} pending\n`;
  });
}
