import { execForm, fillIn, type Instruction, pairs } from "./dockerfile.ts";

interface Place {
  readonly workdir: string;
  readonly env: Readonly<Record<string, string>>;
}

export interface CopyStep extends Place {
  readonly kind: "copy";
  /** The stage it copies from; null: the build context. */
  readonly from: string | null;
  readonly sources: readonly string[];
  readonly target: string;
}

export interface RunStep extends Place {
  readonly kind: "run";
  readonly words: readonly string[];
}

export type Step = CopyStep | RunStep;

/** What a container of the image starts with. */
export interface ImageConfig {
  env: Record<string, string>;
  labels: Record<string, string>;
  workdir: string;
  user: string;
  exposed: string[];
  /** Words each; null: none, or of the shell form, which puts a shell before the service. */
  entrypoint: string[] | null;
  cmd: string[] | null;
  healthcheck: string[] | null;
}

export interface Stage {
  readonly name: string;
  readonly base: string;
  readonly steps: readonly Step[];
  readonly config: ImageConfig;
}

/** The stages of a Dockerfile with their variables filled in; the last one is the image. */
export function stagesOf(instructions: readonly Instruction[]): Stage[] {
  const stages: Stage[] = [];
  const global: Record<string, string> = {};
  let open: OpenStage | undefined;
  for (const instruction of instructions) {
    if (instruction.name === "FROM") {
      open = new OpenStage(instruction.text, String(stages.length), global);
      stages.push(open);
    } else if (open === undefined) {
      setArgument(instruction, global);
    } else {
      open.take(instruction);
    }
  }
  return stages;
}

function setArgument({ name, text }: Instruction, variables: Record<string, string>): void {
  if (name !== "ARG") throw new Error(`${name} stands before the first FROM.`);
  for (const [key, value] of pairs(text)) variables[key] = fillIn(value, variables);
}

class OpenStage implements Stage {
  readonly name: string;
  readonly base: string;
  readonly steps: Step[] = [];
  readonly config: ImageConfig = {
    env: {},
    labels: {},
    workdir: "/",
    user: "root",
    exposed: [],
    entrypoint: null,
    cmd: null,
    healthcheck: null,
  };
  readonly #args: Record<string, string> = {};

  constructor(from: string, number: string, global: Readonly<Record<string, string>>) {
    const [, base, name = number] = /^(\S+)(?:\s+AS\s+(\S+))?$/i.exec(from) ?? [];
    if (base === undefined) throw new Error(`Not an image: ${from}`);
    this.base = fillIn(base, global);
    this.name = name;
  }

  take(instruction: Instruction): void {
    const { config } = this;
    const { name, flags, text } = instruction;
    if (name === "ARG") Object.assign(this.#args, this.#pairs(text));
    if (name === "ENV") Object.assign(config.env, this.#pairs(text));
    if (name === "LABEL") Object.assign(config.labels, this.#pairs(text));
    if (name === "WORKDIR") config.workdir = this.#fill(text);
    if (name === "USER") config.user = this.#fill(text);
    if (name === "EXPOSE") config.exposed.push(...this.#fill(text).split(/\s+/));
    if (name === "CMD") config.cmd = execForm(text);
    if (name === "ENTRYPOINT") config.entrypoint = execForm(text);
    if (name === "HEALTHCHECK") config.healthcheck = text.startsWith("CMD ") ? execForm(text.slice(4).trim()) : null;
    if (name === "COPY") this.steps.push(this.#copy(text, flags));
    if (name === "RUN") this.steps.push(this.#run(text, flags));
  }

  #fill(text: string): string {
    return fillIn(text, { ...this.#args, ...this.config.env });
  }

  /** All filled in before any is set: within one instruction they do not see each other. */
  #pairs(text: string): Record<string, string> {
    return Object.fromEntries(pairs(text).map(([name, value]) => [name, this.#fill(value)]));
  }

  #place(): Place {
    return { workdir: this.config.workdir, env: { ...this.#args, ...this.config.env } };
  }

  #copy(text: string, { from = null, ...others }: Record<string, string | null>): CopyStep {
    refuseFlags(others);
    const words = execForm(text) ?? this.#fill(text).split(/\s+/);
    const target = words.pop();
    if (target === undefined || words.length === 0) throw new Error(`COPY needs two words: ${text}`);
    return { kind: "copy", from, sources: words, target, ...this.#place() };
  }

  #run(text: string, flags: Record<string, string>): RunStep {
    refuseFlags(flags);
    return { kind: "run", words: execForm(text) ?? ["/bin/sh", "-c", text], ...this.#place() };
  }
}

function refuseFlags(flags: Record<string, unknown>): void {
  for (const flag of Object.keys(flags)) throw new Error(`Flag --${flag} is not known here.`);
}
