"""Property 30: access control enforcement

For any declared mode and owner, no file is ever open to more people than declared, not for an instant, and other users
of the machine can neither read what is not theirs nor lead a deployment elsewhere.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.errors import Category, TargetError
from kdeploy_gui.model.files import Batch, ManifestEntry, Placement
from kdeploy_gui.model.plan import Artifact, ArtifactType
from kdeploy_gui.model.run import EnvironmentState
from kdeploy_gui.model.stage import Outcome, Status
from tests.contract.local_shell import LocalShell
from tests.engine.steps import HookedConnector
from tests.lab.fixtures import MakeSshd
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd
from tests.properties.peers import QUICK, deploy, leftovers, plan_of, ssh, write_files
from tests.rehearsal import MemoryContent, quick_folder

IS_ROOT = os.getuid() == 0
OTHERS, GROUP, SPECIAL = 0o007, 0o070, 0o7000
WATCHED = ("tar", "chmod", "chown", "mv", "ln", "cp", "mkdir")
"""Commands that change files: after each of them the machine's files are looked at."""
ACCOUNTS = ("", "daemon:daemon", "nobody", ":daemon", "root:daemon") if IS_ROOT else ("",)

modes = st.integers(0, 0o7777) | st.sampled_from([0o600, 0o640, 0o644, 0o700, 0o755, 0o4711])


@dataclass(frozen=True)
class Declared:
    """A file of a deployment, and the mode of the file that stands there before, with the same bytes or others."""

    mode: int
    owner: str
    before: tuple[int, bool] | None


declared = st.builds(
    Declared, modes, st.sampled_from(ACCOUNTS), st.none() | st.tuples(st.integers(0, 0o777), st.booleans())
)


@dataclass(frozen=True)
class Seen:
    """A file at one moment; `mode` is what is left of it behind the folders on the way."""

    path: str
    inode: int
    mode: int
    owner: str


class Machine:
    """A shell on this machine on which every change of files is looked at."""

    def __init__(self, folder: Path, umask: int) -> None:
        self.root, self._log, programs = folder / "root", folder / "log", folder / "bin"
        self.root.mkdir(mode=0o755)
        programs.mkdir()
        for name in WATCHED:
            (programs / name).write_text(
                f'#!/bin/sh\n"{shutil.which(name)}" "$@"\nstatus=$?\n'
                f"find {self.root} -printf '%y\\t%i\\t%m\\t%u:%g\\t%p\\n' >> {self._log}\n"
                f"echo end >> {self._log}\nexit $status\n"
            )
            (programs / name).chmod(0o755)
        home = self.root / "home"
        home.mkdir(mode=0o755)
        self.content = MemoryContent()
        shell = LocalShell(("/bin/sh",), home, f"{programs}:{os.defpath}", umask)
        self.target = ShellTarget(shell, self.content)

    def moments(self) -> Iterator[list[Seen]]:
        """All files after each change."""
        for moment in self._log.read_text().split("end\n")[:-1]:
            lines = [line.split("\t") for line in moment.splitlines()]
            folders = {path: int(mode, 8) for kind, _, mode, _, path in lines if kind == "d"}
            yield [
                Seen(path, int(inode), int(mode, 8) & _passable(path, folders), owner)
                for kind, inode, mode, owner, path in lines
                if kind == "f"
            ]


def _passable(path: str, folders: dict[str, int]) -> int:
    """The bits of a mode that are worth anything behind these folders; only those that all may pass count as open."""
    above = [folders[str(each)] for each in Path(path).parents if str(each) in folders]
    is_open = all(mode & 0o001 for mode in above)
    return 0o7777 if is_open else 0o7700


def placed(machine: Machine, files: Sequence[Declared]) -> tuple[Batch, dict[str, Declared]]:
    """A deployment of these files, and by path what was declared."""
    send, attributes, by_path = [], [], {}
    for number, each in enumerate(files):
        path = f"{machine.root}/t{number % 2}/{number}"
        data = f"new {number}".encode()
        machine.content.data[str(number)] = data
        entry = ManifestEntry(path, hashlib.sha256(data).hexdigest(), each.mode, each.owner, len(data))
        by_path[path] = each
        is_same = False
        if each.before is not None:
            mode, is_same = each.before
            Path(path).parent.mkdir(mode=0o755, exist_ok=True)
            Path(path).write_bytes(data if is_same else b"old")
            Path(path).chmod(mode)
        if is_same:
            attributes.append(entry)
        else:
            send.append(Placement(entry, str(number)))
    return Batch(1, tuple(send), tuple(attributes), keep=1), by_path


