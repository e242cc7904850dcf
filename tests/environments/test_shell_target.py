"""Machines behind a shell that answer nonsense, are full, closed or busy: each is told as that, and nothing is torn."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from kdeploy_gui import resources
from kdeploy_gui.environments.shell_facts import Unmoving, parse_facts
from kdeploy_gui.environments.shell_survey import parse_survey
from kdeploy_gui.environments.shell_target import NEEDED, ShellTarget
from kdeploy_gui.errors import Category, ContentChanged, KdeployError, TargetBusy, TargetError
from kdeploy_gui.model.abi import AARCH64, Abi
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.facts import FactsQuery, Presence
from kdeploy_gui.model.files import Batch, FileKind, ManifestEntry, Placement
from tests.contract.local_shell import LocalShell
from tests.engine.steps import over_ssh
from tests.lab.fixtures import MakeSshd
from tests.properties.peers import leftovers
from tests.rehearsal import MemoryContent

CLEAN = "The previous version is intact; temporary files were removed."
GOOD = {
    "clock": "1767225600",
    "kernel_release": "6.1.0",
    "kernel_build": "#1",
    "machine": "x86_64",
    "boot_id": "b",
    "memory_total_kib": "2048",
    "memory_available_kib": "1024",
    "load": "0.5 0.4 0.3 1/99 7",
    "uptime": "99.5 1",
    "uid": "0",
    "user": "root",
    "group": "root",
    "home": "/root",
}


class Answering:
    """The `Shell` of a machine that gives one answer to everything."""

    def __init__(self, done: Completed) -> None:
        self._done = done

    async def run(
        self,
        script: str,
        arguments: Sequence[str] = (),
        source: AsyncIterator[bytes] | None = None,
        output: Callable[[bytes], None] | None = None,
        gentle: bool = False,
    ) -> Completed:
        """Take all input and answer."""
        if source is not None:
            async for _ in source:
                pass
        return self._done

    async def close(self) -> None:
        """Nothing to let go of."""


def lines(said: dict[str, str]) -> str:
    return "".join(f"{key}\t{value}\n" for key, value in said.items())


def sound(**changed: str) -> str:
    """The answer of a sound machine, with some facts changed."""
    tools = "".join(f"tool\t{tool}\t/bin/{tool}\n" for tool in NEEDED)
    return lines({**GOOD, **changed}) + tools


def answering(text: str | bytes, status: int = 0, stderr: bytes = b"") -> ShellTarget:
    data = text if isinstance(text, bytes) else text.encode()
    return ShellTarget(Answering(Completed(status, data, stderr)), MemoryContent())


def answering_on(unmoving: Unmoving, text: str) -> ShellTarget:
    return ShellTarget(Answering(Completed(0, text.encode(), b"")), MemoryContent(), "", unmoving)


def files(content: MemoryContent, *paths: str, data: bytes = b"new") -> Batch:
    """A batch of files with the same bytes."""
    content.data["memory"] = data
    digest = hashlib.sha256(data).hexdigest()
    return Batch(7, tuple(Placement(ManifestEntry(path, digest, 0o644, "", len(data)), "memory") for path in paths))


def ignore(_: int) -> None:
    """Progress that nobody looks at."""


async def refusal(target: ShellTarget, batch: Batch) -> KdeployError:
    with pytest.raises(KdeployError) as caught:
        await target.place(batch, ignore)
    return caught.value


async def test_a_sound_answer_is_understood() -> None:
    facts = await answering(sound()).facts(FactsQuery())
    assert (facts.kernel_release, facts.memory_total, facts.load, facts.uid) == ("6.1.0", 2048 * 1024, 0.5, 0)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\x00\x01\x02\xff\xfe" * 100,
        b"This account is currently not available.\n",
        b"Welcome to FreeDOS\r\nC:\\>\r\n",
        b"kernel_release\t6.1\n",
        b"home\t/root\n",
        b"kernel_release\t\nhome\t\n",
        b"\t\t\t\n" * 1000,
    ],
)
async def test_a_machine_without_a_posix_shell_is_told_as_one(text: bytes) -> None:
    with pytest.raises(TargetError) as caught:
        await answering(text, 127, b"sh: not found").facts(FactsQuery())
    assert (caught.value.code, caught.value.category) == ("E-SHELL", Category.TARGET)
    assert caught.value.evidence.exit_status == 127
    assert caught.value.evidence.stderr == "sh: not found"


@pytest.mark.parametrize(
    ("first", "status"),
    [("uid\t0\nuser\troot\n", 137), ("uid\t\nuser\t\n", 0), ("", 0), (f"boot_id\t{'b' * 5000}\n", 0)],
    ids=["killed", "id failed", "id gone", "endless"],
)
async def test_half_an_answer_is_not_remembered(first: str, status: int) -> None:
    whole = {**GOOD, "boot_id": "b" * 5000} if first.startswith("boot_id") else GOOD
    half = {key: value for key, value in whole.items() if key not in {"uid", "user"}}
    tools = "".join(f"tool\t{each}\t/bin/{each}\n" for each in NEEDED)
    unmoving = Unmoving()
    cut = Completed(status, (lines(half) + first + tools).encode(), b"")
    await ShellTarget(Answering(cut), MemoryContent(), "", unmoving).facts(FactsQuery())
    assert unmoving == Unmoving()

    await answering_on(unmoving, sound()).facts(FactsQuery())
    assert unmoving.boot_id == "b"
    assert "user\troot\n" in unmoving.lines


@pytest.mark.parametrize("known", ["", "b", "c"])
async def test_nothing_may_be_left_out_that_was_not_told(known: str) -> None:
    unmoving = Unmoving()
    if known:
        await answering_on(unmoving, sound(boot_id=known)).facts(FactsQuery())
    short = sound().replace("machine\tx86_64\n", "").replace("uid\t0\n", "still\tb\n")
    if known == "b":
        assert (await answering_on(unmoving, short).facts(FactsQuery())).uid == 0
        return
    with pytest.raises(TargetError, match="never told") as caught:
        await answering_on(unmoving, short).facts(FactsQuery())
    assert caught.value.code == "E-SHELL"


@pytest.mark.parametrize("key", ["memory_total_kib", "memory_available_kib", "load", "uptime", "clock", "uid"])
@pytest.mark.parametrize(
    "value", ["", "nan", "inf", "-inf", "1e999", "0x10", "twelve", "\x00", "9" * 5000, "-1", "1_0"]
)
async def test_numbers_that_are_none_do_no_harm(key: str, value: str) -> None:
    facts = await answering(sound(**{key: value})).facts(FactsQuery())
    for number in (facts.memory_total, facts.memory_available, facts.load, facts.uptime, facts.clock_skew, facts.uid):
        assert number == number, "not a number"
        assert abs(number) != float("inf")


@pytest.mark.parametrize(
    "line",
    ["", "no disk", "fs 1 2 3 4% /", "fs x y z 4% /", f"fs {'9' * 5000} 1 1 1% /", "fs -1 -1 -1 - /", "fs 1 1 1 1%"],
)
async def test_disks_that_make_no_sense_have_no_space(line: str) -> None:
    text = f"{sound()}disk\t/opt\t{line}\ninodes\t/opt\t{line}\n"
    facts = await answering(text).facts(FactsQuery(paths=("/opt",)))
    assert facts.disks["/opt"].free_bytes >= 0


@settings(max_examples=300)
@given(st.binary(max_size=300))
@example(b"kernel_release\t1\nhome\t/\nmemory_total_kib\tnan\n")
@example(b"kernel_release\t1\nhome\t/\ndisk\n")
def test_any_bytes_are_facts_or_a_refusal(junk: bytes) -> None:
    for data in (junk, sound().encode() + junk):
        try:
            parse_facts(Completed(0, data), 0.0)
        except TargetError as error:
            assert error.code == "E-SHELL"  # noqa: PT017 - either outcome is right


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*GOOD, "disk", "inodes", "tool"]), st.text(max_size=30)))
def test_any_values_are_facts_or_a_refusal(said: dict[str, str]) -> None:
    text = lines({**GOOD, **said})
    try:
        parse_facts(Completed(0, text.encode(errors="replace")), 0.0)
    except TargetError as error:
        assert error.code == "E-SHELL"  # noqa: PT017 - either outcome is right


async def test_a_machine_without_the_needed_commands_names_them() -> None:
    text = sound().replace("tool\ttar\t/bin/tar", "tool\ttar\t").replace("tool\tdf\t/bin/df\n", "")
    with pytest.raises(TargetError) as caught:
        await answering(text).facts(FactsQuery())
    assert caught.value.code == "E-TOOL-MISSING"
    assert caught.value.details["tool"] == "tar, df"


@pytest.mark.parametrize(
    "text",
    [
        "k\tfile\t/a\ns\trwx\t3\troot:root\t/a\n",
        "k\tfile\t/a\ns\t999\t3\troot:root\t/a\n",
        "k\tfile\t/a\ns\t644\tmany\troot:root\t/a\n",
        "k\tfile\t/a\ns\t644\t" + "9" * 5000 + "\troot:root\t/a\n",
        "k\tgremlin\t/a\n",
        "k\t\t/a\n",
    ],
)
async def test_answers_about_files_that_make_no_sense_are_refused(text: str) -> None:
    with pytest.raises(TargetError) as caught:
        await answering(text).survey(["/a"])
    assert (caught.value.code, caught.value.retry.name) == ("E-SHELL", "NEVER")


async def test_binary_junk_says_nothing_about_files() -> None:
    states = await answering(b"\xff\x00\x80 junk\n\n\t\t\n" * 50).survey(["/a"])
    assert states["/a"].kind is FileKind.MISSING


async def test_paths_that_nobody_asked_for_are_not_answered() -> None:
    states = await answering("k\tfile\t/etc/shadow\nk\tfolder\t/a\n").survey(["/a"])
    assert set(states) == {"/a"}


@settings(max_examples=300)
@given(st.text(st.sampled_from("ks\t\n /a\\0123789:file"), max_size=80))
def test_any_text_is_an_answer_about_files_or_a_refusal(text: str) -> None:
    try:
        found = parse_survey(text)
    except ValueError:
        return
    assert all(path == state.path for path, state in found.items())


async def test_a_survey_that_fails_says_how() -> None:
    with pytest.raises(TargetError) as caught:
        await answering("", 2, b"sh: syntax error").survey(["/a"])
    assert (caught.value.code, caught.value.evidence.stderr) == ("E-COMMAND", "sh: syntax error")


@pytest.mark.parametrize(
    ("status", "stderr", "kind", "code"),
    [
        (75, b"", TargetBusy, "E-LOCKED"),
        (12, b"/a: FAILED", ContentChanged, "E-HASH"),
        (11, b"tar: short read\ntar: write: No space left on device", TargetError, "E-NOSPC"),
        (10, b"mkdir: cannot create directory: Disk quota exceeded", TargetError, "E-NOSPC"),
        (14, b"mv: cannot move: Text file busy", TargetError, "E-BUSY"),
        (13, b"chown: invalid user: 'nobody-here'", TargetError, "E-OWNER"),
        (13, b"chown: unknown user/group a:b", TargetError, "E-OWNER"),
        (10, b"mkdir: File name too long", TargetError, "E-NAMETOOLONG"),
        (127, b"sh: tar: not found", TargetError, "E-COMMAND"),
        (99, b"", TargetError, "E-COMMAND"),
        (99, b"\xff\xfe\x00\x1b[31m", TargetError, "E-COMMAND"),
        (15, b"mv: I/O error", TargetError, "E-COMMAND"),
    ],
)
async def test_each_refusal_has_its_code(status: int, stderr: bytes, kind: type[KdeployError], code: str) -> None:
    content = MemoryContent()
    target = ShellTarget(Answering(Completed(status, b"", stderr)), content)
    error = await refusal(target, files(content, "/a/one"))
    assert (type(error), error.code) == (kind, code)
    assert error.on_target.startswith("Mixed") is (status == 15)
    assert error.on_target


def shell(tmp_path: Path, content: MemoryContent, path: str = os.defpath) -> ShellTarget:
    """This machine behind a shell."""
    home = tmp_path / "home"
    home.mkdir(exist_ok=True)
    return ShellTarget(LocalShell(("/bin/sh",), home, path), content)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of its own; for root, where mounting is allowed."""
    if os.getuid() != 0:
        pytest.skip("only root can mount")
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mounting is not allowed here: {done.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def remount(folder: Path, options: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{options}", folder], check=True)


@pytest.mark.parametrize(("count", "size"), [(3, 500_000), (300, 4096), (1, 3_000_000)])
async def test_a_full_disk_keeps_the_old_version_and_no_remains(tmp_path: Path, count: int, size: int) -> None:
    content = MemoryContent()
    with mounted(tmp_path / "small", "size=1m") as small:
        (small / "one").write_bytes(b"old")
        paths = [f"{small}/one", *(f"{small}/{number}" for number in range(1, count))]
        error = await refusal(shell(tmp_path, content), files(content, *paths, data=b"x" * size))
        assert (type(error), error.code, error.on_target) == (TargetError, "E-NOSPC", CLEAN)
        assert error.path == str(small)
        assert error.evidence.exit_status == 11
        assert error.evidence.stderr
        assert [each.name for each in small.iterdir()] == ["one"]
        assert (small / "one").read_bytes() == b"old"


async def test_a_disk_without_inodes_is_full(tmp_path: Path) -> None:
    content = MemoryContent()
    with mounted(tmp_path / "small", "size=1m,nr_inodes=12") as small:
        paths = [f"{small}/{number}" for number in range(20)]
        error = await refusal(shell(tmp_path, content), files(content, *paths))
        assert (error.code, error.on_target) == ("E-INODES", CLEAN)
        assert error.message.startswith(f"no inodes are left on {small}: about 36 are needed, 11 are free without them")
        assert list(small.iterdir()) == []


async def test_a_read_only_file_system_is_told_as_one_and_by_its_place(tmp_path: Path) -> None:
    content = MemoryContent()
    with mounted(tmp_path / "closed", "size=1m") as closed:
        (closed / "one").write_bytes(b"old")
        remount(closed, "ro")
        fine = tmp_path / "fine"
        error = await refusal(shell(tmp_path, content), files(content, f"{fine}/one", f"{closed}/one"))
        assert (error.code, error.on_target) == ("E-ROFS", CLEAN)
        assert error.path == str(closed), "the folder that is read-only, not the first one"
        assert not (fine / "one").exists()
        assert leftovers(tmp_path) == []


async def test_who_may_not_write_is_told_so(tmp_path: Path, make_sshd: MakeSshd) -> None:
    content = MemoryContent()
    server = make_sshd(accounts=True)
    closed = server.home().parent / "closed"
    closed.mkdir(mode=0o755)
    (closed / "one").write_bytes(b"old")
    target = await over_ssh(content).connect(server.environment())
    try:
        with pytest.raises(TargetError) as caught:
            await target.place(files(content, f"{server.home()}/fine/one", f"{closed}/one"), ignore)
    finally:
        await target.close()
    assert (caught.value.code, caught.value.retry.name) == ("E-PERM", "NEVER")
    assert caught.value.path == str(closed)
    assert "Permission denied" in caught.value.evidence.stderr
    assert (closed / "one").read_bytes() == b"old"
    assert not (server.home() / "fine/one").exists()
    assert leftovers(server.home()) == []


async def test_an_owner_that_does_not_exist_is_named(tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives files away")
    content = MemoryContent()
    batch = files(content, f"{tmp_path}/t/one")
    entry = ManifestEntry(f"{tmp_path}/t/one", batch.send[0].entry.sha256, 0o644, "no-such-user:root", 3)
    error = await refusal(shell(tmp_path, content), Batch(7, (Placement(entry, "memory"),)))
    assert error.code == "E-OWNER"
    assert "no-such-user" in error.message
    assert leftovers(tmp_path) == []


@contextmanager
def locked(tmp_path: Path) -> Iterator[None]:
    """Another deployment is at work with the same home."""
    state = tmp_path / "home/.cache/kdeploy"
    state.mkdir(parents=True)
    with (state / "lock").open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def test_a_machine_on_which_another_deployment_writes_is_busy(tmp_path: Path) -> None:
    content = MemoryContent()
    target = shell(tmp_path, content)
    batch = files(content, f"{tmp_path}/t/one")
    with locked(tmp_path):
        error = await refusal(target, batch)
        assert (type(error), error.code) == (TargetBusy, "E-LOCKED")
        with pytest.raises(TargetBusy):
            await target.survey([f"{tmp_path}/t/one"], sweep=True)
        assert (await target.survey([f"{tmp_path}/t/one"]))[f"{tmp_path}/t/one"].kind is FileKind.MISSING
    await target.place(batch, ignore)
    assert (tmp_path / "t/one").read_bytes() == b"new"


async def test_of_two_deployments_at_once_one_waits_and_no_file_is_torn(tmp_path: Path) -> None:
    content = MemoryContent()
    target = shell(tmp_path, content)
    batch = files(content, *(f"{tmp_path}/t/{number}" for number in range(50)), data=b"x" * 10_000)
    results = await asyncio.gather(*(target.place(batch, ignore) for _ in range(4)), return_exceptions=True)
    assert None in results
    assert all(each is None or isinstance(each, TargetBusy) for each in results)
    assert {path.read_bytes() for path in (tmp_path / "t").iterdir()} == {b"x" * 10_000}
    assert leftovers(tmp_path) == []


async def test_without_flock_deployments_still_work(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in (*NEEDED, "sha256sum", "grep", "head", "tail", "cp", "sed", "cat", "dirname", "basename", "rmdir"):
        program = shutil.which(name)
        if program and not (folder / name).exists():
            (folder / name).symlink_to(program)
    content = MemoryContent()
    target = shell(tmp_path, content, str(folder))
    with locked(tmp_path):
        await target.place(files(content, f"{tmp_path}/t/one"), ignore)
    assert (tmp_path / "t/one").read_bytes() == b"new"


@pytest.mark.parametrize("place", ["missing", "a file", "read-only"])
async def test_a_home_that_cannot_be_written_is_no_hindrance(tmp_path: Path, place: str) -> None:
    content = MemoryContent()
    home = tmp_path / "odd"
    if place == "a file":
        home.write_text("")
    elif place == "read-only":
        with mounted(home, "size=1m,ro") as closed:
            target = ShellTarget(LocalShell(("/bin/sh",), closed), content)
            await target.place(files(content, f"{tmp_path}/t/one"), ignore)
            assert (tmp_path / "t/one").read_bytes() == b"new"
            return
    target = ShellTarget(LocalShell(("/bin/sh",), home), content)
    await target.place(files(content, f"{tmp_path}/t/one"), ignore)
    assert (tmp_path / "t/one").read_bytes() == b"new"


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_characters="/", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40))
@example("-n")
@example("\\")
@example("a\\nb")
@example("\\\\server")
@example("* ? [a]")
@example("$HOME`id`$(id)")
def test_any_file_name_comes_into_place(tmp_path: Path, name: str) -> None:
    if name in {".", ".."} or len(name.encode()) > 200:
        return
    content = MemoryContent()
    path = f"{tmp_path}/t/{name}"

    async def deploy() -> None:
        target = shell(tmp_path, content)
        batch = files(content, path)
        await target.place(batch, ignore)
        states = await target.survey([path])
        assert batch.send[0].entry.differences(states[path]) == ()

    asyncio.run(deploy())
    assert Path(path).read_bytes() == b"new"


async def test_what_the_gate_asks_for_is_understood() -> None:
    said = (
        "gid\t7\nuserland\t7f454c46010201\nloader\t/lib/ld.so.1\noption\t\noption\tSMP\n"
        "program\t/bin/x\tnot executable\n"
        "folder\t/a b/c\ns\t41ed\t0\t0\t/\ns\ta1ff\t5\t6\t/a b\nreal\t/a b\t/z\ns\t81a4\t0\t0\t/z\n"
        "df\t\nat\t/z\nspace\tfs 10 5 5 50% /z\nnodes\tfs 9 1 8 1% /z\n"
        "mount\trw\t/\nmount\tro\t/z\nmount\tro,noexec\t/z\nmount\trw\t/zebra\n"
    )
    facts = await answering(sound() + said).facts(FactsQuery())
    assert (facts.gid, facts.loaders, facts.options) == (7, ("/lib/ld.so.1",), frozenset({"SMP"}))
    assert facts.userland == Abi(0, 32, False)
    assert facts.programs == {"/bin/x": Presence.NOT_EXECUTABLE}
    folder = facts.folders["/a b/c"]
    assert (folder.real, folder.mount, folder.read_only, folder.noexec) == ("/z/c", "/z", True, True)
    assert [(each.path, each.kind) for each in folder.parents] == [
        ("/", FileKind.FOLDER),
        ("/a b", FileKind.SYMLINK),
        ("/z", FileKind.FILE),
    ]
    assert folder.disk
    assert (folder.disk.free_bytes, folder.disk.free_inodes) == (5 * 1024, 8)


@pytest.mark.parametrize(
    "lines",
    [
        "space\tfs 10 5 5 50% /z\n",
        "df\t\nat\t/z\nat\t/y\nspace\tfs 10 5 5 50% /z\n",
        "df\t\nat\t/z\nspace\tnonsense\n",
    ],
)
async def test_a_file_system_that_was_not_measured_is_not_guessed(lines: str) -> None:
    text = f"{sound()}folder\t/z\nreal\t/z\t/z\n{lines}"
    assert (await answering(text).facts(FactsQuery())).folders["/z"].disk is None


@pytest.mark.parametrize("line", ["program\t/x\tmaybe", "s\tmode\t0\t0\t/", "s\t41ed\troot\t0\t/"])
async def test_nonsense_about_folders_and_programs_is_told_as_such(line: str) -> None:
    with pytest.raises(TargetError) as caught:
        await answering(f"{sound()}{line}\n").facts(FactsQuery())
    assert caught.value.code == "E-SHELL"


@pytest.mark.parametrize(
    "words", [("/bin/dash",), (shutil.which("busybox") or "busybox", "sh")], ids=["dash", "busybox"]
)
async def test_emulators_that_are_registered_are_found(tmp_path: Path, words: tuple[str, ...]) -> None:
    registered = tmp_path / "binfmt_misc"
    registered.mkdir()
    magic = "7f454c460201010000000000000000000200b700"
    (registered / "qemu-aarch64").write_text(
        f"enabled\ninterpreter /q\nflags: OCF\noffset 0\nmagic {magic}\nmask ffff\n"
    )
    (registered / "qemu-arm").write_text("disabled\ninterpreter /q\noffset 0\nmagic 7f454c4601010100\n")
    (registered / "jar").write_text("enabled\ninterpreter /j\noffset 0\nmagic 504b0304\n")
    (registered / "status").write_text("enabled\n")
    script = resources.text("remote/facts.sh").replace("/proc/sys/fs/binfmt_misc", str(registered))
    done = await LocalShell(words, tmp_path).run(script, ("", "0"))
    assert [each.shape for each in parse_facts(done, 0).emulated] == [(AARCH64, 64, True)]


SHELLS = {
    "dash": ("/bin/dash",),
    "bash": ("/bin/bash",),
    "busybox": (shutil.which("busybox") or "busybox", "sh"),
}


@pytest.mark.parametrize("words", SHELLS.values(), ids=SHELLS)
async def test_a_look_at_thousands_of_folders_and_files_ends(tmp_path: Path, words: tuple[str, ...]) -> None:
    """Cutting a long text with a shell's patterns takes hours for what its loops do in a second."""
    folders = tuple(f"{tmp_path}/suite/{number}/tests of the kernel" for number in range(3000))
    files = tuple(f"{folder}/run.sh" for folder in folders[::10] for _ in range(10))
    (tmp_path / "suite/10/tests of the kernel").mkdir(parents=True)
    (tmp_path / "suite/10/tests of the kernel/run.sh").write_bytes(b"exit 0\n")
    target = ShellTarget(LocalShell(words, tmp_path), MemoryContent())
    async with asyncio.timeout(60):
        facts = await target.facts(FactsQuery(folders=folders, files=files))
    assert set(facts.folders) == set(folders)
    assert [path for path, each in facts.files.items() if each.kind is FileKind.FILE] == [files[10]]
    assert facts.files[files[10]].sha256 == hashlib.sha256(b"exit 0\n").hexdigest()


async def test_a_clock_is_compared_before_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    slow = tmp_path / "bin/sha256sum"
    slow.write_text(f'#!/bin/sh\nsleep 4\nexec {shutil.which("sha256sum", path=os.defpath)} "$@"\n')
    slow.chmod(0o755)
    (tmp_path / "file").write_bytes(b"x")
    shell = LocalShell(SHELLS["dash"], tmp_path, f"{tmp_path}/bin:{os.defpath}")
    facts = await ShellTarget(shell, MemoryContent()).facts(FactsQuery(files=(f"{tmp_path}/file",)))
    assert facts.files[f"{tmp_path}/file"].sha256 == hashlib.sha256(b"x").hexdigest()
    assert abs(facts.clock_skew) <= 1.0


async def test_functions_of_the_scripts_are_no_tools_of_the_machine(tmp_path: Path) -> None:
    names = ("batch", "lock", "prune", "move")
    there = {each: shutil.which(each, path=os.defpath) or "" for each in names}
    target = ShellTarget(LocalShell(SHELLS["dash"], tmp_path), MemoryContent())
    assert (await target.facts(FactsQuery(names, files=(f"{tmp_path}/file",)))).tools == there
