"""Packages on a real Debian machine: apt and dpkg, their locks, an interrupted installation, files, root or not."""

from __future__ import annotations

import asyncio
import fcntl
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.artifacts.sources import list_packages
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.engine.preview import preview
from kdeploy_gui.history import open_history
from kdeploy_gui.model.environment import Become
from kdeploy_gui.model.event import DependencyDone, Event, RetryScheduled, StageProgress
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.plan import Dependency, Plan, Policy
from kdeploy_gui.model.preview import DependencyChange
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Outcome, Status
from tests.lab import packages
from tests.lab.debian import Machine
from tests.lab.fixtures import MakeMachine
from tests.lab.processes import name_of, wait_until
from tests.properties.peers import leftovers, nothing_left, ssh
from tests.rehearsal import JumpingClock, ports

pytestmark = pytest.mark.timeout(600)
DEAD = "deb [trusted=yes] http://127.0.0.1:9/debian bookworm main"
"""A package source that nobody answers for."""


@dataclass
class WatchedClock(JumpingClock):
    """Time that jumps; before each jump something happens."""

    before: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        super().__init__()

    async def sleep(self, seconds: float) -> None:
        self.before()
        await super().sleep(seconds)


@asynccontextmanager
async def engine(folder: Path, before_waiting: Callable[[], None] = lambda: None) -> AsyncIterator[Orchestrator]:
    history = open_history(folder)
    outside = replace(ports(history, folder, ssh(), LocalContent()), clock=WatchedClock(before_waiting))
    orchestrator = Orchestrator(outside)
    try:
        yield orchestrator
    finally:
        await orchestrator.close()
        history.close()


async def carry_out(
    folder: Path, plan: Plan, before_waiting: Callable[[], None] = lambda: None
) -> tuple[RunState, list[Event]]:
    async with engine(folder, before_waiting) as orchestrator:
        number = await orchestrator.submit(plan)
        await orchestrator.wait(number)
    return told(folder, number)


def told(folder: Path, number: int) -> tuple[RunState, list[Event]]:
    history = open_history(folder)
    events = history.log.events(number)
    history.close()
    return fold(events), events


def plan_for(board: Machine, *wanted: Dependency, folder: Path = Path("/nowhere")) -> Plan:
    listed = list_packages(wanted, folder)
    assert not listed.problems
    files = {wanted[index]: found for index, found in listed.files.items()}
    return Plan(
        name="packages",
        environments=(board.environment(),),
        dependencies=wanted,
        package_files=files,
        policy=Policy(retries=0),
    )


def failure(state: RunState) -> Failure:
    error = state.environments["board"].error
    assert error is not None
    return error


def version_of(board: Machine, package: str) -> str:
    return board.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}${Version}", package, check=False)


@contextmanager
def lock_held(board: Machine, path: str) -> Iterator[int]:
    """Another process holds a lock file of the machine's; its number."""
    script = (
        "import fcntl, os, sys\n"
        f"os.chroot({str(board.root)!r})\n"
        f"lock = open({path!r}, 'a')\n"
        "fcntl.lockf(lock, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "sys.stdin.read()\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        try:
            yield holder.pid
        finally:
            holder.kill()


@pytest.mark.parametrize("path", ["/var/lib/dpkg/lock-frontend", "/var/lib/dpkg/lock", "/var/lib/apt/lists/lock"])
async def test_who_holds_the_lock_is_named_and_waited_for(make_machine: MakeMachine, tmp_path: Path, path: str) -> None:
    board = make_machine()
    packages.apt_source(board.root, [packages.deb(tmp_path / "debs", "one", "1.0")])
    with lock_held(board, path) as holder:
        program = name_of(holder)

        def let_go() -> None:
            os.kill(holder, 9)
            wait_until(lambda: not is_locked(board.root / path.lstrip("/")), "the lock is free")

        state, events = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="one")), let_go)

    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    (wait,) = [each.body for each in events if isinstance(each.body, RetryScheduled)]
    assert wait.in_s == 10
    assert f"process {holder} ({program}) is installing packages" in wait.because.message
    assert version_of(board, "one") == "ii 1.0"


def is_locked(path: Path) -> bool:
    with path.open("a") as lock:
        try:
            fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


