"""What people see of a run: live table, plain lines, summary."""

from __future__ import annotations

import io
import os
import pty
import re
import select
import struct
import subprocess
import termios
from datetime import UTC, datetime, timedelta
from fcntl import ioctl

import pytest
from rich.console import ConsoleDimensions

from kdeploy_gui.cli.look import Screen
from kdeploy_gui.cli.progress import LiveTable, PlainLines
from kdeploy_gui.cli.summary import print_summary
from kdeploy_gui.errors import Category, Evidence
from kdeploy_gui.model.event import (
    Body,
    CheckDone,
    DependencyDone,
    EnvironmentFinished,
    EnvironmentQueued,
    Event,
    FactFound,
    FileDone,
    InstrumentState,
    RetryScheduled,
    RunFinished,
    RunSubmitted,
    StageFinished,
    StageProgress,
    StageStarted,
    TargetRebooted,
)
from kdeploy_gui.model.failure import Failure, Place
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.splat import Grade, Severity, Splat, SplatClass, SplatSeen
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status
from tests.cli.program import BUFFERED, COMMAND, Lab
from tests.lab.sshd import Sshd

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HOSTILE = "[red]no[/red] \x1b[2J\u202e :skull: \x9b31m"
HARMLESS = r"[red]no[/red] \x1b[2J\u202e :skull: \x9b31m"


def events(*told: tuple[str, Stage | None, Body]) -> list[Event]:
    """Events of one run, a tenth of a second apart."""
    return [
        Event(
            seq=number,
            time=NOW + timedelta(seconds=number / 10),
            run=7,
            environment=environment,
            stage=stage,
            attempt=1 if stage else 0,
            body=body,
        )
        for number, (environment, stage, body) in enumerate(told, 1)
    ]


def failure(message: str = "lost") -> Failure:
    return Failure(
        "E-LOST",
        Category.NET,
        message,
        where=Place("b", Stage.DEPLOYING.value, "/opt/x"),
        on_target="The previous version.",
        remedy="Look at the cable.",
        evidence=Evidence("tar -x", 1, "one\ntwo"),
    )


def a_run() -> list[Event]:
    deploying = Stage.DEPLOYING
    return events(
        ("", None, RunSubmitted("smoke", ("a", "b", "c", "d"))),
        ("a", Stage.PREPARING, StageStarted()),
        ("a", Stage.PREPARING, StageFinished(StageOutcome.SUCCEEDED, 0.25)),
        ("a", deploying, StageStarted()),
        ("a", deploying, StageProgress(300_000, 1_000_000, "bytes")),
        ("b", deploying, StageStarted()),
        ("b", deploying, RetryScheduled(4.0, failure(HOSTILE))),
        ("b", deploying, StageStarted()),
        ("b", deploying, StageFinished(StageOutcome.FAILED, 1.5)),
        ("b", None, EnvironmentFinished(Status.FAILED, False, failure(HOSTILE))),
        ("c", Stage.VALIDATING, StageStarted()),
        ("c", deploying, FileDone("/opt/x", "sent", 2000, "00")),
        ("c", None, EnvironmentFinished(Status.COMPLETED, True)),
    )


def screen(width: int = 80, height: int = 24) -> Screen:
    drawn = Screen(io.StringIO())
    drawn.size = ConsoleDimensions(width, height)
    return drawn


def frame(state: RunState, width: int = 80, height: int = 24) -> list[str]:
    canvas = screen(width, height)
    table = LiveTable(canvas)
    try:
        with canvas.capture() as captured:
            canvas.print(table.frame(state, NOW + timedelta(seconds=10)))
    finally:
        table.close()
    return captured.get().splitlines()


@pytest.mark.parametrize("width", [40, 80, 139, 140, 200])
def test_table_fits_and_says_states_in_words(width: int) -> None:
    lines = frame(fold(a_run()), width)
    assert all(len(line) <= width for line in lines)
    rows = {line.split()[0]: line for line in lines[3:]}
    assert list(rows) == ["a", "b", "c", "d"]
    if width >= 80:
        assert "script deployment 293 KiB of 977 KiB" in rows["a"]
        assert "failed E-LOST" in rows["b"]
        assert "completed, READY" in rows["c"]
        assert "pending" in rows["d"]
    assert "2 of 4 ended, 1 READY" in "".join(lines)


