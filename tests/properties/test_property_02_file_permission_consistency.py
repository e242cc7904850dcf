"""Property 02: file permission consistency

For any mode and owner, what `stat` says on the target is what the plan says, also with a hostile umask, with files that
were there before, and with setuid bits, which writing strips.
"""

from __future__ import annotations

import asyncio
import grp
import os
import pwd
import shutil
import stat
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.memory_target import MemoryMachine, StoredFile
from kdeploy_gui.errors import Category
from kdeploy_gui.model.event import FileDone
from kdeploy_gui.model.plan import Artifact, ArtifactType
from kdeploy_gui.model.stage import Outcome, Status
from tests.lab.client import output_of
from tests.lab.fixtures import MakeSshd
from tests.properties.peers import INTERPRETERS, LocalMachine, deploy, leftovers, plan_of, write_files
from tests.rehearsal import MemoryContent, memory_file, memory_plan, rehearsal

modes = st.integers(0, 0o7777) | st.sampled_from([0, 0o111, 0o644, 0o755, 0o1777, 0o2755, 0o4711, 0o4755, 0o6555])
umasks = st.integers(0, 0o777) | st.sampled_from([0, 0o022, 0o077, 0o777])
is_root = os.getuid() == 0
ACCOUNTS = [each.pw_name for each in pwd.getpwall()[:5]]
GROUPS = [each.gr_name for each in grp.getgrall()[:5]]
MY_USER, MY_GROUP = pwd.getpwuid(os.getuid()).pw_name, grp.getgrgid(os.getgid()).gr_name


def owners(accounts: Sequence[str], groups: Sequence[str]) -> st.SearchStrategy[str]:
    """Every form in which a plan may name an owner."""
    users, teams = st.sampled_from(accounts), st.sampled_from(groups)
    both = st.builds(lambda user, group: f"{user}:{group}", users, teams)
    return st.just("") | users | both | teams.map(lambda group: f":{group}")


@dataclass(frozen=True)
class Declared:
    """One file of a plan, and the file that stands there before: same or other bytes, any mode; None: nothing."""

    mode: int
    owner: str
    before: tuple[bool, int] | None

    def data(self, number: int) -> bytes:
        """What the plan brings."""
        return b"#!/bin/sh\n" + b"x" * number

    def old_data(self, number: int) -> bytes:
        """What is there before."""
        return self.data(number) if self.before and self.before[0] else b"old"


def declared(owner: st.SearchStrategy[str]) -> st.SearchStrategy[list[Declared]]:
    """Files of one plan."""
    before = st.none() | st.tuples(st.booleans(), modes)
    return st.lists(st.builds(Declared, modes, owner, before), min_size=1, max_size=12)


def expected_owner(owner: str, default: str) -> tuple[str, str]:
    """Who shall own a file, from the plan's words and the owner it has without them."""
    user, _, group = owner.partition(":")
    default_user, _, default_group = default.partition(":")
    return user or default_user, group or default_group


@settings(max_examples=100)
@given(files=declared(owners(["root", "tester", "daemon"], ["root", "lab"])))
def test_files_have_the_declared_mode_and_owner(
    tmp_path_factory: pytest.TempPathFactory, files: list[Declared]
) -> None:
    machine, content = MemoryMachine(), MemoryContent()
    planned = [
        memory_file(content, f"/opt/{number}", each.data(number), each.mode, each.owner)
        for number, each in enumerate(files)
    ]
    for number, each in enumerate(files):
        if each.before is not None:
            machine.files[f"/opt/{number}"] = StoredFile(each.old_data(number), each.before[1], "nobody:nogroup")
    before = dict(machine.files)

    async def run() -> None:
        async with rehearsal(tmp_path_factory.getbasetemp() / "property-02", {"m": machine}, content) as stage:
            state, events = await stage.run(memory_plan(["m"], planned))
            assert state.outcome is Outcome.SUCCEEDED
            said = {each.body.path: each.body.action for each in events if isinstance(each.body, FileDone)}
            again, _ = await stage.run(memory_plan(["m"], planned))
            assert again.environments["m"].files.same == len(files)
        for number, each in enumerate(files):
            found = machine.files[f"/opt/{number}"]
            assert found.mode == each.mode
            user, _, group = each.owner.partition(":")
            found_user, _, found_group = found.owner.partition(":")
            assert (user or found_user, group or found_group) == (found_user, found_group)
            had = before.get(f"/opt/{number}")
            assert said[f"/opt/{number}"] == (
                "same" if had == found else "mode" if had and had.data == found.data else "sent"
            )

    asyncio.run(run())


local_owners = owners(ACCOUNTS, GROUPS) if is_root else st.sampled_from(["", MY_USER, f"{MY_USER}:{MY_GROUP}"])
local_modes = (
    declared(local_owners)
    if is_root
    else declared(local_owners).map(lambda files: [replace(each, mode=each.mode | 0o400) for each in files])
)


def attributes(path: Path) -> tuple[int, tuple[str, str]]:
    """Mode and owner as the system tells them."""
    found = path.lstat()
    owner = pwd.getpwuid(found.st_uid).pw_name, grp.getgrgid(found.st_gid).gr_name
    return stat.S_IMODE(found.st_mode), owner


