"""What a machine prints may colour and move the cursor on the engineer's terminal, and nothing else."""

from __future__ import annotations

import itertools
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kdeploy_gui.cli.escape_keys import EscapeKeys, Typed, Wish
from kdeploy_gui.cli.terminal_filter import TerminalFilter

ALLOWED = re.compile(
    r"\x1b\[[0-9;:]*[A-Za-z@`]|\x1b\[\??(?:1|4|7|12|20|25|47|1047|1049|2004)[hl]|\x1b[78DEM=>]|\x1b[()][0B]|"
    r"[\r\n\t\b\a\x0e\x0f]"
)
NOISE = st.lists(
    st.one_of(
        st.binary(max_size=6),
        st.sampled_from([b"\x1b", b"\x1b[", b"\x1b]0;", b"\x1bP", b"\x9b", b"\x07", b"\x1b\\", b"m", b"6n", b"\x18"]),
    ),
    max_size=20,
).map(b"".join)

HARMLESS = [
    b"\x1b[1;31mred\x1b[0m\r\n",
    b"\x1b[2J\x1b[H\x1b[12;40Hmenu\x1b[K",
    b"\x1b[?25l\x1b[?1049h\x1b[?7l\x1b[4h",
    b"\x1b[3;20r\x1b[2L\x1b[1M\x1b7\x1b8\x1bM",
    b"\x1b(0lqk\x1b(B\x0e\x0f",
    b"\tone\b\a\r\n",
    "grün 漢".encode(),
]
HOSTILE = [
    (b"a\x1b]0;title\x07b", "ab"),
    (b"a\x1b]52;c;ZXZpbA==\x1b\\b", "ab"),
    (b"a\x1b]8;;file:///etc\x1b\\b", "ab"),
    (b'a\x1bP$q"p\x1b\\b', "ab"),
    (b"a\x1b_apc\x1b\\\x1b^pm\x1b\\\x1bXsos\x1b\\b", "ab"),
    (b"a\x1b[6n\x1b[c\x1b[>c\x1b[0q\x1b[>q\x1b[5nb", "ab"),
    (b"a\x1bZ\x05b", "a\\x05b"),
    (b"a\x1b[21t\x1b[8;1;1tb", "ab"),
    (b"a\x1b[?1000h\x1b[?1003h\x1b[?1006hb", "ab"),
    (b"a\x1b[5i\x1b[4ib", "ab"),
    (b"a\x1b[3Jb\x1bcc", "abc"),
    (b"a\x1b[999999999bb", "ab"),
    (b"a\x1b[1;2;3;4;5Tb", "ab"),
    (b"a\x1b[>4;2mb\x1b[?1$pb", "abb"),
    (b"a\xc2\x9b6nb", "a\\x9b6nb"),
    (b"a\x9d0;t\x9cb", "a\\x9d0;t\\x9cb"),
    ("a\u202eb".encode(), "a\\u202eb"),
    (b"a\x00\x7fb\xff", "ab\\xff"),
    (b"a\x1b[" + b"1;" * 500 + b"mb", "ab"),
    (b"a\x1b#8b\x1b%Gc", "abc"),
    (b"a\x1b[12\x18b", "ab"),
]


@pytest.mark.parametrize("data", HARMLESS)
def test_colours_cursor_and_text_go_through(data: bytes) -> None:
    assert TerminalFilter().feed(data) == data.decode()


@pytest.mark.parametrize(("data", "shown"), HOSTILE)
def test_what_could_take_the_terminal_over_does_not(data: bytes, shown: str) -> None:
    assert TerminalFilter().feed(data) == shown


def steers(character: str) -> bool:
    """Whether it does something to the terminal or the reading order, by Unicode's own tables."""
    order = {"LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI"}
    return unicodedata.category(character) in {"Cc", "Cs", "Zl", "Zp"} or unicodedata.bidirectional(character) in order


@example("\u0600".encode(), [])
@given(NOISE, st.lists(st.integers(min_value=0), max_size=6))
def test_however_it_is_cut_the_result_is_the_same_and_harmless(data: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    cut_up = TerminalFilter()
    shown = "".join(cut_up.feed(data[start:end]) for start, end in itertools.pairwise(places))
    assert shown == TerminalFilter().feed(data)
    rest = ALLOWED.sub("", shown)
    assert not [each for each in rest if steers(each)], ascii(rest)
    assert not re.search(r"\x1b\[[0-9;:]*[bcgijklnopqtuvwxyz](?<![lu])", shown)


def test_a_string_that_nobody_ends_hides_no_more_than_its_line() -> None:
    filtered = TerminalFilter()
    assert filtered.feed(b"\x1bP noise\r\nlogin: ") == "\r\nlogin: "
    assert filtered.feed(b"\x1b]0;" + b"x" * 100_000) == ""
    assert filtered.feed(b"\nlogin: ") == "\nlogin: "


def test_what_was_switched_is_switched_back() -> None:
    filtered = TerminalFilter()
    assert filtered.restoring() == ""
    filtered.feed(b"\x1b[?25l\x1b[?1049h\x1b[?7l\x1b[31m\x1b[2;5r\x1b(0\x0e\x1b=")
    restored = filtered.restoring()
    for each in ("\x1b[?25h", "\x1b[?1049l", "\x1b[?7h", "\x1b[0m", "\x1b[r", "\x1b(B", "\x0f", "\x1b>"):
        assert each in restored


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        (b"ls\r", [Typed(b"ls\r")]),
        (b"~.", [Typed(b"", Wish.END)]),
        (b"ls\r~.rm\r", [Typed(b"ls\r", Wish.END)]),
        (b"a~.\r", [Typed(b"a~.\r")]),
        (b"~~.\r", [Typed(b"~.\r")]),
        (b"~x", [Typed(b"~x")]),
        (b"~?id\r", [Typed(b"", Wish.HELP), Typed(b"id\r")]),
        (b"\n~\r~.", [Typed(b"\n~\r", Wish.END)]),
        (b"~", []),
    ],
)
def test_keys_that_are_for_kdeploy(keys: bytes, found: list[Typed]) -> None:
    assert EscapeKeys().feed(keys) == found


@given(st.lists(st.sampled_from([b"~", b".", b"?", b"a", b"\r", b"\n", b"\xff"]), max_size=20).map(b"".join))
def test_keys_mean_the_same_one_by_one(keys: bytes) -> None:
    def sense(found: list[Typed]) -> list[bytes | Wish]:
        done: list[bytes | Wish] = []
        for each in found:
            done.extend(bytes((number,)) for number in each.data)
            done.extend([each.wish] if each.wish else [])
        return done

    one_by_one, single = EscapeKeys(), list[Typed]()
    for number in keys:
        single += one_by_one.feed(bytes((number,)))
        if single and single[-1].wish is Wish.END:
            break
    assert sense(single) == sense(EscapeKeys().feed(keys))
