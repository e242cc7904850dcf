"""Package managers other than apt: the real dnf, zypper, pacman, rpm, dpkg and pip in a chroot; machines with none."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.engine.preview import preview
from kdeploy_gui.history import open_history
from kdeploy_gui.model.event import DependencyDone, RetryScheduled
from kdeploy_gui.model.plan import Dependency
from kdeploy_gui.model.preview import DependencyChange
from kdeploy_gui.model.stage import Outcome
from tests.environments.test_packages_on_debian import carry_out, failure, plan_for
from tests.lab import packages
from tests.lab.debian import Machine
from tests.lab.fixtures import MakeMachine
from tests.properties.peers import leftovers, ssh
from tests.rehearsal import ports

pytestmark = pytest.mark.timeout(600)
APT = ("apt-get", "apt-cache", "apt", "dpkg", "dpkg-query", "dpkg-deb")
RPM_FILE = "[tests]\nname=tests\nbaseurl={url}\nenabled=1\ngpgcheck=0\n"


@dataclass(frozen=True)
class Manager:
    """A package manager: commands to hide so that it is the one, its source (a file with `{url}`), its test package."""

    name: str
    hidden: Sequence[str]
    source: str
    text: str
    files: str

    def set_up(self, board: Machine, *, reachable: bool = True) -> None:
        """Make it the machine's manager, with one package source."""
        board.without(*APT, *self.hidden)
        url = f"file:///repo/{self.files.split('/')[0]}"
        path = board.root / self.source
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.text.format(url=url if reachable else "http://127.0.0.1:9/repo"))
        if self.name != "pacman":
            board.run("rpm", "--initdb")


DNF = Manager("dnf", ("zypper", "pacman"), "etc/yum.repos.d/tests.repo", RPM_FILE, "rpm/deptest-{version}-1.noarch.rpm")
ZYPPER = Manager(
    "zypper", ("dnf", "dnf-3", "pacman"), "etc/zypp/repos.d/tests.repo", RPM_FILE, "rpm/deptest-{version}-1.noarch.rpm"
)
PACMAN = Manager(
    "pacman",
    ("dnf", "dnf-3", "zypper", "rpm"),
    "etc/pacman.conf",
    "[options]\nArchitecture = auto\nSigLevel = Never\n[tests]\nServer = {url}\n",
    "pacman/deptest-{version}-1-any.pkg.tar.zst",
)
MANAGERS = pytest.mark.parametrize("manager", [DNF, ZYPPER, PACMAN], ids=lambda each: each.name)


def content_of(board: Machine) -> str:
    """The version that the test package left on the machine."""
    file = board.root / "usr/share/deptest/version"
    return file.read_text().strip() if file.exists() else ""


def fetched(board: Machine, manager: Manager, folder: Path, version: str) -> str:
    """A package file on the workstation, by its name in the plan's folder."""
    file = board.root / "repo" / manager.files.format(version=version)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(file, folder / file.name)
    return file.name


@MANAGERS
async def test_what_is_missing_is_installed(make_machine: MakeMachine, tmp_path: Path, manager: Manager) -> None:
    board = make_machine(managers=True)
    manager.set_up(board)
    wanted = Dependency(name="other", names={manager.name: "deptest"}, version=">=1.5")

    state, events = await carry_out(tmp_path / "history", plan_for(board, wanted))

    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    assert content_of(board) == "2.0"
    done = [each.body for each in events if isinstance(each.body, DependencyDone)]
    assert [(each.dependency, each.action, each.found.split("-")[0]) for each in done] == [
        ("other", "installed", "2.0")
    ]
    again, _ = await carry_out(tmp_path / "history", plan_for(board, wanted))
    assert [each.action for each in again.environments["board"].dependencies.values()] == ["present"]

    state, _ = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="deptest", version=">=9")))
    error = failure(state)
    assert error.code == "E-DEP-VERSION"
    assert error.message.startswith("deptest is 2.0-1, wanted >=9; the package sources offer 2.0-1")
    state, _ = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="no-such-package")))
    error = failure(state)
    assert error.code == "E-PKG-MISSING"
    assert "no-such-package is missing" in error.message


