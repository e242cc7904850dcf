"""What is typed over the list of runs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.history.memory import MemoryEventLog
from kdeploy_gui.model.history import RunField, RunQuery, RunTerm
from kdeploy_gui.ui.filters import Filter, parse
from kdeploy_gui.ui.history.query import KEYS, run_query

NOW = datetime(2026, 11, 26, 14, 35, 20, tzinfo=UTC)


def query(text: str) -> RunQuery | str:
    parsed = parse(text, KEYS)
    assert isinstance(parsed, Filter)
    return run_query(parsed, NOW)


@pytest.mark.parametrize(
    ("text", "term"),
    [
        ("kasan", RunTerm(RunField.TEXT, "kasan")),
        ("!kasan", RunTerm(RunField.TEXT, "kasan", negated=True)),
        ("/k[a]+/", RunTerm(RunField.TEXT, "k[a]+", is_regex=True)),
        ("env:vm-*", RunTerm(RunField.ENVIRONMENT, "vm-*")),
        ("!plan:net*", RunTerm(RunField.PLAN, "net*", negated=True)),
        ("status:failed", RunTerm(RunField.STATUS, "failed")),
        ("status:RUN", RunTerm(RunField.STATUS, "running")),
        ("code:E-NO", RunTerm(RunField.CODE, "E-NO*")),
        ("code:*SPC", RunTerm(RunField.CODE, "*SPC")),
    ],
)
def test_each_word_is_a_term(text: str, term: RunTerm) -> None:
    assert query(text) == RunQuery(terms=(term,))


def test_words_come_together() -> None:
    found = query("a env:b since:7d since:2026-11-20")

    assert isinstance(found, RunQuery)
    assert len(found.terms) == 2
    assert found.since == max(NOW - timedelta(days=7), datetime(2026, 11, 20).astimezone(UTC))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("status:great", "no status 'great': succeeded, failed"),
        ("status:*", "no status '*'"),
        ("since:soon", "since:soon is no time"),
        ("since:9999999-01-01", "is no time"),
        ("since:9999w9", "is no time"),
        ("!since:7d", "since: cannot be negated"),
        (r"/\p{Lu}+/", "cannot be sought in the history"),
    ],
)
def test_what_cannot_be_asked_is_said(text: str, problem: str) -> None:
    found = query(text)

    assert isinstance(found, str)
    assert problem in found


@given(st.text(max_size=30) | st.from_regex(r"!?(env|plan|status|code|since):[*a-z0-9/\\-]{1,9}", fullmatch=True))
def test_any_text_is_a_question_or_is_refused_in_words(text: str) -> None:
    parsed = parse(text, KEYS)
    found = run_query(parsed, NOW) if isinstance(parsed, Filter) else parsed.message

    if isinstance(found, RunQuery):
        log = MemoryEventLog()
        log.begin("smoke", ["board-a"])
        assert len(log.runs(found)) <= 1
    else:
        assert found
