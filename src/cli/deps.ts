/** Where text goes; process.stdout and process.stderr fit. */
export interface TextOutput {
  /** Calls `written` when the text, and all before it, has been handed on. */
  write(text: string, written?: () => void): unknown;
  readonly isTTY?: boolean | undefined;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** Where text comes from; process.stdin fits. */
export interface TextInput extends AsyncIterable<Uint8Array | string> {
  readonly isTTY?: boolean | undefined;
  /** A terminal that is raw shows nothing of what is typed, and hands on each key. */
  setRawMode?(raw: boolean): unknown;
}

export interface NewPerson {
  readonly email: string;
  readonly password: string;
  readonly name: string;
}

export interface NewAdminKey {
  readonly name: string;
  /** Null: never. */
  readonly expiresInSeconds: number | null;
}

export interface AdminKey {
  readonly id: string;
  readonly key: string;
  /** Which database it is in, for a person. */
  readonly database: string;
}

export type MigrationAction = "up" | "status" | "down";

export interface Migration {
  /** File name without its folder, such as 20260131120000_create_task.sql. */
  readonly name: string;
  readonly applied: boolean;
}

/** All that the command line needs from outside; main.ts gives it, and tests give their own. */
export interface CliDeps {
  readonly config: {
    /** The service that commands talk to unless --url says otherwise. */
    readonly url: string;
    /** The key that commands call with. */
    readonly key: string | null;
    /** Where the demo keeps its database for as long as it runs. */
    readonly dataDir: string;
  };
  /** Runs the service until the signal is aborted and its last answers are out. Throws when it cannot start. */
  serve(signal: AbortSignal): Promise<void>;
  /** Applies, shows or takes back migrations; answers all of them, in order, as they stand afterwards. */
  migrate(action: MigrationAction): Promise<readonly Migration[]>;
  /** Makes a key that may do all, in the database itself. */
  createAdminKey(wanted: NewAdminKey): Promise<AdminKey>;
  /** Makes a person's account in the database itself, and gives its id. Throws with words for a person. */
  createUser(person: NewPerson): Promise<string>;
  readonly stdin: TextInput;
  readonly stdout: TextOutput;
  readonly stderr: TextOutput;
  /** Aborted by Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal;
  /** How to start this program again, for the demo's own processes: the runtime, its flags, and main.ts. */
  readonly program: readonly string[];
  /** What --version tells. */
  readonly version?: string;
}
