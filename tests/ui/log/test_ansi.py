"""Foreign output as text: colours survive, nothing is obeyed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.model.visible import is_visible
from kdeploy_gui.ui.log.ansi import Line, Span, clean

COLOURS = ["\x1b[31m", "\x1b[0m", "\x1b[38;5;9m", "\x1b[48;2;1;2;3m"]
SEQUENCES = [*COLOURS, "\x1b", "\x1b[", "\x1b]0;t", "\x07", "\x1b[?25l", "\x1bP", "\x1b\\", "\x9b"]
pieces = st.sampled_from([*SEQUENCES, *"\r\t\x00\u202e\u2066é;mK", "abc", "<b>", "31"])
hostile = st.one_of(st.text(), st.lists(pieces).map("".join))


@given(st.one_of(hostile, st.binary(), hostile.map(lambda text: text.encode("utf-8", "surrogatepass"))))
def test_nothing_is_obeyed_and_every_span_lies_in_the_text(data: str | bytes) -> None:
    line = clean(data)

    assert is_visible(line.text)
    ends = [0, *(each.end for each in line.spans)]
    assert all(before <= each.start < each.end for before, each in zip(ends, line.spans, strict=False))
    assert ends[-1] <= len(line.text)


@given(st.text(st.characters(categories=("L", "N", "P", "Zs"))), st.text(st.characters(categories=("L", "N"))))
def test_colours_take_no_room(before: str, after: str) -> None:
    assert clean(f"{before}\x1b[1;32m{after}\x1b[m").text == clean(before + after).text


@given(st.binary(max_size=200), st.integers(0, 200))
def test_a_cut_line_is_the_beginning_of_the_whole_one(data: bytes, cut: int) -> None:
    data = bytes(each for each in data if each not in b"\x1b\r")

    assert clean(data).text.startswith(clean(data[:cut], whole=cut >= len(data)).text)


@pytest.mark.parametrize(
    ("given_", "expected"),
    [
        ("\x1b[31mred\x1b[0m plain", Line("red plain", (Span(0, 3, "failed"),))),
        ("\x1b[38;5;10mgreen", Line("green", (Span(0, 5, "ready"),))),
        ("\x1b[38;5;200mplain", Line("plain")),
        ("\x1b[48;5;9mground\x1b[2mdim", Line("grounddim", (Span(6, 9, "t3"),))),
        ("\x1b[38;2;1;31;3mplain \x1b[93mwarn\x1b[39m.", Line("plain warn.", (Span(6, 10, "retry"),))),
        ("\x1b[1mbold\x1b[90mgrey\x1b[38:5:1mgrey", Line("boldgreygrey", (Span(0, 4, "t1"), Span(4, 12, "t3")))),
        (" 10 %\r 20 %\r100 %\r", Line("100 %")),
        ("\x1b[32m50 %\r\x1b[K60 %", Line("60 %", (Span(0, 4, "ready"),))),
        ("a\tb\t\tc", Line("a       b               c")),
        ("\x1b]0;title\x07shown\x1b]8;;http://x\x1b\\link", Line("shownlink")),
        ("\x1b]0;never ends", Line("\\x1b]0;never ends")),
        ("\x1b(Bcharset\x1b7saved\x1b[2J", Line("charsetsaved")),
        ("nul\x00 bidi\u202e bell\x07 \x9b31m", Line("nul\\x00 bidi\\u202e bell\\x07 \\x9b31m")),
        (b"\xff\xfe caf\xc3\xa9", Line("\\xff\\xfe café")),
    ],
)
def test_examples(given_: str | bytes, expected: Line) -> None:
    assert clean(given_) == expected


def test_a_very_long_line_is_read_quickly() -> None:
    assert len(clean(b"\x1b[31mx" * 200_000).text) == 200_000