def test_wide_table_has_a_column_per_stage() -> None:
    lines = frame(fold(a_run()), 200)
    assert lines[2].split()[:3] == ["environment", "prepare", "connect"]
    assert "✓ 0.2 s" in lines[3]
    assert "▸ 30 %" in lines[3]
    assert "✗ failed" in lines[4]


def test_foreign_text_is_shown_and_never_obeyed() -> None:
    text = "\n".join(frame(fold(a_run()), 300))
    assert HARMLESS in text
    assert not {"\x1b", "\x9b", "\u202e"} & set(text)


def test_many_environments_fit_the_terminal_and_those_at_work_are_seen() -> None:
    names = tuple(f"board-{number:03}" for number in range(300))
    told: list[tuple[str, Stage | None, Body]] = [("", None, RunSubmitted("smoke", names))]
    told += [(name, None, EnvironmentFinished(Status.COMPLETED, True)) for name in names[:200]]
    told += [
        ("board-250", Stage.CONNECTING, StageStarted()),
        ("board-299", None, EnvironmentFinished(Status.FAILED, False)),
    ]
    lines = frame(fold(events(*told)), 80, 24)
    assert len(lines) <= 24
    assert lines[-1] == "and 281 more"
    text = "\n".join(lines)
    assert "board-250" in text
    assert "board-299" in text


def test_any_beginning_of_a_run_can_be_drawn() -> None:
    told = a_run()
    for length in range(len(told) + 1):
        assert frame(fold(told[:length]))


def plain(told: list[Event], capsys: pytest.CaptureFixture[str], *, verbose: bool) -> list[str]:
    PlainLines(screen(), verbose).show(told, fold(told))
    return [line.split(" ", 1)[1] for line in capsys.readouterr().out.splitlines()]


def test_plain_lines_tell_ends_and_retries(capsys: pytest.CaptureFixture[str]) -> None:
    assert plain(a_run(), capsys, verbose=False) == [
        "run 7: smoke on 4 environments",
        "a: ✓ artifact preparation succeeded (0.2 s)",
        f"b: ↻ script deployment again in 4.0 s: E-LOST: {HARMLESS}",
        "b: ✗ script deployment failed (1.5 s)",
        f"b: ✗ failed, E-LOST: {HARMLESS}",
        "c: ✓ completed, READY",
    ]


def test_plain_lines_tell_waits_reboots_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    told = events(
        ("a", Stage.CONNECTING, StageProgress(0, 0, "", "switching it on: pdu \x1b[31m3 on")),
        ("a", Stage.CONNECTING, StageProgress(0, 0, "s", "waiting for boot, 0 s of 180 s")),
        ("a", Stage.CONNECTING, StageProgress(5, 0, "s", "waiting for boot, 5 s of 180 s")),
        ("a", Stage.VALIDATING, TargetRebooted("b1", "b2\x1b")),
        ("a", Stage.VALIDATING, FactFound("temperature", "90.0 °C")),
        ("a", Stage.VALIDATING, FactFound("warning_temperature", "90.0 °C")),
    )
    lines = plain(told, capsys, verbose=False)
    assert "\x1b" not in "".join(lines)
    assert lines[0].startswith("a: environment connection: switching it on: pdu ")
    assert lines[1] == "a: environment connection: waiting for boot, 0 s of 180 s"
    assert lines[2].startswith("a: ↻ readiness validation: target rebooted, boot id b1 is now b2")
    assert lines[3:] == ["a: warning temperature: 90.0 °C"]


def test_plain_lines_tell_kernel_reports_that_count(capsys: pytest.CaptureFixture[str]) -> None:
    oops = Splat(kind=SplatClass.OOPS, title=f"Oops in {HOSTILE}", severity=Severity.CRASH)
    wanted = Splat(kind=SplatClass.KASAN, title="KASAN: x", severity=Severity.ERROR, grade=Grade.EXPECTED)
    told = events(*(("a", Stage.DEPLOYING, SplatSeen(each, fails=False)) for each in (oops, wanted)))
    assert plain(told, capsys, verbose=False) == [f"a: kernel: Oops in {HARMLESS} (crash)"]
    assert plain(told, capsys, verbose=True)[1:] == ["a: kernel: KASAN: x (error, expected)"]


