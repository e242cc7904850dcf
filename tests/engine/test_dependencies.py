"""Dependencies: what is there is found, what can be installed is, and what is missing is named exactly."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdeploy_gui import defaults
from kdeploy_gui.engine.shortfall import satisfies
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.errors import Category
from kdeploy_gui.model.check import CheckStep
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import DependencyDone, Event, RetryScheduled
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.packages import Found, Presence
from kdeploy_gui.model.plan import Dependency, Policy
from kdeploy_gui.model.run import RunState
from kdeploy_gui.model.stage import Outcome
from kdeploy_gui.ports import Target
from tests.contract.local_shell import LocalShell
from tests.engine.steps import of
from tests.rehearsal import MemoryContent, memory_plan, rehearsal


@dataclass
class Board:
    """This machine behind a shell, with commands of its own in front of the real ones."""

    root: Path
    uid: int = 0

    def __post_init__(self) -> None:
        for name in ("bin", "home", "dpkg"):
            (self.root / name).mkdir(parents=True)
        self.command("id", f'[ $# -gt 0 ] && exec /usr/bin/id "$@"; echo "uid={self.uid}(who) gid=0(root)"')
        self.command(
            "dpkg-query",
            'for package do :; done; file="$HOME/../dpkg/$package"\n[ -f "$file" ] && printf "ii  " && cat "$file"',
        )
        self.apt('for each do case $each in -*|install) ;; *) echo 2.0-1 > "$HOME/../dpkg/$each" ;; esac; done')

    def command(self, name: str, script: str) -> None:
        path = self.root / "bin" / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)

    def apt(self, script: str) -> None:
        """What apt-get does; every call is noted."""
        self.command("apt-get", f'echo "$DEBIAN_FRONTEND apt-get $*" >> "$HOME/calls"\n{script}')

    def installed(self, package: str, version: str) -> None:
        (self.root / "dpkg" / package).write_text(f"{version}\n")

    @property
    def calls(self) -> list[str]:
        calls = self.root / "home/calls"
        return calls.read_text().splitlines() if calls.exists() else []

    async def connect(self, environment: Environment) -> Target:
        """See `Connector.connect`."""
        path = f"{self.root / 'bin'}:{os.defpath}"
        return ShellTarget(LocalShell(("/bin/sh",), self.root / "home", path), MemoryContent())

    async def approach(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Target:
        """See `Connector.approach`."""
        return await self.connect(environment)

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        """See `Connector.host_key`."""
        raise NotImplementedError(environment.name)


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path / "board")


async def run_with(
    board: Board, wanted: Sequence[Dependency], policy: Policy | None = None
) -> tuple[RunState, list[Event], bytes]:
    plan = replace(memory_plan(["a"]), dependencies=tuple(wanted), policy=policy or Policy())
    async with rehearsal(board.root / "history", {}, MemoryContent(), connector=board) as run:
        state, events = await run.run(plan)
        return state, events, run.history.output.read(state.run, "a")


def actions(events: list[Event]) -> dict[str, str]:
    bodies = [each.body for each in of(events, "dependency_done")]
    return {each.dependency: each.action for each in bodies if isinstance(each, DependencyDone)}


def failure(state: RunState) -> Failure:
    error = state.environments["a"].error
    assert error is not None
    assert error.where.stage == "installing_dependencies"
    assert error.category is Category.TARGET
    assert error.remedy
    return error


async def test_what_is_there_is_left_alone(board: Board) -> None:
    board.installed("iperf3", "3.12-1")
    wanted = [Dependency(tool="sh"), Dependency(name="iperf3", version=">=3.9")]
    state, events, _ = await run_with(board, wanted)
    assert state.outcome is Outcome.SUCCEEDED
    assert actions(events) == {"sh": "present", "iperf3": "present"}
    assert board.calls == []


async def test_missing_packages_are_installed_in_one_call_and_looked_at_again(board: Board) -> None:
    wanted = [Dependency(name="one"), Dependency(name="two", names={"apt": "two-deb", "apk": "two-apk"})]
    state, events, _ = await run_with(board, wanted)
    assert state.outcome is Outcome.SUCCEEDED
    assert actions(events) == {"one": "installed", "two": "installed"}
    (call,) = board.calls
    assert call.startswith("noninteractive apt-get -y ")
    assert call.endswith(" --no-install-recommends install -- one two-deb")


async def test_a_package_in_too_old_a_version_is_brought_up_to_date(board: Board) -> None:
    board.installed("one", "1:1.9-3")
    state, events, _ = await run_with(board, [Dependency(name="one", version=">=2")])
    assert state.outcome is Outcome.SUCCEEDED
    assert actions(events) == {"one": "installed"}


async def test_output_of_the_installation_is_kept(board: Board) -> None:
    board.apt("echo unpacking one; echo a warning >&2; echo 2.0 > $HOME/../dpkg/one")
    _, events, output = await run_with(board, [Dependency(name="one")])
    assert b"unpacking one" in output
    assert b"a warning" in output
    assert of(events, "output_appended")


async def test_lists_of_packages_are_fetched_once_when_a_name_is_unknown(board: Board) -> None:
    board.apt(
        'case "$*" in *update) touch "$HOME/updated"; exit 0 ;; esac\n'
        '[ -f "$HOME/updated" ] || { echo "E: Unable to locate package one" >&2; exit 100; }\n'
        'echo 2.0 > "$HOME/../dpkg/one"'
    )
    state, _, _ = await run_with(board, [Dependency(name="one")])
    assert state.outcome is Outcome.SUCCEEDED
    assert [call.partition(" -- ")[0].split()[-1] for call in board.calls] == ["install", "update", "install"]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("E: Unable to locate package one", "E-PKG-MISSING"),
        ("E: Failed to fetch http://deb.invalid/x.deb  404  Not Found", "E-PKG-OFFLINE"),
        ("W: Failed to fetch http://deb.invalid/x  Temporary failure resolving 'deb.invalid'", "E-PKG-OFFLINE"),
        ("E: dpkg was interrupted, you must manually run 'dpkg --configure -a'", "E-PKG-HALF"),
        ("E: You don't have enough free space in /var/cache/apt/archives/.", "E-PKG-FAILED"),
        ("", "E-PKG-FAILED"),
    ],
)
async def test_what_apt_refuses_is_told_in_its_words_and_not_tried_again(board: Board, said: str, code: str) -> None:
    board.apt(f'echo "{said}" >&2; exit 100')
    state, events, _ = await run_with(board, [Dependency(name="one")])
    error = failure(state)
    assert error.code == code
    assert "one is missing" in error.message
    assert error.evidence.exit_status == 100
    assert set(error.evidence.stderr.splitlines()) == set(said.splitlines())
    assert not of(events, "retry_scheduled")
    assert actions(events) == {"one": "missing"}


async def test_a_locked_package_manager_is_waited_for(board: Board) -> None:
    board.apt(
        'if [ ! -f "$HOME/second" ]; then touch "$HOME/second"\n'
        'echo "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 7777777" >&2; exit 100; fi\n'
        'echo 2.0 > "$HOME/../dpkg/one"'
    )
    state, events, _ = await run_with(board, [Dependency(name="one")])
    assert state.outcome is Outcome.SUCCEEDED
    (again,) = of(events, "retry_scheduled")
    assert isinstance(again.body, RetryScheduled)
    assert again.body.in_s == defaults.PACKAGE_LOCK_STEP
    assert "process 7777777 is installing packages" in again.body.because.message


async def test_a_package_manager_that_stays_locked_is_given_up(board: Board) -> None:
    board.apt('echo "E: Could not get lock /var/lib/dpkg/lock-frontend" >&2; exit 100')
    state, events, _ = await run_with(board, [Dependency(name="one")], Policy(retries=2))
    assert failure(state).code == "E-PKG-LOCK"
    waits = [each.body.in_s for each in of(events, "retry_scheduled") if isinstance(each.body, RetryScheduled)]
    assert sum(waits) == defaults.PACKAGE_LOCK_PATIENCE
    assert len(board.calls) == len(waits) + 1


async def test_packages_need_root(tmp_path: Path) -> None:
    board = Board(tmp_path / "board", uid=1000)
    state, _, _ = await run_with(board, [Dependency(name="one")])
    assert failure(state).code == "E-PKG-NOROOT"
    assert board.calls == []


async def test_exactly_what_is_missing_is_named(board: Board) -> None:
    board.installed("there", "1.0")
    board.command("oldtool", 'echo "oldtool version 1.2.3"')
    board.command("brokentool", "exit 127")
    board.apt("exit 0")
    wanted = [
        Dependency(tool="sh"),
        Dependency(name="there"),
        Dependency(name="absent"),
        Dependency(tool="no-such-tool"),
        Dependency(tool="oldtool", version=">=2"),
        Dependency(tool="brokentool", version=">=1"),
        Dependency(name="optional", required=False),
    ]
    state, events, _ = await run_with(board, wanted)
    error = failure(state)
    for part in ("absent is missing", "no-such-tool is missing", "oldtool is oldtool version 1.2.3, wanted >=2"):
        assert part in error.message
    assert "brokentool is there but does not run" in error.message
    for part in ("there is", "optional", "sh is"):
        assert part not in error.message.replace("brokentool is there", "")
    found = actions(events)
    assert found == {
        "sh": "present",
        "there": "present",
        "absent": "missing",
        "no-such-tool": "missing",
        "oldtool": "missing",
        "brokentool": "missing",
        "optional": "missing",
    }


async def test_what_is_optional_may_be_missing(board: Board) -> None:
    board.apt("exit 100")
    wanted = [Dependency(name="one", required=False), Dependency(tool="no-such-tool", required=False)]
    state, events, _ = await run_with(board, wanted)
    assert state.outcome is Outcome.SUCCEEDED
    assert actions(events) == {"one": "missing", "no-such-tool": "missing"}


async def test_a_wrong_version_alone_is_called_so(board: Board) -> None:
    board.command("oldtool", 'echo "oldtool version 1.2.3"')
    state, _, _ = await run_with(board, [Dependency(tool="oldtool", version=">=2")])
    assert failure(state).code == "E-DEP-VERSION"


async def test_an_installation_drops_the_mark_of_an_earlier_run(board: Board) -> None:
    async with rehearsal(board.root / "history", {}, MemoryContent(), connector=board) as run:
        state, _ = await run.run(memory_plan(["a"]))
        assert state.environments["a"].ready
        board.apt("exit 100")
        state, events = await run.run(replace(memory_plan(["a"]), dependencies=(Dependency(name="one"),)))
        mark = run.history.readiness.latest("a")
    assert len(of(events, "readiness_changed")) == 1
    assert mark is not None
    assert not mark.ready
    assert "packages" in mark.because


@pytest.mark.parametrize(
    ("version", "wanted", "satisfied"),
    [
        ("1:2.4.1-3ubuntu2", ">=2.4", True),
        ("1:2.4.1-3ubuntu2", ">=3", False),
        ("iperf 3.12 (cJSON 1.7.15)", ">=3.9", True),
        ("perf version 6.1.112", "<6.2", True),
        ("version 5", "==5", True),
        ("no number at all", ">=0", False),
        ("", ">=0", False),
        ("", "", True),
        ("9" * 5000, ">=1", True),
        ("1." + "9" * 5000, ">=1", True),
    ],
)
def test_versions_are_read_out_of_what_programs_say(version: str, wanted: str, satisfied: bool) -> None:
    assert satisfies(Dependency(tool="x", version=wanted), Found(Presence.PRESENT, version)) is satisfied


async def test_this_machines_own_packages_are_found(tmp_path: Path) -> None:
    if shutil.which("dpkg-query") is None:
        pytest.skip("not a Debian system")
    computer = Board(tmp_path / "board")
    (computer.root / "bin/dpkg-query").unlink()
    state, events, _ = await run_with(computer, [Dependency(name="dpkg", version=">=1")])
    assert state.outcome is Outcome.SUCCEEDED
    assert actions(events) == {"dpkg": "present"}
    assert stat.S_ISREG((computer.root / "bin/apt-get").stat().st_mode)