@settings(max_examples=100)
@given(st.lists(declared, min_size=1, max_size=4), st.sampled_from([0, 0o022, 0o077, 0o777]))
def test_no_file_is_ever_wider_than_declared(files: list[Declared], umask: int) -> None:
    with quick_folder() as folder:
        machine = Machine(Path(folder), umask)
        batch, by_path = placed(machine, files)
        before = {path: Path(path).stat() for path in by_path if Path(path).exists()}
        asyncio.run(machine.target.place(batch, lambda _: None))
        old = {found.st_ino: (path, found.st_mode & 0o7777) for path, found in before.items()}
        moments = list(machine.moments())
        assert len(moments) > 5
        for seen in (each for moment in moments for each in moment):
            if "/control/" in seen.path or ("/.cache/" in seen.path and seen.inode not in old):
                assert not seen.mode & (OTHERS | GROUP), seen
            elif seen.inode in old:
                path, mode = old[seen.inode]
                allowed = mode | by_path[path].mode if by_path[path].before == (mode, True) else mode
                assert not seen.mode & ~allowed, (seen, by_path[path])
            else:
                final = next(path for path in by_path if path.rpartition("/")[2] == Path(seen.path).name)
                assert not seen.mode & ~by_path[final].mode & (OTHERS | GROUP | SPECIAL), (seen, by_path[final])
                if seen.path == final:
                    assert seen.mode == by_path[final].mode
                    user, _, group = by_path[final].owner.partition(":")
                    assert (user in seen.owner.split(":")[0], group in seen.owner.split(":")[1]) == (True, True)


# On a real server with two users

POLL = """\
import os, sys
folder, canary, report = sys.argv[1], sys.argv[2].encode(), os.fdopen(3, "w")
def look(path):
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError:
        return b""
rounds = 0
tokens = set()
while True:
    rounds += 1
    for number in os.listdir("/proc"):
        if number.isdigit():
            tokens.update(word.decode() for word in look(f"/proc/{number}/cmdline").split(b"\\0")
                          if word.startswith(b".kdeploy-") and b"/" not in word)
    for name in ("secret", "public", *(f"{token}/{sub}" for token in tokens for sub in ("new/secret", "old/secret"))):
        data = look(os.path.join(folder, name))
        if canary in data:
            print("READ", name, file=report, flush=True)
        elif data:
            print("public", name, file=report, flush=True)
    for token in tokens:
        try:
            print("LISTED", os.listdir(os.path.join(folder, token)), file=report, flush=True)
        except OSError:
            pass
    if rounds % 20 == 0:
        print("rounds", rounds, len(tokens), file=report, flush=True)
"""


@contextmanager
def prying(user: str, folder: Path, canary: str) -> Iterator[Path]:
    """Another user who tries to read all the time; the file holds what he found."""
    with tempfile.NamedTemporaryFile("r") as report:
        account = pwd.getpwnam(user)
        Path(report.name).chmod(0o666)
        with subprocess.Popen(
            ["/bin/sh", "-c", f'exec "$@" 3>>{report.name}', "sh", "/usr/bin/python3", "-c", POLL, folder, canary],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
        ) as process:
            try:
                yield Path(report.name)
            finally:
                process.kill()


@pytest.fixture
def people(make_sshd: MakeSshd) -> Sshd:
    """Two accounts on one machine: the first is ours."""
    return make_sshd(accounts=True, hosts=2)


@pytest.mark.sshd
@pytest.mark.skipif(not Path("/usr/bin/python3").exists(), reason="needs a Python that other users can run")
async def test_another_user_reads_nothing_at_any_instant(people: Sshd, tmp_path: Path) -> None:
    canary = f"canary-{secrets.token_hex(16)}"
    people.home().chmod(0o755)
    artifacts = [
        Artifact(source="secret", type=ArtifactType.CONFIG, target="~/t/secret", mode=0o600, sensitive=True),
        Artifact(source="public", type=ArtifactType.DATA, target="~/t/public", mode=0o644),
    ]
    with prying(people.user(1), people.home() / "t", canary) as report:
        for number in range(3):
            write_files(tmp_path, {"secret": f"{canary} {number}\n".encode() * 9000, "public": b"all %d" % number})
            state, _ = await deploy(tmp_path / "history", plan_of([people.environment()], artifacts, tmp_path))
            assert state.outcome is Outcome.SUCCEEDED, state.environments["host-1"].error
        await asyncio.to_thread(wait_until, lambda: "public" in report.read_text(), "the other user is at it", 20)
        told = report.read_text()
    assert "READ" not in told
    assert "LISTED" not in told
    kept = people.home() / ".cache/kdeploy"
    assert [each for each in kept.rglob("*") if each.is_dir() and each.stat().st_mode & 0o077] == []
    assert kept.stat().st_mode & 0o077 == 0


def as_user(name: str, *command: str | Path) -> None:
    """Run a command as an account."""
    account = pwd.getpwnam(name)
    subprocess.run(command, user=account.pw_uid, group=account.pw_gid, extra_groups=[], cwd="/", check=True)


async def deployed_into(shared: Path, people: Sshd, folder: Path, *trap: str | Path) -> EnvironmentState:
    """A deployment to a folder below `shared`, in which somebody runs a command after the machine was looked at."""
    write_files(folder, {"tool": b"#!/bin/sh\n"})
    artifacts = [Artifact(source="tool", type=ArtifactType.SCRIPT, target=f"{shared}/suite/in/tool", mode=0o755)]

    async def hook(_: str, call: str) -> None:
        if call == "place" and trap:
            await asyncio.to_thread(as_user, people.user(1), *trap)

    connector = HookedConnector(ssh(), hook)
    state, _ = await deploy(folder / "history", plan_of([people.environment()], artifacts, folder, QUICK), connector)
    return state.environments["host-1"]