async def test_an_interrupted_installation_is_told_with_its_repair(make_machine: MakeMachine, tmp_path: Path) -> None:
    board = make_machine()
    deadly = {"postinst": "[ -e /repaired ] || kill -9 $PPID"}
    made = [
        packages.deb(tmp_path / "debs", "deadly", "1.0", scripts=deadly),
        packages.deb(tmp_path / "debs", "one", "1.0"),
    ]
    packages.apt_source(board.root, made)

    state, _ = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="deadly")))
    assert failure(state).code == "E-PKG-FAILED"
    state, events = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="one")))

    error = failure(state)
    assert error.code == "E-PKG-HALF"
    assert "`dpkg --configure -a`" in error.remedy
    assert not [each for each in events if isinstance(each.body, RetryScheduled)]
    assert version_of(board, "one") == ""
    (board.root / "repaired").touch()
    board.run("dpkg", "--configure", "-a")
    state, _ = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="one"), Dependency(name="deadly")))
    assert state.outcome is Outcome.SUCCEEDED, failure(state)


async def test_package_files_do_where_no_package_source_answers(make_machine: MakeMachine, tmp_path: Path) -> None:
    board = make_machine()
    pool = tmp_path / "plan/pool"
    for name, version, depends in (("one", "2.0", "helper"), ("helper", "1.0", "")):
        packages.deb(pool, name, version, depends=depends)
    packages.deb(pool, "one", "3.0", arch="arm64")
    packages.apt_sources(board.root, DEAD)

    state, _ = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="one")))
    error = failure(state)
    assert error.code == "E-PKG-OFFLINE"
    assert error.message.startswith("one is missing (the package sources of apt-get cannot be read: ")
    assert "127.0.0.1:9" in error.message
    assert "`apt-get download one`" in error.remedy
    assert "files = [" in error.remedy

    wanted = Dependency(name="one", version=">=2", files=("pool/*.deb",))
    plan = plan_for(board, wanted, folder=tmp_path / "plan")
    assert len(plan.package_files[wanted]) == 3
    state, events = await carry_out(tmp_path / "history", plan)

    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    assert (version_of(board, "one"), version_of(board, "helper")) == ("ii 2.0", "ii 1.0")
    sent = [each.body.total for each in events if isinstance(each.body, StageProgress) and each.body.unit == "bytes"]
    small = [each for each in plan.package_files[wanted] if "arm64" not in each.path]
    assert set(sent) == {sum(each.size for each in small)}
    assert leftovers(board.root / "root") == []
    calls = [each for each in events if isinstance(each.body, DependencyDone)]
    assert [each.body.found for each in calls if isinstance(each.body, DependencyDone)] == ["2.0"]


async def test_files_that_cannot_be_installed_leave_nothing_behind(make_machine: MakeMachine, tmp_path: Path) -> None:
    board = make_machine()
    packages.deb(tmp_path / "plan", "one", "2.0", depends="nowhere-to-be-had")
    packages.apt_sources(board.root)
    plan = plan_for(board, Dependency(name="one", files=("*.deb",)), folder=tmp_path / "plan")

    state, _ = await carry_out(tmp_path / "history", plan)

    error = failure(state)
    assert error.code == "E-PKG-FAILED"
    assert "nowhere-to-be-had" in error.evidence.stderr
    assert leftovers(board.root / "root") == []


SLOW = {
    "postinst": "touch /started\nwhile [ ! -e /release ]; do sleep 0.05; done\n"
    "for line in 1 2 3 4; do echo said later || exit 1; done\necho also there >&2 || exit 1"
}


async def started(board: Machine) -> None:
    await asyncio.to_thread(wait_until, (board.root / "started").exists, "the installation is at work", 60)


async def installed(board: Machine, package: str) -> None:
    await asyncio.to_thread(wait_until, lambda: version_of(board, package).startswith("ii"), "it is installed", 30)


async def test_an_installation_survives_its_connection(make_machine: MakeMachine, tmp_path: Path) -> None:
    board = make_machine()
    packages.deb(tmp_path / "plan", "slow", "1.0", scripts=SLOW)
    packages.apt_sources(board.root)
    plan = plan_for(board, Dependency(name="slow", files=("*.deb",)), folder=tmp_path / "plan")
    async with engine(tmp_path / "history") as orchestrator:
        number = await orchestrator.submit(plan)
        await started(board)
        assert board.server.kill_sessions()
        await orchestrator.wait(number)
        assert not version_of(board, "slow").startswith("ii")
        (board.root / "release").touch()
        await installed(board, "slow")
    await nothing_left(board.root / "root")
    state, events = await carry_out(tmp_path / "history", plan)
    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    assert [each.body.action for each in events if isinstance(each.body, DependencyDone)] == ["present"]


