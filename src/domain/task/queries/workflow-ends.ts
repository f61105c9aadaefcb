import { sql } from "../../../db/sql.ts";

// What each statement that ends tasks, or has them run again, appends for their workflows. It reads the CTE `done`.

/** For tasks that may have ended: those of `done` with an outcome. */
export const toldWorkflows = sql.fragment`
  told_workflows as (
    insert into workflow_delta (workflow_id, ended, failed, cancelled)
    select d.workflow_id, count(*), count(*) filter (where d.outcome = 'failed'), count(*) filter (where d.outcome = 'cancelled')
    from done d where d.workflow_id is not null and d.outcome is not null group by d.workflow_id
  )`;

/** For tasks that had ended and have not any more: `done` says how they had, as `was`. */
export const toldWorkflowsAgain = sql.fragment`
  told_workflows as (
    insert into workflow_delta (workflow_id, ended, failed, cancelled)
    select d.workflow_id, -count(*), -count(*) filter (where d.was = 'failed'), -count(*) filter (where d.was = 'cancelled')
    from done d where d.workflow_id is not null group by d.workflow_id
  )`;