@settings(max_examples=100)
@given(files=local_modes, umask=umasks, interpreter=st.sampled_from(INTERPRETERS))
def test_stat_agrees_whatever_the_umask_is(
    tmp_path_factory: pytest.TempPathFactory, files: list[Declared], umask: int, interpreter: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("umask")
    content = MemoryContent()
    root = folder / "opt/suite"
    (folder / "home").mkdir()
    root.mkdir(parents=True)
    planned = []
    for number, each in enumerate(files):
        path = root / f"{number}"
        planned.append(memory_file(content, str(path), each.data(number), each.mode, each.owner))
        if each.before is not None:
            path.write_bytes(each.old_data(number))
            path.chmod(each.before[1])
    machine = LocalMachine(interpreter, folder / "home", content, umask)

    async def run() -> None:
        async with rehearsal(folder / "history", {}, content, connector=machine) as stage:
            state, _ = await stage.run(memory_plan(["m"], planned))
        assert state.outcome is Outcome.SUCCEEDED, state.environments["m"].error

    asyncio.run(run())
    for number, each in enumerate(files):
        expected = each.mode, expected_owner(each.owner, f"{MY_USER}:{MY_GROUP}")
        assert attributes(root / f"{number}") == expected
        if is_root or each.mode & 0o400:
            assert (root / f"{number}").read_bytes() == each.data(number)
    assert leftovers(folder) == []
    shutil.rmtree(folder)


HOSTILE = {"ForceCommand": 'umask 0777; eval "$SSH_ORIGINAL_COMMAND"'}
"""sshd runs this instead of what the client asks for: the account's shell with the worst umask there is."""
MODES = (0o400, 0o444, 0o500, 0o600, 0o640, 0o644, 0o700, 0o711, 0o750, 0o755, 0o777, 0o1755, 0o2755, 0o4711, 0o4755)


def one_per_mode(folder: Path, owner: str = "", modes: Sequence[int] = MODES) -> list[Artifact]:
    """An artifact for each mode, with its file."""
    write_files(folder, {f"{mode:04o}": f"declared {mode:04o}".encode() for mode in modes})
    return [
        Artifact(
            source=f"{mode:04o}",
            type=ArtifactType.BINARY,
            target="~/made/below/",
            mode=mode,
            owner=owner,
            allow_setuid=mode > 0o777,
        )
        for mode in modes
    ]


def modes_below(folder: Path) -> Mapping[str, str]:
    """Files by name with their mode as `stat` prints it."""
    said = subprocess.run(
        ["stat", "-c", "%n %04a", *(each.name for each in folder.iterdir())],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(line.split() for line in said.stdout.splitlines())


async def test_the_servers_umask_does_not_matter(make_sshd: MakeSshd, tmp_path: Path) -> None:
    server = make_sshd(options=HOSTILE)
    assert await output_of(server.environment(), "umask") == "0777"
    plan = plan_of([server.environment()], one_per_mode(tmp_path / "plan"), tmp_path / "plan")

    state, _ = await deploy(tmp_path / "history", plan)

    assert state.outcome is Outcome.SUCCEEDED, state.environments["host-1"].error
    made = server.home() / "made/below"
    assert modes_below(made) == {f"{mode:04o}": f"{mode:04o}" for mode in MODES}
    assert {f"{stat.S_IMODE(each.stat().st_mode):04o}" for each in (made, made.parent)} == {"0755"}


async def test_an_account_without_rights_gets_its_modes_too(make_sshd: MakeSshd, tmp_path: Path) -> None:
    server = make_sshd(accounts=True, options=HOSTILE)
    plan = plan_of([server.environment()], one_per_mode(tmp_path / "plan"), tmp_path / "plan")

    state, _ = await deploy(tmp_path / "history", plan)

    assert state.outcome is Outcome.SUCCEEDED, state.environments["host-1"].error
    assert modes_below(server.home() / "made/below") == {f"{mode:04o}": f"{mode:04o}" for mode in MODES}
    assert {each.owner() for each in (server.home() / "made").rglob("*")} == {server.user()}


async def test_files_that_were_there_get_the_declared_mode(make_sshd: MakeSshd, tmp_path: Path) -> None:
    """Those with the same bytes are not sent again; setuid is neither lost nor kept against the plan."""
    server = make_sshd(options=HOSTILE)
    plan = plan_of([server.environment()], one_per_mode(tmp_path / "plan"), tmp_path / "plan")
    made = server.home() / "made/below"
    write_files(made, {f"{mode:04o}": f"declared {mode:04o}".encode() for mode in MODES[::2]})
    write_files(made, {f"{mode:04o}": b"old" for mode in MODES[1::2]})
    for each in made.iterdir():
        each.chmod(0o6777)

    state, events = await deploy(tmp_path / "history", plan)

    assert state.outcome is Outcome.SUCCEEDED, state.environments["host-1"].error
    assert modes_below(made) == {f"{mode:04o}": f"{mode:04o}" for mode in MODES}
    done = {Path(each.body.path).name: each.body.action for each in events if isinstance(each.body, FileDone)}
    assert done == {f"{mode:04o}": "sent" if number % 2 else "mode" for number, mode in enumerate(MODES)}


async def test_root_gives_files_to_other_accounts(make_sshd: MakeSshd, tmp_path: Path) -> None:
    people = make_sshd(accounts=True, hosts=2)
    server = make_sshd(options=HOSTILE)
    first, second = people.user(0), people.user(1)
    artifacts = one_per_mode(tmp_path / "plan", f"{first}:{second}")
    plan = plan_of([server.environment()], artifacts, tmp_path / "plan")
    made = server.home() / "made/below"
    write_files(made, {"4755": b"declared 4755", "0644": b"old"})
    (made / "4755").chmod(0o4755)
    os.chown(made / "4755", people.home(1).stat().st_uid, -1)

    state, _ = await deploy(tmp_path / "history", plan)

    assert state.outcome is Outcome.SUCCEEDED, state.environments["host-1"].error
    assert {(each.owner(), each.group()) for each in made.iterdir()} == {(first, second)}
    assert modes_below(made) == {f"{mode:04o}": f"{mode:04o}" for mode in MODES}


async def test_an_owner_that_cannot_be_given_changes_nothing(make_sshd: MakeSshd, tmp_path: Path) -> None:
    server = make_sshd(accounts=True)
    made = server.home() / "made/below"
    for owner, code in (("root", "E-PERM"), ("no-such-account", "E-OWNER")):
        plan = plan_of([server.environment()], one_per_mode(tmp_path / "plan", owner), tmp_path / "plan")

        state, _ = await deploy(tmp_path / "history", plan)

        board = state.environments["host-1"]
        assert board.status is Status.FAILED
        assert board.error is not None
        assert (board.error.category, board.error.code) == (Category.TARGET, code), board.error
        assert [each for each in made.rglob("*") if each.is_file()] == []
    assert leftovers(server.home()) == []


async def test_files_of_other_accounts_are_replaced_where_the_folder_allows_it(
    make_sshd: MakeSshd, tmp_path: Path
) -> None:
    """Hard links to them are forbidden (fs.protected_hardlinks), so that keeping the old version needs a copy."""
    server = make_sshd(accounts=True)
    made = server.home() / "made/below"
    write_files(made, {f"{mode:04o}": b"old" for mode in MODES})
    account = server.home().stat().st_uid
    for number, each in enumerate([made, *sorted(made.iterdir())]):
        os.chown(each, account if number % 2 == 0 else 0, -1)
    plan = plan_of([server.environment()], one_per_mode(tmp_path / "plan"), tmp_path / "plan")

    state, _ = await deploy(tmp_path / "history", plan)

    assert state.outcome is Outcome.SUCCEEDED, state.environments["host-1"].error
    assert modes_below(made) == {f"{mode:04o}": f"{mode:04o}" for mode in MODES}
    assert leftovers(server.home()) == []


async def test_a_set_that_cannot_be_completed_leaves_modes_alone(make_sshd: MakeSshd, tmp_path: Path) -> None:
    server = make_sshd(accounts=True)
    made = server.home() / "made/below"
    artifacts = one_per_mode(tmp_path / "plan")
    write_files(made, {f"{mode:04o}": f"declared {mode:04o}".encode() for mode in MODES})
    account = server.home().stat()
    for each in (made.parent, made, *made.iterdir()):
        os.chown(each, account.st_uid, account.st_gid)
    for each in made.iterdir():
        each.chmod(0o6707)
    (made / "0755").write_bytes(b"old")
    os.chown(made / "0755", 0, 0)
    os.chown(made, 0, 0)
    made.chmod(0o1777)
    before = modes_below(made)

    state, _ = await deploy(tmp_path / "history", plan_of([server.environment()], artifacts, tmp_path / "plan"))

    board = state.environments["host-1"]
    assert board.error is not None
    assert (board.status, board.error.code) == (Status.FAILED, "E-PERM")
    assert modes_below(made) == before
    assert (made / "0755").read_bytes() == b"old"
    assert leftovers(server.home()) == []


UNREADABLE = (0o000, 0o111, 0o200, 0o311)


async def test_modes_that_lock_the_account_itself_out(make_sshd: MakeSshd, tmp_path: Path) -> None:
    """An account that may not read its own file cannot prove it: the run says so and does not claim READY."""
    server = make_sshd(accounts=True)
    plan = plan_of([server.environment()], one_per_mode(tmp_path / "plan", modes=UNREADABLE), tmp_path / "plan")

    state, _ = await deploy(tmp_path / "history", plan)

    board = state.environments["host-1"]
    assert (board.status, board.ready) == (Status.FAILED, False)
    assert board.error is not None
    assert board.error.code == "E-CHECK"
    assert all(f"{server.home()}/made/below/{mode:04o} cannot be read" in board.error.message for mode in UNREADABLE)
    assert modes_below(server.home() / "made/below") == {f"{mode:04o}": f"{mode:04o}" for mode in UNREADABLE}
