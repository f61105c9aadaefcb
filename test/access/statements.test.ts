/**
 * Every statement names the project it acts in, or a queue whose number was found in that project; or it stands here with the
 * reason why it need not. The static half of test/access/tenants.test.ts, which shows the same from without.
 */
import { expect, test } from "bun:test";
import { Glob } from "bun";

/** Tables whose rows belong to a project, by themselves or by their queue. */
const OWNED =
  /\b(?:from|join|into|update|using|only)\s+(queue|tag|category|schedule|workflow|worker|request|api_key|project_member|project|task|task_with_state|task_\w+|queue_\w+|tag_delta|category_delta|workflow_delta|schedule_run)\b/;

/**
 * How a statement says whose rows it is about. Numbers of queues come from Directory.find and Directory.queueOfTask alone,
 * which look them up by project.
 */
const NAMED: readonly RegExp[] = [
  /\bproject_id = \$\{projectId\}/,
  /\bproject_id = (i|home|d|k|w|homes)\.\w+/,
  /\b(queue_id|q\.id) = \$\{(a\.)?queueId\}/,
  /\$\{queueId\}::int as queue_id/,
  /\$\{(keysOf|takeOut|held|handedHome|membersOf)\((of|a|queueId|projectId)\b/,
  // A selection has a project, and what it shows is of that one.
  /\b(shown|keysOf|nearest|looksOf|ofSelection)\((\{ \.\.\.)?selection\b/,
  /\binsert into \w+( as \w+)? \((project_id|id, project_id)\b/,
  /\bvalues \(\$\{queueId\}/,
];

const UPKEEP = "upkeep: for all projects, and its answer goes to nobody";
const WHOLE = "for those who run the service: the method takes its scope for the whole of it";
const FOUND = "by the number or id of a row that was found by its project just before, in the same transaction or call";
const OF_FOUND =
  "by ids whose queues were found by their project before (locate, queueOfTask), or that follow from such tasks";
const CREDENTIAL = "by the hash of a credential: it is what says whose the call is";

/** Statements that name neither, each with its reason. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  "admin/queries.ts brokenInvariants": WHOLE,
  "admin/queries.ts durabilitySettings": "of the server, and no rows of anybody",
  "admin/queries.ts tasksByState": `/metrics: ${WHOLE}`,
  "api-key/queries.ts liveKeys": CREDENTIAL,
  "api-key/queries.ts hasAdminKey": "at start, by nobody's call",
  "api-key/queries.ts forgetKeys": UPKEEP,
  "category/queries.ts categoryById": FOUND,
  "category/queries.ts updateCategory": FOUND,
  "category/queries.ts lockTree": "the project itself, by its number",
  "category/queries.ts deleteCategories": FOUND,
  "member/queries.ts membershipsOf": "of the person whose session it is: it is what says where they may call",
  "people/queries.ts keepSecret": "the service's own",
  "people/queries.ts forgetSessions": UPKEEP,
  "people/queries.ts forgetVerifications": UPKEEP,
  "project/queries.ts projectByName":
    "by the name that the call was authorised for; src/engine/projects.ts compares the number",
  "project/queries.ts listProjects": "only those of the caller's grants, which it takes as numbers",
  "project/queries.ts insertProject": WHOLE,
  "project/queries.ts updateProject": FOUND,
  "project/queries.ts lockProject": FOUND,
  "project/queries.ts lockQueues": "the project itself, by its number",
  "project/queries.ts hasUnfinished": "the project itself, by its number",
  "project/queries.ts deleteProject": FOUND,
  "queue/queries.ts setPolicy": FOUND,
  "queue/queries.ts setPaused": FOUND,
  "queue/queries.ts lockQueue": FOUND,
  "queue/queries.ts holdQueue": FOUND,
  "queue/queries.ts hasUnfinished": FOUND,
  "queue/queries.ts deleteQueue": FOUND,
  "request/queries.ts noteAnswers": "by pairs of project and requestId, as the calls' own rows say",
  "request/queries.ts leaveRequests": "by pairs of project and requestId, as the calls' own rows say",
  "request/queries.ts forgetRequests": UPKEEP,
  "schedule/queries.ts updateSchedule": FOUND,
  "schedule/queries.ts setPaused": FOUND,
  "schedule/queries.ts deleteSchedule": FOUND,
  "schedule/queries.ts fireSchedules": `${UPKEEP}; or a trigger: ${FOUND}`,
  "schedule/queries.ts moveSchedules": UPKEEP,
  "schedule/queries.ts noteTriggered": FOUND,
  "schedule/queries.ts computedAhead": UPKEEP,
  "schedule/queries.ts setBack": UPKEEP,
  "schedule/queries.ts forgetRuns": UPKEEP,
  "tag/queries.ts renameTag": FOUND,
  "task/queries/catalogue.ts foldTags": UPKEEP,
  "task/queries/catalogue.ts foldCategories": UPKEEP,
  "task/queries/change.ts cancelTasks": OF_FOUND,
  "task/queries/change.ts reviveTasks": OF_FOUND,
  "task/queries/dependencies.ts markAwaited": OF_FOUND,
  "task/queries/dependencies.ts outcomes": OF_FOUND,
  "task/queries/dependencies.ts addDependencies": OF_FOUND,
  "task/queries/dependencies.ts settleEnded": OF_FOUND,
  "task/queries/dependencies.ts doomedWith": OF_FOUND,
  "task/queries/dependencies.ts endWaiting": OF_FOUND,
  "task/queries/finish.ts expireLeases": UPKEEP,
  "task/queries/list-by-key.ts listByKey": "by ways each of which finds what a selection, which has a project, shows",
  "task/queries/list.ts withTasks": "shows tasks by the keys that a selection, which has a project, has found",
  "task/queries/read.ts newsOf": OF_FOUND,
  "task/queries/worker-tasks.ts idBefore": "of any project, to bound the work; the cursor keeps its time alone",
  "upkeep/queries.ts ensurePartition": "no rows of anybody",
  "upkeep/queries.ts foldDeltas": UPKEEP,
  "upkeep/queries.ts dropOldRates": UPKEEP,
  "upkeep/queries.ts expiredTasks": UPKEEP,
  "upkeep/queries.ts dropOldKeys": UPKEEP,
  "upkeep/queries.ts orphans": UPKEEP,
  "upkeep/queries.ts longDeleted": UPKEEP,
  "workflow/queries.ts addToUnfinished": FOUND,
  "workflow/queries.ts setStopped": FOUND,
  "workflow/queries.ts membersByKey": FOUND,
  "workflow/queries.ts unfinishedMembers": FOUND,
  "workflow/queries.ts lockFailed": FOUND,
  "workflow/queries.ts membersToRetry": FOUND,
  "workflow/queries.ts foldWorkflow": FOUND,
  "workflow/queries.ts foldWorkflows": UPKEEP,
  "workflow/queries.ts forgetWorkflows": UPKEEP,
};

interface Statement {
  readonly name: string;
  readonly text: string;
}

/** The exported functions of a file that make a statement, comments left out. */
function statementsIn(file: string, source: string): Statement[] {
  const plain = source.replace(/^\s*(\/\/|\*|\/\*).*$/gm, "");
  const parts = plain.split(/^(?=(?:export |const |function |interface |type |async function ))/m);
  return parts.flatMap((text) => {
    const [, name] = /^export const (\w+) =/.exec(text) ?? [];
    const makes = /\bsql\s*\.\s*(type|prepared|typeAlias)\(|\bwithTasks\(/.test(text);
    return name !== undefined && makes ? [{ name: `${file} ${name}`, text }] : [];
  });
}

async function statements(): Promise<Statement[]> {
  const found: Statement[] = [];
  for await (const file of new Glob("**/*.ts").scan("src/domain"))
    found.push(...statementsIn(file, await Bun.file(`src/domain/${file}`).text()));
  return found;
}

test("every statement says whose rows it is about, or why not", async () => {
  const all = await statements();
  // What it is put together from may bring tables too.
  const touches = (text: string) => OWNED.test(text) || /\$\{\w+(\(|\})/.test(text);
  const named = ({ text }: Statement) => NAMED.some((way) => way.test(text)) || !touches(text);
  const open = all.filter((one) => !named(one)).map(({ name }) => name);
  expect(open.filter((name) => !(name in EXCEPTIONS))).toEqual([]);
  // An exception that is none any more would cover the next statement of that name.
  expect(Object.keys(EXCEPTIONS).filter((name) => !open.includes(name))).toEqual([]);
  expect(all.length).toBeGreaterThan(130);
});

test("statements are made in src/domain alone", async () => {
  const elsewhere: string[] = [];
  for await (const file of new Glob("**/*.ts").scan("src"))
    if (
      !/^(domain|db)\//.test(file) &&
      /\bsql\s*\.\s*(type|prepared|typeAlias|unsafe)\b/.test(await Bun.file(`src/${file}`).text())
    )
      elsewhere.push(file);
  expect(elsewhere).toEqual([]);
});
