"""Rows of a log: stages fold, places last, text is read where it is looked at."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.model.event import (
    Channel,
    EnvironmentFinished,
    EnvironmentQueued,
    FactFound,
    OutputAppended,
    StageFinished,
    StageStarted,
)
from kdeploy_gui.model.stage import Stage, StageOutcome, Status
from kdeploy_gui.ui.log.copying import copied
from kdeploy_gui.ui.log.document import LogDocument
from kdeploy_gui.ui.log.group import Output
from kdeploy_gui.ui.log.narrate import Level
from kdeploy_gui.ui.log.painting import clock
from kdeploy_gui.ui.log.rows import SHOWN, Header, Row, tell
from kdeploy_gui.ui.log.scan import PROBLEMS, Hits, scan_notes, scan_output
from kdeploy_gui.ui.states import Condition
from tests.ui.log.story import START, Story, failed_story, index_all, passed_story, texts


def headers(document: LogDocument) -> list[Header]:
    return [row for number in document.headers() if isinstance(row := document.row(number), Header)]


def find_problems(document: LogDocument) -> None:
    found: dict[tuple[int, int], Hits] = {}
    for key, block in document.blocks():
        if isinstance(block, Output):
            places, _ = scan_output(PROBLEMS, document.read, block.lines.offset, block.lines.end)
        else:
            places = scan_notes(PROBLEMS, block.notes, 0)
        found[key] = Hits(places)
    document.problems = found
    document.refresh()


def test_what_the_console_printed_is_not_in_the_log() -> None:
    story = failed_story()
    before = texts(story.document())
    story.tell(OutputAppended(0, 5, Channel.CONSOLE), Stage.INSTRUMENTATION)
    assert texts(story.document()) == before


def test_what_passed_is_one_line_and_the_failed_stage_is_open() -> None:
    document = failed_story().document()

    assert texts(document) == [
        "[Stages 1 to 4 passed] 1 dependency installed, 1 file sent and 1 same",
        "[5 Instrumentation setup] Stopped: the kernel reported a splat",
        "BUG: KASAN: slab-use-after-free",
        "all quiet",
        "Failed after 3.0 s",
        "the kernel reported a splat (E-SPLAT)",
        "The files are deployed.",
        "Restore the snapshot.",
        "dmesg ended with status 1",
        "one",
        "two",
        "Failed: the kernel reported a splat",
    ]
    passed, failed = headers(document)
    assert (passed.condition, passed.open, passed.seconds) == (Condition.DONE, False, 12.0)
    assert (failed.condition, failed.open) == (Condition.FAILED, True)
    assert [getattr(document.row(number), "level", None) for number in (2, 3)] == [Level.PROBLEM, Level.PLAIN]
    assert document.lines == 21


def test_rows_tell_when_and_from_where() -> None:
    document = failed_story().document()
    output, note = document.row(2), document.row(4)

    assert isinstance(output, Row)
    assert isinstance(note, Row)
    assert (output.source, note.source) == ("target", "kdeploy")
    assert output.time == START + timedelta(seconds=16)
    assert note.time == START + timedelta(seconds=18)


def test_stages_open_and_close() -> None:
    document = failed_story().document()
    document.fold(0, True)

    assert [each.title for each in headers(document)][:3] == [
        "Stages 1 to 4 passed",
        "1 Artifact preparation",
        "2 Environment connection",
    ]
    document.fold(3, True)
    assert texts(document)[4:6] == ["Reading package lists", "Done"]
    assert document.is_below_passed(4)
    assert not document.is_below_passed(0)

    document.fold(4, False)
    assert not headers(document)[3].open
    document.fold(3, False)
    assert len(headers(document)) == 2


def test_the_last_stage_stays_open_when_everything_passed() -> None:
    assert texts(passed_story().document()) == [
        "[Stages 1 to 5 passed]",
        "[6 Readiness validation] 1 of 1 check passed",
        "Check files passed: all as declared (all as declared)",
        "READY: all passed",
        "Done after 3.0 s",
        "Ready",
    ]


def test_a_stage_that_passes_stays_open_where_someone_reads() -> None:
    story = Story()
    story.stage(Stage.PREPARING)
    story.tell(StageStarted(), Stage.CONNECTING)
    story.tell(FactFound("kernel", "6.12"), Stage.CONNECTING)
    document = story.document()
    document.hold = True
    before = document.address(len(document) - 1)
    story.tell(StageFinished(StageOutcome.SUCCEEDED, 1.0), Stage.CONNECTING)
    document.add(tell(story.events[-1:]))

    assert document.is_shown(before)


def test_waiting_retrying_and_interrupted_are_told_in_the_header() -> None:
    story = Story()
    story.tell(EnvironmentQueued(2, "locked by run 7"))
    waiting = headers(story.document())[0]
    story.tell(StageStarted(), Stage.PREPARING)
    story.tell(StageStarted(), Stage.PREPARING, attempt=2)
    retrying = headers(story.document())[0]
    story.tell(EnvironmentFinished(Status.INTERRUPTED, False))
    interrupted = headers(story.document())[0]

    assert (waiting.condition, waiting.said) == (Condition.QUEUED, "locked by run 7")
    assert (retrying.condition, retrying.said) == (Condition.RETRYING, "Attempt 2")
    assert interrupted.condition is Condition.INTERRUPTED
    assert not story.document().goes_on


def test_output_without_an_end_is_not_glued_to_other_output() -> None:
    story = Story()
    story.tell(StageStarted(), Stage.DEPENDENCIES)
    story.output(b"first pa", Stage.DEPENDENCIES)
    story.output(b"rt\nno end", Stage.DEPENDENCIES)
    story.tell(FactFound("a", "b"), Stage.DEPENDENCIES)
    story.output(b"other", Stage.DEPENDENCIES)

    assert texts(story.document())[1:] == ["first part", "no end", "a: b", "other"]


def test_a_line_that_grows_is_read_again() -> None:
    story = Story()
    story.tell(StageStarted(), Stage.DEPENDENCIES)
    story.output(b"half", Stage.DEPENDENCIES)
    document = story.document()
    assert texts(document)[-1] == "half"
    story.output(b" and half\n", Stage.DEPENDENCIES)
    document.add(tell(story.events[-1:]))
    index_all(document)

    assert texts(document)[-1] == "half and half"


def test_a_huge_line_is_cut_and_copied_whole() -> None:
    story = Story()
    story.tell(StageStarted(), Stage.DEPENDENCIES)
    story.output(b"x" * 1_000_000 + b"\n", Stage.DEPENDENCIES)
    story.output(b"10 %\r" * 2000 + b"100 %\r\n", Stage.DEPENDENCIES)
    document = story.document()
    huge, progress = document.row(1), document.row(2)

    assert isinstance(huge, Row)
    assert isinstance(progress, Row)
    assert (len(huge.text), huge.hidden) == (SHOWN, 1_000_001 - SHOWN)
    assert (progress.text, progress.hidden) == ("100 %", 0)
    assert len(copied(document, 1, 1, raw=True)()) == 1_000_000


def test_copies_say_where_they_are_from() -> None:
    story = failed_story()
    document = story.document()

    assert copied(document, 1, 3, raw=False)().split("\n") == [
        "vm-kasan, run 118, 5 instrumentation setup",
        "5 Instrumentation setup  Stopped: the kernel reported a splat",
        f"{clock(START + timedelta(seconds=16))}  target   BUG: KASAN: slab-use-after-free",
        f"{clock(START + timedelta(seconds=17))}  target   all quiet",
    ]
    assert copied(document, 2, 3, raw=True)() == "BUG: KASAN: slab-use-after-free\nall quiet"


def test_problems_only_keeps_the_headers() -> None:
    document = failed_story().document()
    quiet = document.address(3)
    find_problems(document)

    assert texts(document)[:3] == [
        "[Stages 1 to 4 passed] 1 dependency installed, 1 file sent and 1 same",
        "[5 Instrumentation setup] Stopped: the kernel reported a splat",
        "BUG: KASAN: slab-use-after-free",
    ]
    assert "all quiet" not in texts(document)
    assert not document.is_kept(quiet)
    assert document.is_kept(document.address(2))
    assert document.row_of(quiet) in range(len(document))


@given(st.lists(st.integers(0, 30)), st.booleans())
def test_addresses_last_whatever_folds(folds: list[int], filtered: bool) -> None:
    document = failed_story().document()
    if filtered:
        find_problems(document)
    for step in folds:
        document.fold(step % len(document), step % 3 > 0)
        addresses = [document.address(row) for row in range(len(document))]
        assert addresses == sorted(addresses)
        assert [document.row_of(each) for each in addresses] == list(range(len(document)))
        assert all(document.is_shown(each) for each in addresses)


def test_what_is_hidden_can_be_revealed() -> None:
    document = failed_story().document()
    header = document.header_of(Stage.DEPENDENCIES)
    line = (header[0], 0, 0)

    assert not document.is_shown(line)
    assert document.row(document.row_of(line)) == headers(document)[0]
    document.reveal(line)
    assert document.is_shown(line)


def test_times_lead_to_rows() -> None:
    document = failed_story().document()

    assert document.row_at_time(START + timedelta(seconds=17)) == 3
    assert document.row_at_time(START + timedelta(days=1)) == len(document) - 1
    assert document.begin == START + timedelta(seconds=1)


def test_new_lines_are_counted_from_the_last_one_seen() -> None:
    story = failed_story()
    document = story.document()
    last = document.last_line()
    assert document.lines_after(last) == 0

    story.tell(EnvironmentFinished(Status.FAILED, False))
    document.add(tell(story.events[-1:]))
    assert document.lines_after(last) == 1


def test_scrolling_reads_a_window_not_a_line() -> None:
    story = Story()
    story.tell(StageStarted(), Stage.DEPENDENCIES)
    story.output(b"".join(b"line %d of the output\n" % number for number in range(2000)), Stage.DEPENDENCIES)
    document = story.document()
    story.reads = 0
    for number in range(1, 2001):
        document.row(number)

    assert story.reads <= 3


def test_output_that_is_gone_leaves_no_rows() -> None:
    story = Story()
    story.tell(StageStarted(), Stage.DEPENDENCIES)
    story.tell(OutputAppended(0, 1000), Stage.DEPENDENCIES)

    assert len(story.document()) == 1
