"""Output made harmless, and points in time as people type them."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.cli.since import parse_since
from kdeploy_gui.cli.text import OutputText, count
from kdeploy_gui.model.visible import visible, visible_lines

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain äöü €", "plain äöü €"),
        ("a\x1b[31mb", r"a\x1b[31mb"),
        ("\x00\x07\x7f\x9b", r"\x00\x07\x7f\x9b"),
        ("\u202eabc\u2066", r"\u202eabc\u2066"),
        ("one\ntwo\t", r"one\ntwo\t"),
        ("\u2028\udcff", r"\u2028\xff"),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_lines_and_tabs_stay_in_lines() -> None:
    assert visible_lines("a\tb\r\nc\rd\x1b") == "a\tb\nc\\rd\\x1b"


@given(st.text())
def test_what_is_visible_can_always_be_printed(text: str) -> None:
    shown = visible(text)
    assert shown.encode("utf-8").decode() == shown
    assert all(character.isprintable() or ord(character) > 0x9F for character in shown)
    assert visible(shown) == shown


@given(st.binary(), st.lists(st.integers(0, 200)))
def test_output_is_the_same_however_it_is_cut(data: bytes, cuts: list[int]) -> None:
    whole = OutputText().add(data, final=True)
    decoder, edges = OutputText(), sorted({0, len(data), *(cut for cut in cuts if cut < len(data))})
    parts = [decoder.add(data[start:end]) for start, end in itertools.pairwise(edges)]
    assert "".join([*parts, decoder.add(b"", final=True)]) == whole


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("24h", NOW - timedelta(hours=24)),
        ("7d", NOW - timedelta(days=7)),
        (" 90m ", NOW - timedelta(minutes=90)),
        ("99999w", NOW - timedelta(weeks=99999)),
        ("2026-11-01T08:30:00Z", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01T08:30+02:00", datetime(2026, 11, 1, 6, 30, tzinfo=UTC)),
        ("2026-11-01", datetime(2026, 11, 1).astimezone(UTC)),
    ],
)
def test_since(text: str, moment: datetime) -> None:
    assert parse_since(text, NOW) == moment


@pytest.mark.parametrize("text", ["", "soon", "7 days", "-1h", "2026-13-01", "1234567d", "24"])
def test_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_since(text, NOW)


def test_count() -> None:
    assert [count(number, "dependency", "dependencies") for number in (0, 1, 2)] == [
        "0 dependencies",
        "1 dependency",
        "2 dependencies",
    ]
