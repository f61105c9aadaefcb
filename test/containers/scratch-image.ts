import { spawn } from "node:child_process";
import { constants } from "node:fs";
import { chmod, copyFile, link, lstat, mkdir, readdir, readFile, readlink, stat, symlink } from "node:fs/promises";
import { dirname, join, posix } from "node:path";
import process from "node:process";
import { parseDockerfile } from "./dockerfile.ts";
import { contextFilter } from "./dockerignore.ts";
import { type CopyStep, type ImageConfig, type RunStep, type Stage, stagesOf } from "./stages.ts";

/** An image as a folder: what a build would have put into it, without the base image's own files. */
export interface ScratchImage {
  readonly root: string;
  /** Where the base image's programs stand, of which there is but bun. */
  readonly bin: string;
  readonly config: ImageConfig;
}

/**
 * Builds the Dockerfile of `context` in the empty folder `scratch`, running its steps in order: COPY by the rules of
 * .dockerignore and out of a checkout made under umask 077, RUN on this machine with the bun that runs the tests. What a
 * base image brings besides is not there. Throws where a step fails, or copies nothing.
 */
export async function buildImage(context: string, scratch: string): Promise<ScratchImage> {
  // A build's own, whatever the umask here: what RUN and WORKDIR make can be read by every user.
  const umask = process.umask(0o022);
  try {
    return await build(context, scratch);
  } finally {
    process.umask(umask);
  }
}

async function build(context: string, scratch: string): Promise<ScratchImage> {
  const stages = stagesOf(parseDockerfile(await readFile(join(context, "Dockerfile"), "utf8")));
  const taken = contextFilter(await readFile(join(context, ".dockerignore"), "utf8"));
  const bin = join(scratch, "bin");
  await provideBun(bin);
  const roots = new Map<string, string>();
  for (const stage of stages) {
    const root = join(scratch, `stage-${roots.size}`);
    await mkdir(root);
    const folderOf = (from: string | null) => (from === null ? context : known(roots, from));
    await buildStage(stage, { root, bin, taken, folderOf });
    roots.set(stage.name, root);
  }
  const last = stages.at(-1);
  if (last === undefined) throw new Error("The Dockerfile has no stage.");
  return { root: known(roots, last.name), bin, config: last.config };
}

interface StageBuild {
  readonly root: string;
  readonly bin: string;
  taken(path: string): boolean;
  folderOf(from: string | null): string;
}

async function buildStage(stage: Stage, build: StageBuild): Promise<void> {
  await mkdir(join(build.root, stage.config.workdir), { recursive: true });
  for (const step of stage.steps) {
    await mkdir(join(build.root, step.workdir), { recursive: true });
    await (step.kind === "copy" ? copyStep(step, build) : runStep(step, build));
  }
}

function known(roots: ReadonlyMap<string, string>, name: string): string {
  const root = roots.get(name);
  if (root === undefined) throw new Error(`There is no stage ${name}.`);
  return root;
}

/** A copy that other users can reach; bun's own place may be in a folder that only its owner can enter. */
async function provideBun(bin: string): Promise<void> {
  await mkdir(bin);
  const bun = join(bin, "bun");
  // A link costs nothing, but needs the same file system and, for another's file, more rights than an ordinary user has.
  await link(process.execPath, bun).catch(() => copyFile(process.execPath, bun, constants.COPYFILE_FICLONE));
}

async function copyStep({ from, sources, target, workdir }: CopyStep, build: StageBuild): Promise<void> {
  const inFolder = sources.length > 1 || target.endsWith("/");
  const place = join(build.root, posix.resolve(workdir, target));
  for (const source of sources) {
    const path = join(build.folderOf(from), source);
    const isFolder = (await stat(path)).isDirectory();
    // As Docker does: a folder's content goes to the target, a file into it if that is a folder.
    const to = inFolder && !isFolder ? join(place, posix.basename(source)) : place;
    const fromContext = { taken: build.taken, mask: 0o700 };
    const copied = await copyTree(path, source, to, from === null ? fromContext : { taken: () => true, mask: 0o777 });
    if (copied === 0) throw new Error(`COPY ${source}: .dockerignore leaves nothing of it.`);
  }
}

interface CopyRules {
  taken(path: string): boolean;
  /** What remains of the modes. */
  readonly mask: number;
}

/** Gives the number of files copied. `name` is the path as the rules see it. */
async function copyTree(path: string, name: string, to: string, rules: CopyRules): Promise<number> {
  const info = await lstat(path);
  if (info.isDirectory()) {
    let copied = 0;
    for (const entry of await readdir(path)) {
      copied += await copyTree(join(path, entry), posix.join(name, entry), join(to, entry), rules);
    }
    if (copied > 0) await chmod(to, info.mode & rules.mask);
    return copied;
  }
  if (!rules.taken(posix.normalize(name))) return 0;
  await mkdir(dirname(to), { recursive: true });
  if (info.isSymbolicLink()) {
    await symlink(await readlink(path), to);
  } else {
    await copyFile(path, to, constants.COPYFILE_FICLONE);
    await chmod(to, info.mode & rules.mask);
  }
  return 1;
}

/** With this machine's environment beneath, for bun's cache, proxies and the like. */
async function runStep({ words, env, workdir }: RunStep, { root, bin }: StageBuild): Promise<void> {
  const [program = "", ...args] = words;
  const path = `${bin}:${process.env.PATH}`;
  const child = spawn(program, args, {
    cwd: join(root, workdir),
    env: { ...process.env, ...env, PATH: path },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  if (code !== 0) throw new Error(`RUN ${words.at(-1)} ended with ${code}:\n${output}`);
}
