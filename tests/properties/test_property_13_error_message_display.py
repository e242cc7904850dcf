"""Property 13: error message display

Category, code, message, place, state of the target, remedy and evidence of any error are shown as plain text that can
be selected; nothing in them is ever interpreted, neither as rich text nor as terminal codes.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtGui import QTextDocumentFragment
from PySide6.QtWidgets import QApplication, QLabel

from kdeploy_gui.app import open_demo
from kdeploy_gui.errors import Category, Evidence
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.history import FailureRecord
from kdeploy_gui.model.visible import is_visible, visible, visible_lines
from kdeploy_gui.ui.errors.causes import Cause, sort_out
from kdeploy_gui.ui.errors.detail import ErrorDetail, WrappedText
from kdeploy_gui.ui.errors.problem_list import Entry, ProblemModel
from kdeploy_gui.ui.errors.report import report
from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.sentences import sentence
from kdeploy_gui.ui.states import CATEGORY_LOOK
from tests.strategies import START, failures, texts

HOSTILE = (
    "<b>bold</b>",
    "<img src='file:///etc/passwd'>",
    "</qt><a href='x'>here</a>",
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "abc\u202ecba",
    "&amp; &lt; `rm -rf /`",
    "one\r\ntwo\n\tthree",
    "nul\0nul",
    "long " * 1000,
)
SELECTABLE = Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
foreign = st.sampled_from(HOSTILE) | st.tuples(texts, st.sampled_from(HOSTILE), texts).map("".join)
hostile_failures = st.builds(
    Failure,
    code=st.sampled_from(["E-NOSPC", "E-\x1b", "<i>E</i>"]),
    category=st.sampled_from(Category),
    message=foreign,
    where=st.builds(Place, st.just("board-a"), st.sampled_from(["validating", "no stage"]) | texts, foreign),
    on_target=foreign,
    remedy=foreign,
    evidence=st.builds(Evidence, foreign, st.none() | st.integers(0, 255), foreign),
)


@pytest.fixture(scope="module")
def look(qapp: QApplication) -> Look:
    return Look(qapp)


@pytest.fixture(scope="module")
def detail(look: Look) -> ErrorDetail:
    return ErrorDetail(look)


def record_of(failure: Failure) -> FailureRecord:
    return FailureRecord(run=7, plan="smoke", time=START, environment="board-a", failure=failure)


def assert_told_plainly(detail: ErrorDetail, cause: Cause) -> None:
    detail.show_entry(Entry(cause=cause, open=True))
    failure = cause.newest.failure
    labels = [each for each in detail.widget().findChildren(QLabel) if each.text()]

    for label in labels:
        assert label.textFormat() is Qt.TextFormat.PlainText
        assert is_visible(label.text().replace("\n", "").replace("\t", ""))
    selectable = {each.text() for each in labels if each.textInteractionFlags() & SELECTABLE == SELECTABLE}
    for block in detail.widget().findChildren(WrappedText):
        assert block.textInteractionFlags() & SELECTABLE == SELECTABLE
        shown = block.document().toRawText().replace("\u2029", "\n")  # toPlainText() turns no-break spaces into others
        assert is_visible(shown.replace("\n", "").replace("\t", ""))
        selectable.add(shown)
    evidence = "\n".join(part for part in (failure.evidence.command, failure.evidence.stderr) if part)
    path, console = failure.where.path, failure.evidence.console
    for text in (sentence(failure.message), failure.on_target, failure.remedy, path, evidence, console):
        assert not text or visible_lines(text) in selectable
    assert {CATEGORY_LOOK[failure.category][0], visible(failure.code)} - {""} <= {each.text() for each in labels}


def assert_listed_plainly(cause: Cause) -> None:
    model = ProblemModel()
    model.show_groups([("Needs you", [Entry(cause=cause, open=True)])])
    row = model.index(1)
    for role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.AccessibleTextRole):
        assert is_visible(str(row.data(role)))
    tip = str(row.data(Qt.ItemDataRole.ToolTipRole))
    seen = QTextDocumentFragment.fromHtml(tip).toPlainText()
    assert "".join(seen.split()) == "".join(str(row.data()).split())
    assert is_visible(report(cause).replace("\n", "").replace("\t", ""))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(failures | hostile_failures)
@example(Failure("E-X", Category.BUG, ""))
def test_any_error_is_shown_as_text_and_never_interpreted(detail: ErrorDetail, failure: Failure) -> None:
    (cause,) = sort_out([record_of(failure), replace(record_of(failure), run=6)]).open

    assert_told_plainly(detail, cause)
    assert_listed_plainly(cause)


def test_errors_of_real_machines_are_shown_so(detail: ErrorDetail, tmp_path: Path) -> None:
    with open_demo(6, tmp_path / "demo") as (services, plan):
        run = services.submit(plan)
        for _ in services.follow(run):
            pass
        records = services.history.failures(services.history.events(run)[0].time - timedelta(seconds=1))

    causes = sort_out(records).open
    assert {each.newest.failure.category for each in causes} == {Category.TRUST, Category.AUTH, Category.TARGET}
    for cause in causes:
        assert_told_plainly(detail, cause)
        assert_listed_plainly(cause)
