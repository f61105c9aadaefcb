/**
 * Tells of a path relative to the build context whether it goes to the build. As Docker has it: the last pattern that matches
 * the path or a folder it is in decides; `!` takes it in again; `*` stops at a slash, `**` does not.
 */
export function contextFilter(dockerignore: string): (path: string) => boolean {
  const rules = dockerignore
    .split("\n")
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => ({ takes: line.startsWith("!"), pattern: patternOf(line.replace(/^!/, "")) }));
  return (path) => {
    const paths = foldersAnd(path);
    return rules.findLast(({ pattern }) => paths.some((each) => pattern.test(each)))?.takes ?? true;
  };
}

function foldersAnd(path: string): string[] {
  const names = path.split("/");
  return names.map((_, index) => names.slice(0, index + 1).join("/"));
}

function patternOf(line: string): RegExp {
  const path = line.replace(/^\.?\/+|\/+$/g, "");
  const source = path.replaceAll(/\*\*\/|\*\*|\*|\?|[^*?]/g, (part) => {
    if (part === "**/") return "(?:.*/)?";
    if (part === "**") return ".*";
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    return part.replace(/[.+^${}()|[\]\\]/g, "\\$&");
  });
  return new RegExp(`^${source}$`, "s");
}