@pytest.mark.parametrize("manager", [DNF, ZYPPER], ids=lambda each: each.name)
async def test_an_older_version_is_asked_for_by_its_number(
    make_machine: MakeMachine, tmp_path: Path, manager: Manager
) -> None:
    board = make_machine(managers=True)
    manager.set_up(board)
    state, _ = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="deptest", version="<2")))
    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    assert content_of(board) == "1.0"


@MANAGERS
async def test_files_do_where_no_source_answers(make_machine: MakeMachine, tmp_path: Path, manager: Manager) -> None:
    board = make_machine(managers=True)
    manager.set_up(board, reachable=False)
    file = fetched(board, manager, tmp_path / "plan", "2.0")

    state, _ = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="deptest")))
    error = failure(state)
    assert error.code == "E-PKG-OFFLINE", error
    assert "files = [" in error.remedy
    state, _ = await carry_out(
        tmp_path / "history", plan_for(board, Dependency(name="deptest", files=(file,)), folder=tmp_path / "plan")
    )

    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    assert content_of(board) == "2.0"
    assert leftovers(board.root / "root") == []


LOCKS: Mapping[str, tuple[str, str]] = {
    "dnf": ("var/lib/dnf/rpmdb_lock.pid", "var/cache/dnf/metadata_lock.pid"),
    "zypper": ("run/zypp.pid", "run/zypp.pid"),
    "pacman": ("var/lib/pacman/db.lck", "var/lib/pacman/db.lck"),
}


@MANAGERS
async def test_another_one_at_work_is_named_and_waited_for(
    make_machine: MakeMachine, tmp_path: Path, manager: Manager
) -> None:
    board = make_machine(managers=True)
    manager.set_up(board)
    program = tmp_path / manager.name
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "600"]) as other:
        for each in LOCKS[manager.name]:
            path = board.root / each
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{other.pid}\n")

        def let_go() -> None:
            other.kill()
            other.wait()
            for each in LOCKS[manager.name]:
                (board.root / each).unlink(missing_ok=True)

        state, events = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="deptest")), let_go)

    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    (wait,) = [each.body for each in events if isinstance(each.body, RetryScheduled)]
    assert f"process {other.pid} ({manager.name}) is installing packages" in wait.because.message
    assert content_of(board) == "2.0"


async def test_a_lock_that_pacman_left_over_is_told_with_its_remedy(make_machine: MakeMachine, tmp_path: Path) -> None:
    board = make_machine(managers=True)
    PACMAN.set_up(board)
    lock = board.root / "var/lib/pacman/db.lck"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()
    state, events = await carry_out(tmp_path / "history", plan_for(board, Dependency(name="deptest")))
    error = failure(state)
    assert error.code == "E-PKG-STALE-LOCK"
    assert "`rm /var/lib/pacman/db.lck`" in error.remedy
    assert not [each for each in events if isinstance(each.body, RetryScheduled)]
    assert lock.exists(), "locks are for people to remove"


def changed(board: Machine, before: Mapping[str, tuple[int, int]]) -> set[str]:
    """What was written since; the memory that readers of rpm's database share is a file, too."""
    after = board.writes()
    paths = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    return {path for path in paths if not path.endswith("rpmdb.sqlite-shm")}


@MANAGERS
async def test_a_look_writes_nothing(make_machine: MakeMachine, tmp_path: Path, manager: Manager) -> None:
    board = make_machine(managers=True)
    manager.set_up(board)
    if manager is PACMAN:
        board.run("pacman", "-Sy")
    history = open_history(tmp_path / "history")
    plan = plan_for(board, Dependency(name="deptest", version=">=1"), Dependency(pip="x", required=False))
    before = board.writes()
    found = await preview(ports(history, tmp_path, ssh(), LocalContent()), plan, plan.environments[0])
    history.close()
    assert changed(board, before) == set()
    package, python = found.dependencies
    assert (package.change, package.offered) == (DependencyChange.INSTALL, "2.0-1" if manager is PACMAN else "")
    assert (python.change, "PEP 668" in python.note) == (DependencyChange.MISSING, True)