@pytest.fixture
def shared(people: Sshd) -> Path:
    """A folder like /tmp."""
    folder = people.home().parent / "shared"
    folder.mkdir()
    folder.chmod(0o1777)
    return folder


@pytest.mark.sshd
@pytest.mark.parametrize("trap", ["folder", "open folder", "link to our home", "link to his"])
async def test_what_somebody_puts_on_the_way_is_not_entered(
    people: Sshd, shared: Path, tmp_path: Path, trap: str
) -> None:
    suite, ours, his = shared / "suite", people.home() / "in", people.home(1) / "in"
    people.home().chmod(0o755)
    as_user(people.user(), "mkdir", ours)
    as_user(people.user(1), "mkdir", "-m", "777", his)
    people.home(1).chmod(0o755)
    command: dict[str, tuple[str | Path, ...]] = {
        "folder": ("mkdir", "-p", suite / "in"),
        "open folder": ("mkdir", "-p", "-m", "777", suite),
        "link to our home": ("ln", "-s", people.home(), suite),
        "link to his": ("ln", "-s", people.home(1), suite),
    }
    board = await deployed_into(shared, people, tmp_path, *command[trap])
    assert board.status is Status.FAILED
    assert board.error is not None
    assert (board.error.category, board.error.code) == (Category.TARGET, "E-PARENT"), board.error
    assert str(suite) in board.error.message
    assert [*ours.iterdir(), *his.iterdir()] == []
    assert not (suite / "in/tool").exists()
    assert leftovers(people.home().parent) == []


@pytest.mark.sshd
async def test_a_folder_for_all_is_good_enough_while_nobody_interferes(
    people: Sshd, shared: Path, tmp_path: Path
) -> None:
    for _ in range(2):
        assert (await deployed_into(shared, people, tmp_path)).status is Status.COMPLETED
    assert (shared / "suite/in").stat().st_mode & 0o7777 == 0o755
    shared.chmod(0o777)
    write_files(tmp_path, {"tool": b"#!/bin/sh\n: other\n"})
    board = await deployed_into(shared, people, tmp_path)
    assert board.error is not None
    assert board.error.code == "E-PARENT", "without the sticky bit anybody could exchange it"


@pytest.mark.skipif(not IS_ROOT, reason="only root can make links of others")
async def test_a_guessed_staging_folder_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(secrets, "token_hex", partial("{1:0>{0}}".format, 32, 7))
    shared, ours = tmp_path / "shared", tmp_path / "ours"
    for each in (shared, ours, ours / "new", ours / "old", tmp_path / "home"):
        each.mkdir()
    shared.chmod(0o1777)
    token = shared / f".kdeploy-1-{secrets.token_hex(16)}.part"
    token.symlink_to(ours)
    os.chown(token, pwd.getpwnam("daemon").pw_uid, -1, follow_symlinks=False)
    content = MemoryContent({"memory": b"new"})
    entry = ManifestEntry(f"{shared}/file", hashlib.sha256(b"new").hexdigest(), 0o600, "", 3)
    target = ShellTarget(LocalShell(("/bin/sh",), tmp_path / "home"), content)
    with pytest.raises(TargetError):
        await target.place(Batch(1, (Placement(entry, "memory"),)), lambda _: None)
    assert sorted(each.name for each in ours.rglob("*")) == ["new", "old"]
    assert not (shared / "file").exists()


@pytest.mark.skipif(not IS_ROOT, reason="only root can give files away")
@pytest.mark.parametrize("trap", ["file", "link"])
async def test_modes_are_not_set_on_what_somebody_could_exchange(tmp_path: Path, trap: str) -> None:
    """He knows what we deploy, puts the same file there, and exchanges it for a link to one that he wants open."""
    shared, closed = tmp_path / "shared", tmp_path / "closed"
    for each in (shared, tmp_path / "home"):
        each.mkdir()
    shared.chmod(0o1777)
    closed.write_bytes(b"for root")
    closed.chmod(0o600)
    known = shared / "known"
    if trap == "link":
        known.symlink_to(closed)
    else:
        known.write_bytes(b"known")
        known.chmod(0o600)
    os.chown(known, pwd.getpwnam("daemon").pw_uid, -1, follow_symlinks=False)
    entry = ManifestEntry(str(known), hashlib.sha256(b"known").hexdigest(), 0o644, "root:root", 5)
    target = ShellTarget(LocalShell(("/bin/sh",), tmp_path / "home"), MemoryContent())
    with pytest.raises(TargetError) as caught:
        await target.place(Batch(1, (), (entry,)), lambda _: None)
    assert (caught.value.code, str(known) in caught.value.message) == ("E-PARENT", True)
    assert {closed.stat().st_mode & 0o777, known.stat().st_mode & 0o777} == {0o600}
    assert leftovers(shared) == []