def test_verbose_lines_tell_everything(capsys: pytest.CaptureFixture[str]) -> None:
    told = events(
        ("a", None, EnvironmentQueued(3, "board in use")),
        ("a", Stage.CONNECTING, StageStarted()),
        ("a", Stage.CONNECTING, FactFound("kernel", "6.1")),
        ("a", Stage.DEPLOYING, FileDone("/opt/x", "sent", 2000, "00")),
        ("a", Stage.DEPENDENCIES, DependencyDone("perf", "missing")),
        ("a", Stage.INSTRUMENTATION, InstrumentState("kasan", "required", "yes", "yes", "no")),
        ("a", Stage.VALIDATING, CheckDone("memory", False, "8 MiB", "256 MiB")),
        ("a", Stage.VALIDATING, CheckDone("load", True, "1.00", "8.00")),
        ("a", Stage.VALIDATING, StageProgress(1, 2)),
    )
    assert plain(told, capsys, verbose=True) == [
        "a: waiting, position 3: board in use",
        "a: environment connection, attempt 1",
        "a: kernel = 6.1",
        "a: sent /opt/x (2.0 KiB)",
        "a: perf missing",
        "a: kasan required: built in yes, reachable yes, on no, proven unknown",
        "a: memory NOT OK: 8 MiB (limit 256 MiB)",
        "a: load ok: 1.00 (limit 8.00)",
    ]


def test_failed_checks_are_told_with_what_would_help(capsys: pytest.CaptureFixture[str]) -> None:
    failed = CheckDone("memory", False, "8 MiB", "256 MiB", f"read in {HOSTILE}", "E-CHECK-MEMORY", "Free some.")
    told = events(*(("a", Stage.VALIDATING, each) for each in (failed, CheckDone("load", True, "1.00", "8.00"))))
    expected = f"a: memory NOT OK: 8 MiB (limit 256 MiB). Evidence: read in {HARMLESS}. Free some."
    assert plain(told, capsys, verbose=False) == [expected]


def test_summary_adds_up() -> None:
    state = fold(a_run()).after(
        Event(seq=14, time=NOW + timedelta(seconds=65), run=7, body=RunFinished(Outcome.FAILED))
    )
    canvas = screen(200)
    print_summary(canvas, state)
    assert isinstance(canvas.file, io.StringIO)
    text = canvas.file.getvalue()
    assert "run 7  smoke  ✗ failed in 1 min 05 s" in text
    assert "1 of 4 environments READY; 2 interrupted; 1 failed; errors: 1 NET" in text
    assert HARMLESS in text
    for words in (
        "b, script deployment, /opt/x",
        "The previous version.",
        "Look at the cable.",
        "tar -x ended with status 1",
    ):
        assert words in text
    assert "one\n" in text
    assert not {"\x1b", "\u202e"} & set(text)


def at_terminal(arguments: list[str], rows: int = 24, columns: int = 100, **variables: str) -> tuple[int, str]:
    """Run the program on a terminal of that size; exit status and everything it wrote."""
    master, slave = pty.openpty()
    ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    environment = {**os.environ, **BUFFERED, "TERM": "xterm-256color", **variables}
    with subprocess.Popen([*COMMAND, *arguments], stdin=slave, stdout=slave, stderr=slave, env=environment) as process:
        os.close(slave)
        said = b""
        while select.select([master], [], [], 30)[0]:
            try:
                said += os.read(master, 65536)
            except OSError:
                break
        status = process.wait(30)
    os.close(master)
    return status, said.decode()


def test_terminal_gets_a_live_table_and_its_cursor_back(lab: Lab, board: Sshd) -> None:
    status, said = at_terminal(["deploy", str(lab.write_plan())])
    assert status == 0
    assert "\x1b[?25l" in said
    assert said.rindex("\x1b[?25h") > said.rindex("\x1b[?25l")
    assert "1 of 1 environment READY" in said
    assert re.search(r"\x1b\[[0-9;]*32m", said)


def test_no_color_and_dumb_terminals_are_respected(lab: Lab, board: Sshd) -> None:
    lab.write_plan()
    _, without_colour = at_terminal(["deploy", str(lab.plan)], NO_COLOR="1")
    assert "READY" in without_colour
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", without_colour)
    _, dumb = at_terminal(["deploy", str(lab.plan)], TERM="dumb")
    assert "script deployment succeeded" in dumb
    assert "\x1b" not in dumb
