"""The filter grammar and the bar in which it is typed."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QLineEdit, QListWidget, QVBoxLayout, QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.ui.filters import Filter, FilterBar, FilterProblem, Term, TermKind, parse, quoted
from kdeploy_gui.ui.look import Look

KEYS = ("status", "tag")
BOARD = {"status": ("Failed",), "tag": ("arm64", "net lab")}
TEXT = "vm-kasan guest on hv-02"
texts = st.text(max_size=30)
words = st.text(st.characters(min_codepoint=33, max_codepoint=0x2FF), min_size=1, max_size=12)


def matches(filter_text: str, text: str = TEXT) -> bool:
    found = parse(filter_text, KEYS)
    assert isinstance(found, Filter), found
    return found.matches(BOARD, text)


def problem(filter_text: str) -> FilterProblem:
    found = parse(filter_text, KEYS)
    assert isinstance(found, FilterProblem), found
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", True),
        ("  ", True),
        ("KASAN", True),
        ("kasan hv-02", True),
        ("kasan hv-03", False),
        ("!hv-03", True),
        ("!kasan", False),
        ('"guest on"', True),
        ('"on guest"', False),
        ('!"on guest"', True),
        ("status:failed", True),
        ("status:fail", False),
        ("status:fail*", True),
        ("STATUS:F*D", True),
        ("!status:failed", False),
        ("tag:arm64 tag:*lab", True),
        ('tag:"net lab"', True),
        ("tag:*", True),
        ("tag:a.m64", False),
        ("/hv-\\d+$/", True),
        ("!/hv-\\d+$/", False),
        ("/guest on/ kasan", True),
        ("/KASAN/", True),
        ("!", False),
        ("/opt/lib", False),
        ('"status:"', False),
        ("12:34", False),
    ],
)
def test_words_are_anded_and_each_means_what_the_grammar_says(text: str, expected: bool) -> None:
    assert matches(text) is expected


def test_a_path_is_text_and_quotes_protect_everything() -> None:
    assert matches("/opt/lib", "no space on /opt/lib/x")
    assert matches('"stat: 5"', "stat: 5")
    assert matches('"say \\"no\\""', 'they say "no"')
    assert matches('"open end', "open end of a quote")


def test_an_unknown_key_is_named_with_those_that_are_known() -> None:
    found = problem("kasan stat:failed")

    assert found.message.startswith("unknown key 'stat:', known: status, tag")
    assert (found.at, found.length) == (6, 5)
    assert "knows none" in parse("a:b", ()).message  # type: ignore[union-attr]
    assert "needs a value" in problem("status:").message


def test_a_bad_regular_expression_says_where() -> None:
    found = problem("x /a(b/")

    assert "missing closing parenthesis" in found.message
    assert found.at == 6


def test_terms_are_there_for_translation() -> None:
    assert parse('a !status:f* /b c/ "d e"', KEYS) == Filter(
        (
            Term(TermKind.TEXT, "a"),
            Term(TermKind.KEY, "f*", "status", negated=True),
            Term(TermKind.REGEX, "b c"),
            Term(TermKind.TEXT, "d e"),
        )
    )


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|aa)+$", ".*a.*a.*a.*a.*b", "(.*)*x", "(?:a?){40}a{40}b"])
def test_no_regular_expression_hangs(pattern: str) -> None:
    begun = time.thread_time()

    matches(f"/{pattern}/", "a" * 100_000 + "!")

    assert time.thread_time() - begun < 5


@given(texts, texts)
def test_any_text_is_a_filter_or_a_problem_with_its_place(text: str, entry: str) -> None:
    found = parse(text, KEYS)

    if isinstance(found, FilterProblem):
        assert 0 <= found.at <= len(text)
        assert found.message
    else:
        assert found.matches({}, entry) in {True, False}


@given(st.lists(words, max_size=4), words)
def test_quoted_words_are_found_as_they_are_and_all_of_them(wanted: list[str], other: str) -> None:
    text = " ".join(wanted)
    found = parse(" ".join(map(quoted, wanted)), KEYS)

    assert isinstance(found, Filter)
    assert [each.value for each in found.terms] == wanted
    assert found.matches({}, text)
    expected = all(each.casefold() in other.casefold() for each in wanted)
    assert found.matches({}, other) is expected


@given(words, st.lists(words, max_size=3))
def test_negation_is_the_opposite(value: str, values: list[str]) -> None:
    for term in (quoted(value), f"tag:{quoted(value)}"):
        plain, negated = parse(term, KEYS), parse(f"!{term}", KEYS)
        assert isinstance(plain, Filter)
        assert isinstance(negated, Filter)
        assert plain.matches({"tag": values}, value) is not negated.matches({"tag": values}, value)


@given(words.filter(lambda each: "*" not in each), words)
def test_a_glob_compares_whole_values(value: str, more: str) -> None:
    def tagged(term: str, tag: str) -> bool:
        found = parse(f"tag:{quoted(term)}", KEYS)
        assert isinstance(found, Filter)
        return found.matches({"tag": (tag,)}, "")

    assert tagged(value, value)
    assert not tagged(value, value + more)
    assert tagged(value + "*", value + more)


class ListWithFilter(QWidget):
    """A list as a view has it."""

    def __init__(self, look: Look) -> None:
        super().__init__()
        self.bar = FilterBar(look, KEYS)
        self.entries = QListWidget()
        self.entries.setAccessibleName("Entries")
        self.bar.serve(self.entries)
        column = QVBoxLayout(self)
        column.addWidget(self.bar)
        column.addWidget(self.entries)


@pytest.fixture
def view(look: Look, qtbot: QtBot) -> ListWithFilter:
    widget = ListWithFilter(look)
    qtbot.addWidget(widget)
    widget.resize(264, 400)
    widget.show()
    widget.activateWindow()
    widget.entries.setFocus()
    qtbot.waitUntil(widget.entries.hasFocus)
    return widget


def test_slash_begins_typing_and_escape_clears_and_returns(view: ListWithFilter) -> None:
    heard: list[Filter] = []
    view.bar.changed.connect(heard.append)

    QTest.keyClick(view.entries, Qt.Key.Key_Slash)
    assert view.bar.field.hasFocus()
    assert view.bar._grammar.isVisible()
    QTest.keyClicks(view.bar.field, "/opt")
    assert view.bar.text == "/opt"
    assert heard[-1].terms == (Term(TermKind.TEXT, "/opt"),)
    QTest.keyClick(view.bar.field, Qt.Key.Key_Escape)

    assert view.entries.hasFocus()
    assert heard[-1] == Filter()
    assert not view.bar._grammar.isVisible()
    QTest.keyClick(view.entries, Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert view.bar.field.hasFocus()


def test_a_problem_leaves_the_filter_in_force_and_is_told(view: ListWithFilter) -> None:
    view.bar.set_text("tag:arm*")
    before = view.bar.filter

    view.bar.set_text("tag:arm* stat:x")

    assert view.bar.filter == before
    assert view.bar.problem.isVisible()
    assert "unknown key 'stat:'" in view.bar.problem.text()
    assert "unknown key" in view.bar.field.accessibleDescription()
    view.bar.set_text("tag:arm*")
    assert not view.bar.problem.isVisible()


def test_the_bar_counts_and_fits_a_narrow_panel(view: ListWithFilter) -> None:
    view.bar.set_count(24, 118)
    view.bar.begin()

    assert view.bar.count.text() == "24 of 118"
    assert isinstance(view.bar.field, QLineEdit)
    assert view.bar._grammar.height() > view.bar._grammar._boxes[0].height(), "the words take more than one line"
    assert all(each.right() <= view.bar._grammar.width() for each in view.bar._grammar._boxes)