async def test_rpm_and_dpkg_alone_install_files_and_nothing_else(make_machine: MakeMachine, tmp_path: Path) -> None:
    board = make_machine(managers=True)
    folder = tmp_path / "plan"
    packages.deb(folder, "one", "1.0")
    board.without("apt-get", "apt", "dnf", "dnf-3", "zypper", "pacman")
    for name, wanted in (
        ("dpkg", Dependency(name="one", files=("one*.deb",))),
        ("rpm", Dependency(name="deptest", files=(fetched(board, DNF, folder, "2.0"),))),
    ):
        if name == "rpm":
            board.without("dpkg", "dpkg-query")
            board.run("rpm", "--initdb")
        state, _ = await carry_out(tmp_path / "history", plan_for(board, replace(wanted, files=()), folder=folder))
        error = failure(state)
        assert error.code == "E-PKG-MANAGER"
        assert f"{name} alone cannot fetch packages" in error.message
        state, _ = await carry_out(tmp_path / "history", plan_for(board, wanted, folder=folder))
        assert state.outcome is Outcome.SUCCEEDED, failure(state)
    assert content_of(board) == "2.0"


async def test_pip_is_not_let_into_a_system_that_keeps_it_out(make_machine: MakeMachine, tmp_path: Path) -> None:
    board = make_machine(managers=True)
    plan = plan_for(board, Dependency(pip="deptool", version=">=1.5"))
    state, _ = await carry_out(tmp_path / "history", plan)
    error = failure(state)
    assert error.code == "E-PIP-MANAGED"
    assert "PEP 668" in error.message
    assert "--break-system-packages" not in error.remedy
    (board.root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()

    (board.root / "etc/pip.conf").write_text("[global]\nindex-url = http://127.0.0.1:9/\nretries = 0\n")
    state, _ = await carry_out(tmp_path / "history", plan)
    assert failure(state).code == "E-PKG-OFFLINE"

    for version in ("1.0", "2.0"):
        packages.wheel(board.root / "repo/wheels", "deptool", version)
    (board.root / "etc/pip.conf").write_text("[global]\nno-index = true\nfind-links = /repo/wheels\n")
    state, events = await carry_out(tmp_path / "history", plan)
    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    done = [each.body for each in events if isinstance(each.body, DependencyDone)]
    assert [(each.dependency, each.action, each.found) for each in done] == [("deptool (pip)", "installed", "2.0")]
    state, _ = await carry_out(tmp_path / "history", plan_for(board, Dependency(pip="deptool", version="<2")))
    assert "deptool (pip) is 2.0, wanted <2" in failure(state).message
    state, _ = await carry_out(tmp_path / "history", plan_for(board, Dependency(pip="no-such-tool")))
    assert failure(state).code == "E-PKG-MISSING"


async def test_pip_installs_wheels_of_this_workstation_for_the_user_alone(
    make_machine: MakeMachine, tmp_path: Path
) -> None:
    board = make_machine(managers=True, account=True)
    (board.root / "usr/lib/python3.11/EXTERNALLY-MANAGED").unlink()
    packages.wheel(tmp_path / "plan", "deptool", "2.0")
    plan = plan_for(board, Dependency(pip="deptool", files=("*.whl",)), folder=tmp_path / "plan")

    state, _ = await carry_out(tmp_path / "history", plan)

    assert state.outcome is Outcome.SUCCEEDED, failure(state)
    home = board.root / "home" / board.server.user()
    assert list(home.rglob("site-packages/deptool.py"))
    assert leftovers(home) == []


async def test_a_machine_without_a_package_manager_has_its_commands_looked_at(
    make_machine: MakeMachine, tmp_path: Path
) -> None:
    """A busybox system, as Buildroot makes them."""
    board = make_machine()
    board.without(*APT)
    (board.root / "etc/os-release").unlink()
    (board.root / "etc/os-release").write_text('ID=buildroot\nPRETTY_NAME="Buildroot 2024.02"\n')
    for each in ("sha256sum", "stat", "tar", "mv", "sed", "ls", "df"):
        board.without(each)
        (board.root / "usr/bin" / each).symlink_to("busybox")
    wanted = (Dependency(tool="tar"), Dependency(tool="perf"), Dependency(name="iperf3"))

    state, events = await carry_out(tmp_path / "history", plan_for(board, *wanted))

    error = failure(state)
    assert error.code == "E-PKG-MANAGER"
    assert error.message == "perf is missing; iperf3 is missing (Buildroot 2024.02 has no package manager)"
    assert "Buildroot" in error.remedy
    actions = [each.body.action for each in events if isinstance(each.body, DependencyDone)]
    assert actions == ["present", "missing", "missing"]
