import { spawn } from "node:child_process";

/**
 * Runs what docs/<name>.md tells people to type, from top to bottom: the shell blocks marked `<!-- name -->`, but for the
 * port. Gives the answers, one JSON value a line; throws when a command fails or is answered with an error.
 */
export async function runExamples(
  name: string,
  url: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ result: ReturnType<typeof JSON.parse> }[]> {
  const text = await Bun.file(new URL(`../../docs/${name}.md`, import.meta.url)).text();
  const blocks = [...text.matchAll(new RegExp(`<!-- ${name} -->\\n\`\`\`sh\\n([\\s\\S]*?)\`\`\``, "g"))];
  const script = blocks.map(([, block]) => block).join("");
  const child = spawn("sh", ["-euc", script.replaceAll("http://127.0.0.1:8080", url)], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, ...env },
  });
  let out = "";
  child.stdout.on("data", (chunk) => {
    out += chunk;
  });
  const code = await new Promise((resolve) => child.on("close", resolve));
  if (code !== 0) throw new Error(`The examples of ${name}.md ended with ${code}.`);
  const lines = out.trim().split("\n");
  const answers = lines.map((line) => JSON.parse(line));
  const wrong = lines.filter((_, at) => answers[at].error);
  if (wrong.length > 0) throw new Error(`The examples of ${name}.md were refused: ${wrong.join("; ")}`);
  return answers;
}
