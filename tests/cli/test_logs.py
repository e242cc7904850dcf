"""`kdeploy logs` on stored output, hostile and cut anywhere, and on a run that another program is still writing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kdeploy_gui.history import History, open_history
from kdeploy_gui.model.event import Body, Channel, Event, OutputAppended, RunFinished, RunSubmitted, StageStarted
from kdeploy_gui.model.stage import Outcome, Stage
from tests.cli.program import kdeploy, running

HOSTILE = b"\x1b]0;owned\x07\x1b[2J caf\xc3\xa9 \xff\x00 \xe2\x80\xae\n"
HARMLESS = "\\x1b]0;owned\\x07\\x1b[2J café \\xff\\x00 \\u202e\n"


class Recorder:
    """A run of this process, as the history sees it."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.run = history.log.begin("smoke", ("board-a", "board-b"))
        self._seq = 0
        self.tell(RunSubmitted("smoke", ("board-a", "board-b")))

    def tell(self, body: Body, environment: str = "", stage: Stage | None = None) -> None:
        self._seq += 1
        attempt = 1 if stage else 0
        event = Event(
            seq=self._seq,
            time=datetime.now(UTC),
            run=self.run,
            environment=environment,
            stage=stage,
            attempt=attempt,
            body=body,
        )
        self.history.log.append([event])

    def write(self, environment: str, stage: Stage, data: bytes, channel: Channel = Channel.OUTPUT) -> None:
        offset = self.history.output.append(self.run, environment, data, channel)
        self.tell(OutputAppended(offset, len(data), channel), environment, stage)

    def finish(self) -> None:
        self.tell(RunFinished(Outcome.SUCCEEDED))
        self.history.log.release(self.run)


@pytest.fixture
def recorder(kdeploy_home: Path) -> Iterator[Recorder]:
    """A run that goes on, held by this process."""
    history = open_history(kdeploy_home)
    yield Recorder(history)
    history.close()


@pytest.fixture
def finished(recorder: Recorder) -> Recorder:
    """A run with output of two environments, one character of it cut in two."""
    recorder.tell(StageStarted(), "board-a", Stage.DEPENDENCIES)
    cut = HOSTILE.index(b"\xa9")
    recorder.write("board-a", Stage.DEPENDENCIES, HOSTILE[:cut])
    recorder.write("board-a", Stage.DEPENDENCIES, HOSTILE[cut:])
    recorder.write("board-a", Stage.VALIDATING, b"no line end")
    recorder.write("board-b", Stage.DEPENDENCIES, b"progress 1\rprogress 2\r\n")
    recorder.finish()
    return recorder


def test_output_is_shown_under_its_headings_and_harmless(finished: Recorder) -> None:
    assert kdeploy("logs", "1").stdout == (
        f"== board-a dependency installation\n{HARMLESS}"
        "== board-a readiness validation\nno line end\n"
        "== board-b dependency installation\nprogress 1\\rprogress 2\n"
    )


def test_output_of_one_environment_and_stage(finished: Recorder) -> None:
    assert kdeploy("logs", "1", "--env", "board-b").stdout.startswith("== board-b")
    said = kdeploy("logs", "1", "--stage", "validating", "--json").json
    assert said["output"] == [
        {"environment": "board-a", "stage": "validating", "offset": len(HOSTILE), "text": "no line end"}
    ]
    unknown = kdeploy("logs", "1", "--env", "board-c")
    assert unknown.status == 1
    assert "only board-a, board-b" in unknown.stderr


def test_follow_shows_output_as_it_comes_and_ends_with_the_run(recorder: Recorder) -> None:
    recorder.write("board-a", Stage.DEPENDENCIES, b"before\n")
    with running("logs", "1", "--follow", "--json", "--env", "board-a") as process:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["text"] == "before\n"
        recorder.write("board-b", Stage.DEPENDENCIES, b"of another\n")
        recorder.write("board-a", Stage.DEPENDENCIES, b"after\n")
        assert json.loads(process.stdout.readline())["text"] == "after\n"
        recorder.finish()
        assert process.stdout.read() == ""
        assert process.wait(30) == 0


def test_running_run_is_shown_as_running(recorder: Recorder) -> None:
    assert kdeploy("status", "1", "--json").json["outcome"] == "running"
    assert "running" in kdeploy("status", "1").stdout
    assert [each["outcome"] for each in kdeploy("history", "--json").json["runs"]] == ["running"]
    assert len(kdeploy("history", "--status", "running").stdout.splitlines()) == 2


def test_what_the_console_printed_is_asked_for(recorder: Recorder) -> None:
    recorder.write("board-a", Stage.CONNECTING, b"said by a command\n")
    recorder.write("board-a", Stage.CONNECTING, b"[    0.000000] Linux\r\n", Channel.CONSOLE)
    recorder.finish()
    run = recorder.run
    assert kdeploy("logs", str(run), "--env", "board-a", "--console").stdout.endswith("\n[    0.000000] Linux\n")
    assert "Linux" not in kdeploy("logs", str(run)).stdout
    followed = kdeploy("logs", str(run), "--console", "--follow", "--json").stdout.splitlines()
    assert [json.loads(each)["text"] for each in followed] == ["[    0.000000] Linux\r\n"]
    assert "No console of run" in kdeploy("logs", str(run), "--env", "board-b", "--console").stderr
