"""Lists of runs and of failures: questions as SQL, rows as records."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path

from kdeploy_gui.history.codec import damage_named, encodable, from_text, time_to_text
from kdeploy_gui.model.event import EnvironmentFinished
from kdeploy_gui.model.history import (
    FailedEnvironment,
    FailureRecord,
    RetriedEnvironment,
    RunField,
    RunQuery,
    RunRecord,
    RunTerm,
)
from kdeploy_gui.model.stage import Outcome

RunRow = tuple[int, str, str, str | None, str | None, str, int, str, str]
FailureRow = tuple[int, str, str, str, int, str, int | None, str | None]
Parameters = dict[str, str | int]

RUNS = """
    SELECT run, plan, submitted, finished, outcome,
        (SELECT json_group_array(environment) FROM
            (SELECT environment FROM run_environments WHERE run = runs.run ORDER BY position)),
        (SELECT count(*) FROM run_environments WHERE run = runs.run AND ready),
        (SELECT json_group_array(json_array(environment, code)) FROM
            (SELECT environment, code FROM run_environments
             WHERE run = runs.run AND status = 'failed' ORDER BY position)),
        (SELECT json_group_array(json_array(environment, attempts)) FROM
            (SELECT environment, attempts FROM run_environments
             WHERE run = runs.run AND attempts > 1 ORDER BY position))
    FROM runs
    WHERE (:before = 0 OR run < :before) AND {conditions}
    ORDER BY run DESC LIMIT :limit
"""
COUNT = "SELECT count(*), (SELECT count(*) FROM runs) FROM runs WHERE {conditions}"

FAILURES = """
    SELECT failed.run, runs.plan, failed.ended, failed.environment, failed.attempts, events.body,
        solved.run, solved.ended
    FROM runs
    CROSS JOIN run_environments AS failed ON failed.run = runs.run AND failed.code <> ''
    CROSS JOIN events ON events.run = failed.run AND events.environment = failed.environment
        AND events.type = 'environment_finished'
    LEFT JOIN run_environments AS solved ON solved.environment = failed.environment AND solved.run = (
        SELECT min(later.run) FROM run_environments AS later
        WHERE later.environment = failed.environment AND later.run > failed.run AND later.status = 'completed')
    WHERE (runs.finished IS NULL OR runs.finished >= :since)
        AND failed.ended >= :since AND failed.status IN ('failed', 'interrupted')
    ORDER BY failed.ended DESC, failed.run DESC, failed.environment LIMIT :limit
"""

STAGE_SECONDS = """
    SELECT json_extract(stage.value, '$.stage'), json_extract(stage.value, '$.seconds')
    FROM json_each(:runs) AS wanted
    CROSS JOIN events ON events.run = wanted.value AND events.type = 'run_finished'
        AND events.seq = (SELECT max(seq) FROM events WHERE run = wanted.value)
    JOIN json_each(events.body, '$.environments') AS environment
    JOIN json_each(environment.value, '$.stages') AS stage
    WHERE json_extract(stage.value, '$.outcome') = 'succeeded'
"""

_IN_ENVIRONMENTS = "EXISTS (SELECT 1 FROM run_environments WHERE run = runs.run AND ({}))"
_LIKE = "{} LIKE {} ESCAPE '\\'"
_REGEX = "{} REGEXP {}"


def runs_sql(query: RunQuery) -> tuple[str, Parameters]:
    """The question for one page of runs."""
    conditions, parameters = _conditions(query)
    return RUNS.format(conditions=conditions), parameters | {"before": query.before, "limit": query.limit}


def count_sql(query: RunQuery) -> tuple[str, Parameters]:
    """The question how many runs match, on all pages."""
    conditions, parameters = _conditions(query)
    return COUNT.format(conditions=conditions), parameters


def _conditions(query: RunQuery) -> tuple[str, Parameters]:
    terms = [
        *([RunTerm(RunField.STATUS, query.status)] if query.status else []),
        *([RunTerm(RunField.TEXT, query.search)] if query.search else []),
        *query.terms,
    ]
    parameters: Parameters = {f"term{n}": _parameter(each) for n, each in enumerate(terms)}
    conditions = [_condition(each, f":term{n}") for n, each in enumerate(terms)]
    if query.environment:
        conditions.append(_IN_ENVIRONMENTS.format("environment GLOB :environment"))
        parameters["environment"] = encodable(query.environment)
    if query.since is not None:
        conditions.append("submitted >= :since")
        parameters["since"] = time_to_text(query.since)
    return " AND ".join(conditions) or "TRUE", parameters


def _condition(term: RunTerm, parameter: str) -> str:
    match term.field:
        case RunField.TEXT:
            test = _REGEX if term.is_regex else _LIKE
            in_plan, in_name, in_error = (test.format(each, parameter) for each in ("plan", "environment", "error"))
            sql = f"({in_plan} OR {_IN_ENVIRONMENTS.format(f'{in_name} OR {in_error}')})"
        case RunField.ENVIRONMENT:
            sql = _IN_ENVIRONMENTS.format(_LIKE.format("environment", parameter))
        case RunField.PLAN:
            sql = f"({_LIKE.format('plan', parameter)})"
        case RunField.STATUS:
            sql = f"(coalesce(outcome, 'running') = {parameter})"
        case RunField.CODE:
            sql = _IN_ENVIRONMENTS.format(f"code <> '' AND {_LIKE.format('code', parameter)}")
    return f"NOT {sql}" if term.negated else sql


def _parameter(term: RunTerm) -> str:
    value = encodable(term.value)
    if term.field is RunField.STATUS or term.is_regex:
        return value
    escaped = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%" if term.field is RunField.TEXT else escaped.replace("*", "%")


def run_record(row: RunRow) -> RunRecord:
    """A row of RUNS."""
    run, plan, submitted, finished, outcome, environments, ready, failed, retried = row
    return RunRecord(
        run=run,
        plan=plan,
        submitted=datetime.fromisoformat(submitted),
        finished=datetime.fromisoformat(finished) if finished else None,
        outcome=Outcome(outcome) if outcome else None,
        environments=tuple(json.loads(environments)),
        ready=ready,
        failed=tuple(FailedEnvironment(*each) for each in json.loads(failed)),
        retried=tuple(RetriedEnvironment(*each) for each in json.loads(retried)),
    )


def failure_records(rows: Sequence[FailureRow], path: Path) -> Iterator[FailureRecord]:
    """Rows of FAILURES. Raises LocalError where one is damaged."""
    for run, plan, ended, environment, attempts, body, solved_by, solved in rows:
        with damage_named(f"the end of {environment} in run {run}", path):
            failure = from_text(EnvironmentFinished, body).error
        if failure is not None:
            yield FailureRecord(
                run=run,
                plan=plan,
                time=datetime.fromisoformat(ended),
                environment=environment,
                failure=failure,
                attempts=attempts,
                solved_by=solved_by or 0,
                solved=datetime.fromisoformat(solved) if solved else None,
            )
