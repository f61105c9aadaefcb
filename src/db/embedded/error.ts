/** The embedded PostgreSQL cannot run here. The message is for the person who started the service and says what to do. */
export class EmbeddedError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "EmbeddedError";
  }
}

/** Ends most messages: the way out that always exists. */
export const USE_DATABASE_URL = "or set DATABASE_URL to a PostgreSQL of your own";

/** The code of a failed system call ("ENOENT"), or undefined. */
export function errorCode(error: unknown): string | undefined {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : undefined;
}
