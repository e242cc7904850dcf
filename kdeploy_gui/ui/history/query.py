"""What is typed over the list of runs, as a question to the history."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from kdeploy_gui.model.history import RunField, RunQuery, RunTerm
from kdeploy_gui.model.stage import Outcome
from kdeploy_gui.ui.filters import Filter, Term, TermKind

KEYS = ("env", "plan", "status", "code", "since")
STATES = (*(each.value for each in Outcome), "running")
_FIELDS: Mapping[str, RunField] = {each.value: each for each in RunField}
_SPAN = re.compile(r"(\d{1,4})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def run_query(wanted: Filter, now: datetime) -> RunQuery | str:
    """The runs that a filter means, or why it means none; `since:` may stand more than once, the latest counts."""
    terms: list[RunTerm] = []
    since: list[datetime] = []
    try:
        for term in wanted.terms:
            if term.kind is TermKind.KEY and term.key == "since":
                since.append(since_moment(term, now))
            else:
                terms.append(_run_term(term))
    except ValueError as error:
        return str(error)
    return RunQuery(terms=tuple(terms), since=max(since, default=None))


def since_moment(term: Term, now: datetime) -> datetime:
    """The moment that `since:7d` or `since:2026-11-20` (midnight here) means. Raises ValueError."""
    if term.negated:
        raise ValueError("since: cannot be negated")
    span = _SPAN.fullmatch(term.value)
    if span is not None:
        return now - timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        return datetime.fromisoformat(term.value).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError(f"since:{term.value} is no time: 24h, 7d, 2w or 2026-11-20") from error


def _run_term(term: Term) -> RunTerm:
    match term.kind:
        case TermKind.TEXT:
            return RunTerm(RunField.TEXT, term.value, term.negated)
        case TermKind.REGEX:
            return _regex_term(term)
        case TermKind.KEY:
            return _key_term(term)


def _regex_term(term: Term) -> RunTerm:
    try:
        re.compile(term.value)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"/{term.value}/ cannot be sought in the history: {error}") from error
    return RunTerm(RunField.TEXT, term.value, term.negated, is_regex=True)


def _key_term(term: Term) -> RunTerm:
    field, value = _FIELDS[term.key], term.value
    if field is RunField.STATUS:
        matching = [each for each in STATES if each.startswith(value.casefold().rstrip("*"))]
        if len(matching) != 1:
            raise ValueError(f"no status '{value}': {', '.join(STATES)}")
        value = matching[0]
    elif field is RunField.CODE and "*" not in value:
        value = f"{value}*"
    return RunTerm(field, value, term.negated)