async def test_a_cancelled_installation_ends_well_and_the_next_run_waits_for_it(
    make_machine: MakeMachine, tmp_path: Path
) -> None:
    board = make_machine()
    debs = tmp_path / "debs"
    packages.apt_source(board.root, [packages.deb(debs, "slow", "1.0", scripts=SLOW), packages.deb(debs, "one", "1.0")])
    async with engine(tmp_path / "history") as orchestrator:
        number = await orchestrator.submit(plan_for(board, Dependency(name="slow")))
        await started(board)
        await orchestrator.cancel(number)
        await orchestrator.wait(number)
    state, _ = told(tmp_path / "history", number)
    assert state.environments["board"].status is Status.CANCELLED
    assert "goes on to its end" in failure(state).on_target
    assert not version_of(board, "slow").startswith("ii")

    def release() -> None:
        (board.root / "release").touch()
        wait_until(lambda: version_of(board, "slow").startswith("ii"), "the first one is there", 30)

    state, events = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="one")), release)
    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    waits = [each.body for each in events if isinstance(each.body, RetryScheduled)]
    assert "(apt-get) is installing packages" in waits[0].because.message
    assert version_of(board, "one") == "ii 1.0"


async def test_services_that_a_package_starts_hold_nothing_up(make_machine: MakeMachine, tmp_path: Path) -> None:
    """A service that keeps the installer's output open and has to end with TERM, as those without systemd do."""
    board = make_machine()
    starts = {"postinst": "sleep 600 &\necho $! > /service"}
    packages.apt_source(board.root, [packages.deb(tmp_path / "debs", "service", "1.0", scripts=starts)])

    state, _ = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="service")))

    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    pid = (board.root / "service").read_text().strip()
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    ignored = next(int(line.split()[1], 16) for line in status if line.startswith("SigIgn:"))
    assert not ignored & (1 << 14), "SIGTERM is not ignored"


async def test_who_is_not_root_is_told_and_sudo_does(make_machine: MakeMachine, tmp_path: Path) -> None:
    board = make_machine(account=True)
    packages.apt_source(board.root, [packages.deb(tmp_path / "debs", "one", "1.0")])
    plan = plan_for(board, Dependency(name="one"))
    state, _ = await carry_out(tmp_path / "history", plan)
    error = failure(state)
    assert error.code == "E-PKG-NOROOT"
    assert 'become = "sudo"' in error.remedy
    rules = board.root / "etc/sudoers.d/tests"
    rules.write_text(f"{board.server.user()} ALL=(ALL) NOPASSWD: ALL\n")
    rules.chmod(0o440)
    able = replace(plan, environments=(replace(board.environment(), become=Become.SUDO),))

    state, _ = await carry_out(tmp_path / "history", able)

    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    assert version_of(board, "one") == "ii 1.0"


async def test_a_look_tells_versions_and_writes_nothing(make_machine: MakeMachine, tmp_path: Path) -> None:
    board = make_machine()
    made = [packages.deb(tmp_path / "debs", "one", version) for version in ("1.0", "2.0", "3.0")]
    packages.apt_source(board.root, made)
    board.run("apt-get", "update")
    packages.deb(tmp_path / "plan", "two", "1.0")
    wanted = (
        Dependency(name="one", version="<3"),
        Dependency(name="two", files=("two*.deb",)),
        Dependency(name="dpkg", version=">=99", required=False),
        Dependency(name="nowhere"),
    )
    plan = plan_for(board, *wanted, folder=tmp_path / "plan")
    history = open_history(tmp_path / "history")
    for cache in ("as it is", "gone"):
        if cache == "gone":
            board.run("rm", "-f", "/var/cache/apt/pkgcache.bin", "/var/cache/apt/srcpkgcache.bin")
        before = board.writes()
        found = await preview(ports(history, tmp_path, ssh(), LocalContent()), plan, plan.environments[0])
        assert board.writes() == before, cache
        assert [(each.label, each.change, each.offered) for each in found.dependencies] == [
            ("one", DependencyChange.INSTALL, "2.0"),
            ("two", DependencyChange.INSTALL, ""),
            ("dpkg", DependencyChange.INSTALL, ""),
            ("nowhere", DependencyChange.INSTALL, ""),
        ]
        assert "from a package file of this workstation" in found.dependencies[1].note
    history.close()
