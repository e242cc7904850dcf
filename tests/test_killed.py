"""Ends that nobody planned: the program, the machine's sessions or the link die, or somebody presses Ctrl-C."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from kdeploy_gui.model.stage import Stage
from tests.cli.program import Json, Lab, kdeploy, next_event, running, started
from tests.lab.chaos import Chaos, Direction
from tests.lab.fixtures import MakeChaos, MakeSshd
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd
from tests.properties.peers import leftovers, write_files

pytestmark = pytest.mark.sshd

SIZE = 3_000_000
RATE = 2_000_000
"""Bytes per second where a test must find the program in the middle of a transfer."""
PATIENCE = 15.0
"""Seconds from Ctrl-C to the end of the program, on a busy machine: what it would wait for else takes 20 or more."""

PLAN = """\
name = "killed"
environments = ["*"]

[policy]
retries = 8
backoff = {{ initial = "300ms", factor = 2, jitter = 0 }}

[[artifacts]]
source = "suite"
type = "data"
target = "~/suite/"
mode = "0640"

[[dependencies]]
tool = "sh"

[instrumentation]
perf = "wanted"

{extra}
"""

Files = dict[str, bytes]


def version(number: int) -> Files:
    """The files of one version of the suite: small ones that change, one that does not, a large one."""
    make = random.Random(number)
    small = {f"folder {at % 5}/file {at}": make.randbytes(2_000) for at in range(30)}
    return {
        **small,
        f"only in {number}": b"a file of its own",
        "constant": b"always the same",
        "large": make.randbytes(SIZE),
    }


@dataclass
class Board:
    """A machine behind a proxy, with the first version of the suite on it, and a plan for the second one."""

    lab: Lab
    sshd: Sshd
    chaos: Chaos

    @property
    def suite(self) -> Path:
        """The suite on the machine."""
        return self.sshd.home() / "suite"

    def publish(self, files: Files, extra: str = "") -> None:
        """Make these the files of the plan."""
        for each in (self.lab.folder / "suite").rglob("*"):
            if each.is_file():
                each.unlink()
        write_files(self.lab.folder / "suite", files)
        self.lab.plan.write_text(PLAN.format(extra=extra))

    def found(self) -> Files:
        """What is on the machine now, staging, which may be vanishing, left out."""
        files = (Path(place) / name for place, _, names in os.walk(self.suite) for name in names)
        return {str(each.relative_to(self.suite)): each.read_bytes() for each in files if ".kdeploy-" not in str(each)}


OLD, NEW = version(1), version(2)


@pytest.fixture
def lab(kdeploy_home: Path, tmp_path: Path) -> Lab:
    """An empty lab, and a folder for a plan."""
    return Lab(kdeploy_home, tmp_path / "plan")


@pytest.fixture
def board(lab: Lab, sshd: Sshd, chaos: Chaos) -> Board:
    """See `Board`."""
    lab.add(chaos.environment(sshd.environment("board-a")))
    made = Board(lab, sshd, chaos)
    made.publish(OLD)
    assert kdeploy("deploy", "--quiet", lab.plan).status == 0
    made.publish(NEW)
    return made


def assert_whole(found: Files) -> None:
    """Every file is the old or the new one, none is missing."""
    torn = [name for name, data in found.items() if data not in (OLD.get(name), NEW.get(name))]
    assert torn == []
    assert found.keys() >= OLD.keys()


def assert_mended(board: Board) -> None:
    """The next deployment completes, and nothing is left of the one before."""
    done = kdeploy("deploy", "--json", board.lab.plan)
    assert done.status == 0, done
    assert board.found() == {**OLD, **NEW}
    assert leftovers(board.sshd.home()) == []
    assert kdeploy("ready", "board-a").status == 0


def nth(number: int) -> Callable[[Json], bool]:
    """Whether an event is that one of its run."""
    return lambda event: bool(event["seq"] == number)


def is_moving(event: Json) -> bool:
    """Whether bytes are on their way."""
    return bool(event["type"] == "stage_progress" and event["unit"] == "bytes")


def is_finished(event: Json) -> bool:
    """Whether an environment has come to its end."""
    return bool(event["type"] == "environment_finished")


def is_done(event: Json) -> bool:
    """Whether the files are in place."""
    return bool(event["type"] == "file_done" and event["action"] == "sent")


MOMENTS: dict[str, Callable[[Json], bool] | int] = {
    "submitted": nth(1),
    "preparing": nth(5),
    "connecting": started("connecting"),
    "about to deploy": started("deploying_scripts"),
    "moving": is_moving,
    "committed": is_done,
    "validating": started("validating"),
    "key exchange": 500,
    "login": 2_500,
    "first bytes": 20_000,
    "half of the bytes": SIZE // 2,
    "last bytes": SIZE - 20_000,
}
"""An event of the program, or how many bytes have gone to the machine."""


def reach(board: Board, process: subprocess.Popen[str], moment: Callable[[Json], bool] | int) -> None:
    """Return at the moment or very soon after it."""
    if isinstance(moment, int):
        before = board.chaos.passed[Direction.TO_SERVER]
        wait_until(lambda: board.chaos.passed[Direction.TO_SERVER] - before >= moment, "bytes move", 30)
    else:
        next_event(process, moment)


@pytest.mark.parametrize("moment", MOMENTS.values(), ids=MOMENTS)
def test_a_killed_program_leaves_whole_files_and_the_next_run_mends_all(
    board: Board, moment: Callable[[Json], bool] | int
) -> None:
    board.chaos.rate = RATE
    with running("deploy", "--json", board.lab.plan) as process:
        if moment in (MOMENTS["committed"], MOMENTS["validating"]):
            reach(board, process, SIZE - 100_000)
            board.chaos.latency = 0.4  # of each round trip, and of each 32 KiB that are left
        reach(board, process, moment)
        process.kill()
        assert process.wait() == -signal.SIGKILL
    board.chaos.latency = 0.0
    assert_whole(board.found())

    (newest, first) = kdeploy("history", "--json").json["runs"]
    assert (newest["outcome"], first["outcome"]) == ("interrupted", "succeeded")
    said = kdeploy("status", "--json", str(newest["run"])).json
    assert (said["outcome"], said["environments"][0]["status"]) == ("interrupted", "interrupted")
    board.chaos.rate = 0
    wait_until(lambda: board.chaos.open_connections == 0, "the killed program's connection ends")
    if kdeploy("ready", "board-a").status == 0:
        assert board.found() in (OLD, {**OLD, **NEW})
    assert_mended(board)


def test_killed_sessions_are_made_up_for_by_a_retry(board: Board) -> None:
    board.chaos.rate = RATE // 2
    with running("deploy", "--json", board.lab.plan) as process:
        next_event(process, is_moving)
        assert board.sshd.kill_sessions() > 0
        board.chaos.rate = 0
        retry = next_event(process, lambda event: event["type"] == "retry_scheduled")
        assert_whole(board.found())
        last = next_event(process, lambda event: event["type"] == "run_finished")
        assert process.wait() == 0
    assert (retry["stage"], retry["because"]["category"]) == ("deploying_scripts", "NET")
    assert last["outcome"] == "succeeded"
    assert board.found() == {**OLD, **NEW}
    assert leftovers(board.sshd.home()) == []


def test_a_machine_that_dies_while_it_switches_has_whole_files(board: Board) -> None:
    """All that the server runs is killed as soon as the first file is the new one; then it comes back."""
    folders = {f"deep/{at}/file": b"version 1" for at in range(150)}
    board.publish({**OLD, **folders})
    assert kdeploy("deploy", "--quiet", board.lab.plan).status == 0
    board.publish({**NEW, **dict.fromkeys(folders, b"version 2")})
    paths = [board.suite / name for name in folders]
    with running("deploy", "--json", board.lab.plan) as process:
        wait_until(lambda: any(each.read_bytes() == b"version 2" for each in paths), "the first file is switched", 30)
        board.sshd.stop()
        versions = [each.read_bytes() for each in paths]
        board.sshd.start()
        last = next_event(process, lambda event: event["type"] == "run_finished")
        assert process.wait() == 0
    assert set(versions) <= {b"version 1", b"version 2"}
    assert last["outcome"] == "succeeded"
    assert {each.read_bytes() for each in paths} == {b"version 2"}
    assert leftovers(board.sshd.home()) == []


def left_after_ctrl_c(process: subprocess.Popen[str]) -> bool:
    """Press Ctrl-C once; whether the program has gone."""
    process.send_signal(signal.SIGINT)
    return process.poll() is not None


def interrupted(process: subprocess.Popen[str]) -> tuple[int, float, list[Json]]:
    """Press Ctrl-C; the exit status, how long that took (s), and the events that came after it."""
    begin = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    events = [json.loads(line) for line in process.stdout]
    return process.wait(), time.monotonic() - begin, events


def assert_cancelled(events: Sequence[Json], stage: str) -> None:
    """The events tell that it was cancelled, and where."""
    (finished,) = (each for each in events if each["type"] == "environment_finished")
    assert (finished["status"], finished["ready"]) == ("cancelled", False)
    assert (finished["error"]["code"], finished["error"]["category"]) == ("E-CANCELLED", "CANCELLED")
    assert finished["error"]["where"]["stage"] == stage
    assert (events[-1]["type"], events[-1]["outcome"]) == ("run_finished", "cancelled")


def test_ctrl_c_in_a_transfer_leaves_the_old_files_and_nothing_else(board: Board) -> None:
    board.chaos.rate = RATE
    with running("deploy", "--json", board.lab.plan) as process:
        next_event(process, is_moving)
        status, seconds, events = interrupted(process)
    assert (status, seconds < PATIENCE) == (5, True), seconds
    assert_cancelled(events, "deploying_scripts")
    assert board.found() == OLD
    wait_until(lambda: not leftovers(board.sshd.home()), "the machine cleans up")
    assert_mended(board)


BEFORE_THE_SWITCH = ("connecting", "installing_dependencies", "deploying_scripts")


@pytest.mark.parametrize(
    "stage",
    [*BEFORE_THE_SWITCH, "configuring_instrumentation", "validating"],
)
def test_ctrl_c_in_any_stage_is_clean(board: Board, stage: str) -> None:
    """Commands take three round trips of 0.8 s: the stage is still under way when its start is known."""
    small = {name: data for name, data in NEW.items() if name != "large"}
    board.publish(small)
    board.chaos.latency = 0.1
    with running("deploy", "--json", board.lab.plan) as process:
        if stage != BEFORE_THE_SWITCH[0]:
            stages = [each.value for each in Stage]
            next_event(process, started(stages[stages.index(stage) - 1]))
            board.chaos.latency = 0.4
        next_event(process, started(stage))
        status, seconds, events = interrupted(process)
    assert (status, seconds < PATIENCE) == (5, True), seconds
    assert_cancelled(events, stage)
    assert board.found() == (OLD if stage in BEFORE_THE_SWITCH else {**OLD, **small})
    board.chaos.latency = 0.0
    wait_until(lambda: not leftovers(board.sshd.home()), "the machine cleans up")
    board.publish(NEW)
    assert_mended(board)


def test_ctrl_c_while_a_huge_file_is_hashed(board: Board) -> None:
    with (board.lab.folder / "suite/huge").open("wb") as huge:
        huge.truncate(16 << 30)
    with running("deploy", "--json", board.lab.plan) as process:
        next_event(process, started("preparing"))
        status, seconds, events = interrupted(process)
    assert (status, seconds < PATIENCE) == (5, True), seconds
    assert_cancelled(events, "preparing")
    assert board.found() == OLD


def test_ctrl_c_between_two_attempts(board: Board) -> None:
    board.publish(NEW, '[policy.backoff]\ninitial = "10m"\nmax = "10m"\n')
    board.lab.plan.write_text(
        board.lab.plan.read_text().replace('backoff = { initial = "300ms", factor = 2, jitter = 0 }', "")
    )
    board.chaos.refuse()
    with running("deploy", "--json", board.lab.plan) as process:
        next_event(process, lambda event: event["type"] == "retry_scheduled")
        status, seconds, events = interrupted(process)
    assert (status, seconds < PATIENCE) == (5, True), seconds
    assert_cancelled(events, "connecting")


def test_ctrl_c_while_another_run_has_the_machine(board: Board) -> None:
    board.chaos.rate = RATE // 20
    with running("deploy", "--json", board.lab.plan) as first:
        next_event(first, is_moving)
        with running("deploy", "--json", board.lab.plan) as second:
            queued = next_event(second, lambda event: event["type"] == "environment_queued")
            status, seconds, events = interrupted(second)
        assert first.poll() is None, "the first run still goes on"
        board.chaos.rate = 0
        last = next_event(first, lambda event: event["type"] == "run_finished")
        assert first.wait() == 0
    assert str(last["run"]) in queued["waiting_for"]
    assert (status, seconds < PATIENCE) == (5, True), seconds
    assert_cancelled(events, "")
    assert board.found() == {**OLD, **NEW}


def test_ctrl_c_on_a_dead_link_does_not_wait_for_it(board: Board) -> None:
    board.chaos.rate = RATE
    with running("deploy", "--json", board.lab.plan) as process:
        reach(board, process, SIZE // 3)
        board.chaos.freeze()
        try:
            status, seconds, events = interrupted(process)
        finally:
            board.chaos.rate = 0
            board.chaos.thaw()
    assert (status, seconds < PATIENCE) == (5, True), seconds
    assert_cancelled(events, "deploying_scripts")
    assert_whole(board.found())
    wait_until(lambda: board.chaos.open_connections == 0, "the program's connection ends")
    assert_mended(board)


def test_a_second_ctrl_c_leaves_at_once_and_the_journal_knows(board: Board) -> None:
    board.chaos.rate = RATE
    with running("deploy", "--json", board.lab.plan) as process:
        reach(board, process, SIZE // 3)
        board.chaos.freeze()
        try:
            wait_until(lambda: left_after_ctrl_c(process), "the program leaves when Ctrl-C is pressed again and again")
        finally:
            board.chaos.rate = 0
            board.chaos.thaw()
    assert process.returncode == 130
    wait_until(lambda: board.chaos.open_connections == 0, "the program's connection ends")
    assert kdeploy("history", "--json").json["runs"][0]["outcome"] == "interrupted"
    assert_whole(board.found())
    assert_mended(board)


def test_a_frozen_machine_disturbs_no_other(lab: Lab, make_sshd: MakeSshd, make_chaos: MakeChaos) -> None:
    hung, lively = make_sshd(), make_sshd()
    chaos = make_chaos(hung.environment())
    chaos.rate = RATE
    lab.add(chaos.environment(hung.environment("hung")), lively.environment("lively"))
    write_files(lab.folder / "suite", NEW)
    lab.plan.write_text(PLAN.format(extra=""))

    with running("deploy", "--json", lab.plan) as process:
        ended: list[Json] = []

        def is_hung_moving(event: Json) -> bool:
            ended.extend([event] if is_finished(event) else [])
            return is_moving(event) and bool(event["environment"] == "hung")

        next_event(process, is_hung_moving)
        hung.pause()
        try:
            done = ended[0] if ended else next_event(process, is_finished)
            assert (done["environment"], done["status"], done["ready"]) == ("lively", "completed", True)
            assert not list((hung.home() / "suite").glob("large"))
        finally:
            hung.resume()
        done = next_event(process, is_finished)
        assert (done["environment"], done["status"]) == ("hung", "completed")
        last = next_event(process, lambda event: event["type"] == "run_finished")
        assert process.wait() == 0

    assert last["outcome"] == "succeeded"
    for server in (hung, lively):
        assert (server.home() / "suite/large").read_bytes() == NEW["large"]
        assert leftovers(server.home()) == []
