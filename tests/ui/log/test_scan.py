"""Lines are found wherever they are, in any case and through colours."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.ui.log import scan as module
from kdeploy_gui.ui.log.ansi import clean
from kdeploy_gui.ui.log.scan import PROBLEMS, is_problem, query_for, scan_output

pieces = [b"kasan", b"KASAN ", b"k\x1b[31masan", b"\n", b"\n", b"x", b"kas", b"an", b"\r", b"\xc3\x89t\xc3\xa9 "]
outputs = st.lists(st.sampled_from(pieces), max_size=40).map(b"".join)


def naive(data: bytes, wanted: str) -> list[int]:
    places, position = [], 0
    for line in data.split(b"\n"):
        if wanted in clean(line).text.lower():
            places.append(position)
        position += len(line) + 1
    return places


@given(outputs, st.sampled_from(["kasan", "KaSaN", "été", "x"]), st.integers(1, 50))
def test_every_line_that_shows_the_text_is_found(data: bytes, wanted: str, chunk: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "CHUNK", chunk)
        places, done = scan_output(query_for(wanted), lambda at, size: data[at : at + size], 0, len(data))

    assert list(places) == naive(data, wanted.lower())
    assert done == data.rfind(b"\n") + 1


@given(outputs, st.integers(0, 200))
def test_looking_again_from_the_last_line_finds_the_same(data: bytes, cut: int) -> None:
    query, first = query_for("kasan"), min(cut, len(data))
    places, done = scan_output(query, lambda at, size: data[at : min(at + size, first)], 0, first)
    again, _ = scan_output(query, lambda at, size: data[at : at + size], done, len(data))

    assert [each for each in places if each < done] + list(again) == naive(data, "kasan")


@pytest.mark.parametrize(
    "text",
    [
        "E: Unable to locate package iperf9",
        "cp: cannot stat 'x': No such file or directory",
        "[ 8237.104512] BUG: KASAN: slab-use-after-free in nsim+0x3a4/0x4f0 [netdevsim]",
        "[ 8237.104688] Read of size 8 at addr ffff0000c6a2d418 by task kworker/1:3/412",
        "[ 8237.106021] Call trace:",
        "WARNING: apt does not have a stable CLI interface",
    ],
)
def test_problems_are_told_alike_in_text_and_bytes(text: str) -> None:
    data = f"fine\n{text}\nfine\n".encode()

    assert is_problem(text)
    assert list(scan_output(PROBLEMS, lambda at, size: data[at : at + size], 0, len(data))[0]) == [5]
    assert not is_problem("Get:1 http://deb.debian.org iperf3 3.12")


SAMPLES = [
    "x",
    "E: ",
    "W: a",
    "oops",
    "error",
    "errors",
    "BUG",
    "debug",
    "\n",
    "\n",
    "cannot ",
    " ",
    "func+0x1/0x2f",
    "\r",
]
SAMPLES += [
    "[ 1.2] CPU: 1 ",
    "kernel panic",
    "Call trace:",
    "No such file",
    "no space left",
    "KASAN",
    "soft lockup",
    "é",
]


@given(st.lists(st.sampled_from(SAMPLES), max_size=40).map("".join))
def test_hints_leave_out_no_problem(text: str) -> None:
    data = text.encode()
    places, _ = scan_output(PROBLEMS, lambda at, size: data[at : at + size], 0, len(data))

    expected, position = [], 0
    for line in data.split(b"\n"):
        raw = is_problem(line.decode())
        if raw and ("\r" not in line.decode()[:-1] or is_problem(clean(line).text)):
            expected.append(position)
        position += len(line) + 1
    assert list(places) == expected


def test_a_line_without_end_is_looked_through_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 10)
    monkeypatch.setattr(module, "LONGEST", 20)
    data = b"x" * 95 + b"kasan"

    places, _ = scan_output(query_for("kasan"), lambda at, size: data[at : at + size], 0, len(data))

    assert len(places) == 1
