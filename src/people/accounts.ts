import { z } from "zod";
import { violatedConstraint } from "../db/failure.ts";
import { InvalidParams, Refusal } from "../domain/refusals.ts";
import type { createAuth } from "./auth.ts";
import { personName } from "./routes.ts";

export interface NewPerson {
  readonly email: string;
  readonly password: string;
  readonly name: string;
}

type Auth = ReturnType<typeof createAuth>["auth"];

/**
 * Makes an account whether or not sign-up is open. Refuses with `conflict` where the address has one, and by
 * InvalidParams what better-auth would refuse in a sign-up.
 */
export async function addAccount(auth: Auth, person: NewPerson): Promise<string> {
  const { password, adapter } = await auth.$context;
  const { minPasswordLength: min, maxPasswordLength: max } = password.config;
  const shape = z.strictObject({
    email: z.email("is no e-mail address").max(254).toLowerCase(),
    name: personName,
    password: z
      .string()
      .min(min, `must have ${min} characters or more`)
      .max(max, `must have ${max} characters or less`),
  });
  const fit = shape.safeParse(person);
  if (!fit.success)
    throw new InvalidParams(fit.error.issues.map(({ path, message }) => ({ path: path.join("."), message })));
  const { email, name } = fit.data;
  const hash = await password.hash(fit.data.password);
  const times = { createdAt: new Date(), updatedAt: new Date() };
  try {
    return await adapter.transaction(async (tx) => {
      const user = { email, name, emailVerified: false, ...times };
      const { id } = await tx.create<typeof user, { id: string }>({ model: "user", data: user });
      const account = { accountId: id, providerId: "credential", userId: id, password: hash, ...times };
      await tx.create({ model: "account", data: account });
      return id;
    });
  } catch (error) {
    if (violatedConstraint(error) === "user_email_key") throw new Refusal("conflict", { field: "email" });
    throw error;
  }
}
