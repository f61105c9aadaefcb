// The worker of stopped-worker.test.ts: claims one task under a lease of a second and completes it when told to.
import { rpc } from "../support/service.ts";

const url = process.argv[2]!;
const { tasks } = await rpc(url, "task.claim", { queue: "late", leaseSeconds: 1, worker: "late", waitSeconds: 10 });
process.stdout.write("claimed\n");
for await (const _ of process.stdin) {
  try {
    const answer = await rpc(url, "task.complete", { receipt: tasks[0]!.receipt, result: "late" });
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  } catch (error) {
    process.stdout.write(`${JSON.stringify(error)}\n`);
  }
  break;
}
process.exit(0);
