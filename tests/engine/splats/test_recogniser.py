"""The recogniser as a stream: pieces, noise, long lines, bounds, and the recordings of real kernels."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.engine.splats.recogniser import CALLERS, Recogniser
from kdeploy_gui.engine.splats.report import MOST_LINES
from kdeploy_gui.model.splat import Grade, Severity, Splat, SplatClass
from tests.engine.splats.corpus import CASES, Case, recording, splats_in

OOPS = b"BUG: kernel NULL pointer dereference, address: 0000000000000008\n"
NULL = "NULL pointer dereference"
_noise = st.sampled_from(
    [
        b"\n",
        b"\r",
        b"\r\n",
        b"\0",
        b"\xff\xfe",
        b"\x1b[31m",
        b"\x1b",
        b"x" * 9000,
        b"[ 1.5",
        b"BUG: KASAN: ",
        b"** 3 printk messages dropped **\n",
        b"    # Subtest: kasan\n",
        b"ok 1 kasan\n",
        b"systemd[1]: Started.\n",
    ]
)
_texts = st.lists(st.sampled_from([each.text for each in CASES]) | _noise | st.binary(max_size=40), max_size=6)


def in_pieces(data: bytes, cuts: list[int]) -> list[Splat]:
    recogniser = Recogniser()
    found: list[Splat] = []
    places = sorted({min(each, len(data)) for each in cuts} | {len(data)})
    for begin, end in zip([0, *places], places, strict=False):
        found += recogniser.feed(data[begin:end])
    return found + recogniser.settle()


@settings(max_examples=300)
@given(st.data())
def test_pieces_make_no_difference(data: st.DataObject) -> None:
    text = b"".join(data.draw(_texts))
    cuts = data.draw(st.lists(st.integers(0, len(text)), max_size=12))
    assert in_pieces(text, cuts) == splats_in(text)


@pytest.mark.parametrize("case", CASES, ids=[each.name for each in CASES])
def test_byte_by_byte(case: Case) -> None:
    text = case.text
    assert in_pieces(text, list(range(len(text)))) == splats_in(text)


@given(st.binary(max_size=400), st.sampled_from([b"", b"\n"]))
def test_a_report_is_found_whatever_came_before_its_line(noise: bytes, end: bytes) -> None:
    found = splats_in(noise + b"\n" + OOPS.rstrip() + end)
    assert found[-1].title == NULL


@pytest.mark.parametrize("case", CASES, ids=[each.name for each in CASES])
def test_line_ends_and_colours_of_a_console_change_nothing(case: Case) -> None:
    text = case.text
    plain = splats_in(text)
    assert splats_in(text.replace(b"\n", b"\r\r\n")) == plain
    assert splats_in(text.replace(b"\n", b"\x1b[0m\n").replace(b"BUG", b"\x1b[31mBUG")) == plain
    assert splats_in(text.replace(b"KASAN", b"KA\0SAN")) == plain


def test_progress_before_a_report_does_not_hide_it() -> None:
    assert [each.title for each in splats_in(b"  12 %\r  99 %\r" + OOPS)] == [NULL]


def test_a_line_of_a_megabyte() -> None:
    recogniser = Recogniser()
    for _ in range(256):
        assert recogniser.feed(b"x" * 4096) == []
    assert len(recogniser._held) <= 8192
    assert recogniser.feed(b"\n" + OOPS) == []
    assert [each.title for each in recogniser.settle()] == [NULL]


def test_a_report_without_an_end_is_closed_after_some_lines() -> None:
    recogniser = Recogniser()
    found = recogniser.feed(OOPS + b"nothing that ends it\n" * (MOST_LINES + 1))
    assert [each.title for each in found] == [NULL]
    assert not recogniser.pending
    assert len(found[0].excerpt) < 20_000


def test_reports_that_are_open_are_bounded() -> None:
    recogniser = Recogniser()
    found = recogniser.feed(b"".join(b"[    1.000000][ T%d] " % each + OOPS for each in range(100)))
    assert len(found) == 100 - CALLERS
    assert len(recogniser.settle()) == CALLERS


def test_lines_of_others_end_a_report_too() -> None:
    recogniser = Recogniser()
    recogniser.feed(b"[    1.000000][ T1] " + OOPS)
    assert recogniser.feed(b"[    4.000000][ T2] usb 1-1: new device\n") != []


def test_half_a_line_counts_when_nothing_more_comes() -> None:
    recogniser = Recogniser()
    assert recogniser.feed(OOPS[:-1]) == []
    assert [each.title for each in recogniser.settle()] == [NULL]
    assert recogniser.settle() == []


def test_an_emulated_machine_is_slow_not_stuck() -> None:
    stuck = b"watchdog: BUG: soft lockup - CPU#0 stuck for 26s! [swapper/0:1]\n"
    assert [each.grade for each in splats_in(stuck)] == [Grade.REAL]
    found = splats_in(stuck, emulated=True)
    assert [(each.grade, each.counts) for each in found] == [(Grade.SUSPECT, False)]


def test_what_counts() -> None:
    real = splats_in(OOPS)[0]
    note = splats_in(b"kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n")[0]
    assert (real.counts, note.counts) == (True, False)


def test_kasan_recording() -> None:
    found = splats_in(recording("kasan-kunit-6.1"))
    kasan = [each for each in found if each.kind is SplatClass.KASAN]
    assert len(kasan) == recording("kasan-kunit-6.1").count(b"BUG: KASAN") == 80
    assert {each.grade for each in kasan} == {Grade.EXPECTED}
    assert [each.title for each in found if each.counts] == ["panic: Attempted to kill init! exitcode=N"]
    titles = Counter(each.title for each in kasan)
    assert len(titles) == 43
    assert titles["KASAN: use-after-free Read in kasan_strings"] == 6
    assert titles["KASAN: double-free in kmalloc_double_kzfree"] == 1
    assert all(each.frames for each in kasan)
    assert not [each for each in kasan if " in kunit" in each.title or "0x" in each.title]


def test_kcsan_recording() -> None:
    found = splats_in(recording("kcsan-kunit-6.1"))
    assert [each.kind for each in found] == [SplatClass.KCSAN] * 41
    assert {each.grade for each in found} == {Grade.EXPECTED}
    assert len({each.title for each in found}) == 17
    assert {each.severity for each in found} == {Severity.ERROR}


def test_the_same_defect_at_another_time_and_place_has_the_same_title() -> None:
    case = next(each for each in CASES if "printk times and callers" in each.name)
    later = case.text.replace(b"[   71.", b"[ 9071.").replace(b"T1893", b"T77").replace(b"/1893", b"/77")
    moved = later.replace(b"ffff88810a3c5d40", b"ffff888200000000").replace(b"+0x118/0x1f0", b"+0x11c/0x200")
    first, second = splats_in(case.text)[0], splats_in(moved)[0]
    assert (first.title, first.frames) == (second.title, second.frames)
    assert first.printed != second.printed


@pytest.mark.parametrize(
    "line",
    [
        b"BUG: " * 1600,
        b"a: " * 20 + b"BUG: " + b"a " * 3000,
        b"[ " * 4000,
        b"INFO: task " + b":1" * 4000,
        b"UBSAN: " + b"a-" * 4000,
        b"rcu_" * 2000,
        b"[    1.000000] " * 500,
        b"refcount_t: " + b"a;" * 4000,
        b"list_add corruption\nCall Trace:\n" + b" a.a" * 2000 + b"+0x1\n" + b" " * 8000 + b"x\n",
    ],
)
def test_hostile_lines_take_no_time(line: bytes) -> None:
    """A pattern that backtracks would not come back."""
    splats_in((line + b"\n") * 50)


def test_a_suite_that_is_heard_of_no_more_ends_after_some_lines() -> None:
    report = b"BUG: KASAN: use-after-free in real_driver+0x1/0x2\n"
    suite = b"    # Subtest: kasan\n"
    assert [each.grade for each in splats_in(suite + b"a line\n" * 4000 + report)] == [Grade.EXPECTED]
    assert [each.grade for each in splats_in(suite + b"a line\n" * 6000 + report)] == [Grade.REAL]


def test_lines_of_many_others_end_a_report() -> None:
    recogniser = Recogniser()
    recogniser.feed(b"[    1.000000][ T1] " + OOPS)
    assert recogniser.feed(b"[    1.100000][ T2] usb 1-1: new device\n" * (MOST_LINES + 1)) != []


def test_prefaces_of_many_are_bounded() -> None:
    cuts = b"".join(b"[    1.000000][ T%d] ------------[ cut here ]------------\n" % each for each in range(40))
    assert [each.title for each in splats_in(cuts + b"[    1.000000][ T1] " + OOPS)] == [NULL]
