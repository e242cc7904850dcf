"""The contract of the `Target` port, held by every implementation of it."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import shutil
import signal
import threading
import time
from pathlib import Path

import pytest

from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.errors import ContentChanged, KdeployError, TargetBusy, TargetError
from kdeploy_gui.model.abi import HEADER, Abi
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.facts import FactsQuery, Presence
from kdeploy_gui.model.files import Batch, FileKind
from tests.contract.local_shell import LocalShell
from tests.contract.peers import NASTY, DiskPeer, FolderContent, MemoryPeer, NoSecrets, Peer, ignore, placement
from tests.lab.fixtures import Mount
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd


async def test_facts_tell_kernel_home_and_asked_tools(peer: Peer) -> None:
    facts = await peer.target.facts(FactsQuery(("sh", "no-such-command"), (peer.root, f"{peer.root}/not/there")))
    assert facts.kernel_release
    assert facts.boot_id
    assert facts.home.startswith("/")
    assert facts.memory_available > 0
    assert facts.uid >= 0
    assert facts.tools["sh"]
    assert facts.tools["no-such-command"] == ""
    assert set(facts.tools) == {"sh", "no-such-command"}
    assert facts.disks[peer.root].free_bytes > 0
    assert facts.disks[f"{peer.root}/not/there"].free_bytes > 0
    assert abs(facts.clock_skew) < 5


async def test_facts_tell_how_a_machine_is_doing_where_that_is_asked(peer: Peer) -> None:
    assert (await peer.target.facts(FactsQuery())).health is None
    health = (await peer.target.facts(FactsQuery(health=True))).health
    assert health is not None
    assert health.temperature is None or -100 <= health.temperature <= 250
    assert health.kernel_errors is None or health.kernel_errors >= len(health.last_errors)


async def test_facts_tell_of_files_what_a_survey_does(peer: Peer, tmp_path: Path) -> None:
    content = b"#!/bin/sh\nexit 0\n"
    placed = [placement(tmp_path, f"{peer.root}/{name}", content, 0o750) for name in NASTY]
    await peer.target.place(Batch(1, tuple(placed)), ignore)
    paths = (*(each.entry.path for each in placed), f"{peer.root}/missing", peer.root)
    asked = FactsQuery(("sh",), (peer.root,), folders=(peer.root,), health=True, files=paths)
    facts = await peer.target.facts(asked)
    assert (facts.tools["sh"] != "", set(facts.folders), facts.health is None) == (True, {peer.root}, False)
    assert facts.files == await peer.target.survey(paths)
    assert [facts.files[path].kind for path in paths[-2:]] == [FileKind.MISSING, FileKind.FOLDER]
    assert {facts.files[each.entry.path].sha256 for each in placed} == {placed[0].entry.sha256}
    assert (await peer.target.facts(dataclasses.replace(asked, files=()))).files == {}


async def test_facts_tell_the_way_to_folders_and_whether_programs_are_there(peer: Peer) -> None:
    asked = (peer.root, f"{peer.root}/not/there yet", "~/suite", "~")
    facts = await peer.target.facts(FactsQuery(programs=("/bin/sh",), folders=asked))
    assert facts.programs == {"/bin/sh": Presence.RUNS}
    assert set(facts.folders) == {facts.expand(each) for each in asked}
    for path, folder in facts.folders.items():
        assert folder.path == path
        assert folder.real.startswith("/")
        assert folder.disk is not None
        assert folder.disk.free_bytes > 0
        assert folder.mount.startswith("/")
        assert not folder.read_only
        assert not folder.noexec


async def test_steps_of_the_way_are_told_with_links_followed(peer: Peer) -> None:
    if not isinstance(peer, DiskPeer):
        pytest.skip("a memory machine has no links")
    root = Path(peer.root).resolve()
    (root / "real dir/deep").mkdir(parents=True)
    (root / "real dir").chmod(0o1775)
    (root / "li*k").symlink_to("real dir")
    (root / "plain").write_text("a file")
    asked = (f"{root}/li*k/deep/new", f"{root}/plain/x", f"{root}/-n $(touch boom)")
    facts = await peer.target.facts(FactsQuery(folders=asked))
    found = facts.folders[asked[0]]
    assert found.real == f"{root}/real dir/deep/new"
    steps = {each.path: each for each in found.parents}
    assert found.parents[0].path == "/"
    assert steps[f"{root}/li*k"].kind is FileKind.SYMLINK
    sticky = steps[f"{root}/real dir"]
    assert (sticky.kind, sticky.mode, sticky.uid, sticky.gid) == (FileKind.FOLDER, 0o1775, os.getuid(), os.getgid())
    assert steps[f"{root}/real dir/deep"].kind is FileKind.FOLDER
    assert asked[0] not in steps
    assert facts.folders[asked[1]].parents[-1].kind is FileKind.FILE
    assert facts.folders[asked[2]].parents[-1].path == str(root)
    assert not (root / "boom").exists()
    assert facts.gid == os.getgid()


async def test_facts_tell_what_programs_are_made_for(peer: Peer, tmp_path: Path) -> None:
    if not isinstance(peer, DiskPeer):
        pytest.skip("a memory machine runs no programs")
    asked = (f"{tmp_path}/none", "/etc/passwd", "/etc", "/bin/sh")
    facts = await peer.target.facts(FactsQuery(programs=asked, options=("MODULES", "NO_SUCH_OPTION")))
    presences = [Presence.MISSING, Presence.NOT_EXECUTABLE, Presence.MISSING, Presence.RUNS]
    assert [facts.programs[each] for each in asked] == presences
    assert facts.userland == Abi.of(Path("/bin/sh").read_bytes()[:HEADER])
    assert all(os.access(each, os.X_OK) for each in facts.loaders)
    assert list(facts.loaders) == sorted(set(facts.loaders))
    if Path("/proc/config.gz").exists():
        assert facts.options == frozenset({"MODULES"} if Path("/proc/modules").exists() else ())
    else:
        assert facts.options is None
    assert (await peer.target.facts(FactsQuery())).options is None


async def test_mounts_are_told_with_what_they_allow(peer: Peer, mounted: Mount) -> None:
    if not isinstance(peer, DiskPeer):
        pytest.skip("a memory machine has no mounts")
    small, closed, silent = (mounted(each) for each in ("size=1m,nr_inodes=20", "ro", "noexec"))
    asked = {each: f"{each}/a/b" for each in (small, closed, silent)}
    facts = await peer.target.facts(FactsQuery(folders=tuple(asked.values())))
    found = {each: facts.folders[path] for each, path in asked.items()}
    assert [each.mount for each in found.values()] == [str(each) for each in found]
    assert [(each.read_only, each.noexec) for each in found.values()] == [(False, False), (True, False), (False, True)]
    disk = found[small].disk
    assert disk is not None
    assert disk.free_bytes == 1 << 20
    assert disk.free_inodes is not None
    assert 0 < disk.free_inodes < 20


async def test_a_missing_path_is_missing(peer: Peer) -> None:
    states = await peer.target.survey([f"{peer.root}/none"])
    assert states[f"{peer.root}/none"].kind is FileKind.MISSING


async def test_placed_files_are_as_declared(peer: Peer, tmp_path: Path) -> None:
    items = [
        placement(tmp_path, f"{peer.root}/suite dir/{name}", f"content of {name}".encode() * 50, 0o750 + at % 6)
        for at, name in enumerate(NASTY)
    ]
    sent: list[int] = []
    batch = Batch(7, tuple(items))
    await peer.target.place(batch, sent.append)
    for item in items:
        data, mode = peer.look(item.entry.path)
        assert data == Path(item.source).read_bytes()
        assert mode == item.entry.mode
    states = await peer.target.survey([each.entry.path for each in items])
    assert [each.entry.differences(states[each.entry.path]) for each in items] == [()] * len(items)
    assert sent == sorted(sent)
    assert sent[-1] == batch.size
    assert peer.leftovers() == []


async def test_an_old_version_is_replaced_and_neighbours_stay(peer: Peer, tmp_path: Path) -> None:
    peer.plant(f"{peer.root}/a/tool", b"old", 0o600)
    peer.plant(f"{peer.root}/a/neighbour", b"mine", 0o640)
    await peer.target.place(Batch(1, (placement(tmp_path, f"{peer.root}/a/tool", b"new", 0o755),)), ignore)
    assert peer.look(f"{peer.root}/a/tool") == (b"new", 0o755)
    assert peer.look(f"{peer.root}/a/neighbour") == (b"mine", 0o640)
    assert peer.leftovers() == []


async def test_a_set_that_cannot_be_completed_changes_nothing(peer: Peer, tmp_path: Path) -> None:
    peer.plant(f"{peer.root}/a/first", b"old", 0o600)
    peer.plant(f"{peer.root}/b/second/inside", b"a folder stands here", 0o644)
    items = (
        placement(tmp_path, f"{peer.root}/a/first", b"new"),
        placement(tmp_path, f"{peer.root}/a/fresh", b"new"),
        placement(tmp_path, f"{peer.root}/b/second", b"new"),
    )
    with pytest.raises(TargetError) as caught:
        await peer.target.place(Batch(1, items), ignore)
    assert caught.value.code == "E-ISDIR", caught.value.evidence
    assert peer.look(f"{peer.root}/a/first") == (b"old", 0o600)
    states = await peer.target.survey([f"{peer.root}/a/fresh", f"{peer.root}/b/second/inside"])
    assert states[f"{peer.root}/a/fresh"].kind is FileKind.MISSING
    assert states[f"{peer.root}/b/second/inside"].kind is FileKind.FILE
    assert peer.leftovers() == []


@pytest.mark.parametrize("change", [b"", b"othr", b"longer than planned", b"x" * 300_000])
async def test_content_that_changed_meanwhile_is_refused(peer: Peer, tmp_path: Path, change: bytes) -> None:
    peer.plant(f"{peer.root}/a/file", b"old", 0o600)
    item = placement(tmp_path, f"{peer.root}/a/file", b"plan")
    Path(item.source).write_bytes(change)
    with pytest.raises(ContentChanged):
        await peer.target.place(Batch(1, (item,)), ignore)
    assert peer.look(f"{peer.root}/a/file") == (b"old", 0o600)
    wait_until(lambda: peer.leftovers() == [], "what was staged is gone")


async def test_a_wrong_hash_is_found_on_the_target(peer: Peer, tmp_path: Path) -> None:
    item = placement(tmp_path, f"{peer.root}/a/file", b"plan")
    lying = dataclasses.replace(item, entry=dataclasses.replace(item.entry, sha256="0" * 64))
    with pytest.raises(ContentChanged):
        await peer.target.place(Batch(1, (lying,)), ignore)
    assert (await peer.target.survey([item.entry.path]))[item.entry.path].kind is FileKind.MISSING
    assert peer.leftovers() == []


async def test_modes_alone_are_mended_without_sending(peer: Peer, tmp_path: Path) -> None:
    peer.plant(f"{peer.root}/a/file", b"same", 0o600)
    entry = placement(tmp_path, f"{peer.root}/a/file", b"same", 0o4755).entry
    await peer.target.place(Batch(1, (), (entry,)), ignore)
    assert peer.look(entry.path) == (b"same", 0o4755)
    assert peer.leftovers() == []


async def test_many_files_in_many_folders(peer: Peer, tmp_path: Path) -> None:
    items = tuple(
        placement(tmp_path, f"{peer.root}/deep/{at % 7}/x/{at}", str(at).encode(), 0o640 + at % 2) for at in range(450)
    )
    await peer.target.place(Batch(3, items), ignore)
    states = await peer.target.survey([each.entry.path for each in items])
    assert all(not each.entry.differences(states[each.entry.path]) for each in items)
    assert peer.leftovers() == []


async def test_an_empty_file_is_a_file(peer: Peer, tmp_path: Path) -> None:
    item = placement(tmp_path, f"{peer.root}/empty", b"", 0o600)
    await peer.target.place(Batch(1, (item,)), ignore)
    assert peer.look(item.entry.path) == (b"", 0o600)


async def test_commands_end_with_their_status_and_output(peer: Peer) -> None:
    if isinstance(peer, MemoryPeer):
        pytest.skip("a memory machine runs no commands")
    heard: list[bytes] = []
    command = Command('printf "%s|" "$@"; echo to-stderr >&2; exit 7', NASTY, title="argument test")
    done = await peer.target.execute(command, heard.append)
    assert done.status == 7
    assert done.text == "".join(f"{each}|" for each in NASTY)
    assert done.error_text == "to-stderr"
    assert b"to-stderr" in b"".join(heard)


async def test_a_command_that_reads_nothing_gets_its_answer_through(peer: Peer) -> None:
    if isinstance(peer, MemoryPeer):
        pytest.skip("a memory machine runs no commands")
    done = await peer.target.execute(Command("head -c 1000000 /dev/zero", title="output test"))
    assert done.stdout == bytes(1_000_000)


async def test_links_folders_and_devices_are_named_as_such(peer: Peer) -> None:
    if isinstance(peer, MemoryPeer):
        pytest.skip("a memory machine has neither links nor devices")
    root = Path(peer.root)
    (root / "link").symlink_to("/etc/hostname")
    (root / "folder").mkdir()
    os.mkfifo(root / "pipe")
    states = await peer.target.survey([f"{peer.root}/{name}" for name in ("link", "folder", "pipe")])
    kinds = [states[f"{peer.root}/{name}"].kind for name in ("link", "folder", "pipe")]
    assert kinds == [FileKind.SYMLINK, FileKind.FOLDER, FileKind.OTHER]


async def test_what_a_killed_deployment_left_is_swept(peer: Peer, tmp_path: Path) -> None:
    if not isinstance(peer, DiskPeer):
        pytest.skip("a memory machine keeps nothing of what failed")
    state = peer.home / ".cache/kdeploy"

    def kill_the_script() -> None:
        deadline = time.monotonic() + 20
        while not (records := list(state.glob("*.staging"))) or not records[0].read_text().endswith(".part\n"):
            assert time.monotonic() < deadline
        os.kill(int(records[0].read_text().split("\n")[0].removeprefix("pid:")), signal.SIGKILL)

    peer.content.before_read = kill_the_script
    peer.plant(f"{peer.root}/a/file", b"old", 0o600)
    big = placement(tmp_path, f"{peer.root}/a/file", bytes(5_000_000))
    with pytest.raises(KdeployError):
        await peer.target.place(Batch(1, (big,)), ignore)
    assert peer.leftovers()
    innocent = Path(peer.root) / "innocent"
    innocent.mkdir()
    with next(state.glob("*.staging")).open("a") as record:
        record.write(f"{innocent}\n")
    await peer.target.survey([f"{peer.root}/x"])
    assert peer.leftovers()
    await peer.target.survey([f"{peer.root}/x"], sweep=True)
    assert peer.leftovers() == []
    assert innocent.exists()
    assert peer.look(f"{peer.root}/a/file") == (b"old", 0o600)


async def test_an_orphan_of_the_same_owner_makes_way_and_a_strangers_deployment_does_not(
    sshd: Sshd, tmp_path: Path
) -> None:
    content = FolderContent()
    reading, finish = threading.Event(), threading.Event()

    def stall() -> None:
        reading.set()
        finish.wait(30)

    def connector(owner: str) -> SshConnector:
        return SshConnector(content, NoSecrets(), lambda name: None, owner)

    path = f"{tmp_path}/deployed"
    big = Batch(1, (placement(tmp_path, f"{tmp_path}/other", bytes(2_000_000)), placement(tmp_path, path, b"late")))
    first = await connector("we").connect(sshd.environment())
    content.before_read = stall
    records = sshd.home() / ".cache/kdeploy"
    orphan = asyncio.create_task(first.place(big, ignore))
    await asyncio.to_thread(reading.wait, 20)
    content.before_read = lambda: None
    await asyncio.to_thread(wait_until, lambda: any(records.glob("*.staging")), "the deployment has begun")
    stranger = await connector("they").connect(sshd.environment())
    with pytest.raises(TargetBusy):
        await stranger.survey([path], sweep=True)
    again = await connector("we").connect(sshd.environment())
    await again.survey([path], sweep=True)
    assert not list(records.glob("*.staging"))
    await again.place(Batch(2, (placement(tmp_path, path, b"new"),)), ignore)
    finish.set()
    with pytest.raises(KdeployError):
        await orphan
    assert Path(path).read_bytes() == b"new"
    assert not Path(f"{tmp_path}/other").exists()
    for target in (first, stranger, again):
        await target.close()


async def test_a_folder_may_have_two_names(peer: Peer, tmp_path: Path) -> None:
    if not isinstance(peer, DiskPeer):
        pytest.skip("a memory machine has no links")
    (Path(peer.root) / "usr").mkdir()
    (Path(peer.root) / "bin").symlink_to("usr")
    items = (placement(tmp_path, f"{peer.root}/usr/a", b"a"), placement(tmp_path, f"{peer.root}/bin/b", b"b"))
    await peer.target.place(Batch(1, items), ignore)
    assert peer.look(f"{peer.root}/usr/a") == (b"a", 0o644)
    assert peer.look(f"{peer.root}/usr/b") == (b"b", 0o644)
    assert peer.leftovers() == []


async def test_modes_return_when_the_set_cannot_be_completed(peer: Peer, tmp_path: Path) -> None:
    peer.plant(f"{peer.root}/a/mode", b"same", 0o600)
    peer.plant(f"{peer.root}/b/second/inside", b"a folder stands here", 0o644)
    entry = placement(tmp_path, f"{peer.root}/a/mode", b"same", 0o755).entry
    blocked = placement(tmp_path, f"{peer.root}/b/second", b"new")
    with pytest.raises(TargetError):
        await peer.target.place(Batch(1, (blocked,), (entry,)), ignore)
    assert peer.look(f"{peer.root}/a/mode") == (b"same", 0o600)
    assert peer.leftovers() == []


async def test_the_newest_version_is_taken_back_as_a_whole(peer: Peer, tmp_path: Path) -> None:
    old, fresh, mode = (f"{peer.root}/{name}" for name in ("a b/-old\\", "c/fresh", "c/mode"))
    peer.plant(old, b"first", 0o640)
    peer.plant(mode, b"same", 0o600)
    entry = placement(tmp_path, mode, b"same", 0o755).entry
    items = (placement(tmp_path, old, b"second", 0o755), placement(tmp_path, fresh, b"new"))
    await peer.target.place(Batch(5, items, (entry,), keep=2), ignore)
    assert peer.look(old) == (b"second", 0o755)

    done = await peer.target.restore(5)

    assert (set(done.restored), done.removed) == ({old, mode}, (fresh,))
    assert (peer.look(old), peer.look(mode)) == ((b"first", 0o640), (b"same", 0o600))
    assert (await peer.target.survey([fresh]))[fresh].kind is FileKind.MISSING
    assert peer.leftovers() == []
    with pytest.raises(TargetError) as caught:
        await peer.target.restore(5)
    assert caught.value.code == "E-ROLLBACK-NONE"


async def test_versions_are_taken_back_newest_first_and_only_so_many_are_kept(peer: Peer, tmp_path: Path) -> None:
    path = f"{peer.root}/file"
    peer.plant(path, b"0", 0o644)
    for run in (1, 2, 3):
        await peer.target.place(Batch(run, (placement(tmp_path, path, str(run).encode()),), keep=2), ignore)
    with pytest.raises(TargetError) as caught:
        await peer.target.restore(2)
    assert (caught.value.code, caught.value.details["newer"]) == ("E-ROLLBACK-NEWER", "3")
    await peer.target.restore(3)
    assert peer.look(path)[0] == b"2"
    await peer.target.restore(2)
    assert peer.look(path)[0] == b"1"
    with pytest.raises(TargetError) as caught:
        await peer.target.restore(1)
    assert caught.value.code == "E-ROLLBACK-NONE"


async def test_nothing_is_taken_back_over_a_change_by_somebody_else(peer: Peer, tmp_path: Path) -> None:
    path = f"{peer.root}/file"
    peer.plant(path, b"old", 0o644)
    await peer.target.place(Batch(1, (placement(tmp_path, path, b"new"),), keep=1), ignore)
    peer.plant(path, b"mine", 0o600)
    with pytest.raises(TargetError) as caught:
        await peer.target.restore(1)
    assert caught.value.code == "E-ROLLBACK-CHANGED"
    assert peer.look(path) == (b"mine", 0o600)
    assert peer.leftovers() == []


async def test_no_version_is_kept_unless_asked_for(peer: Peer, tmp_path: Path) -> None:
    await peer.target.place(Batch(1, (placement(tmp_path, f"{peer.root}/file", b"new"),)), ignore)
    with pytest.raises(TargetError) as caught:
        await peer.target.restore(1)
    assert caught.value.code == "E-ROLLBACK-NONE"


async def test_facts_about_many_folders_come_in_one_answer(peer: Peer) -> None:
    asked = tuple(f"{peer.root}/many/a{at % 9}/b{at}" for at in range(450))
    if isinstance(peer, DiskPeer):
        for each in asked[::2]:
            Path(each).mkdir(parents=True)
        (Path(peer.root) / "many/link").symlink_to("a0")
        asked = (*asked, f"{peer.root}/many/link/new")
    facts = await peer.target.facts(FactsQuery(folders=asked))
    assert set(facts.folders) == set(asked)
    for path in asked:
        folder = facts.folders[path]
        assert folder.disk is not None
        assert folder.mount
        if isinstance(peer, DiskPeer):
            assert folder.parents[0].path == "/"
            nearest = max(each for each in (path, *map(str, Path(path).parents)) if Path(each).exists())
            assert nearest in {each.path for each in folder.parents}


@pytest.mark.parametrize("shell", ["dash", "busybox"])
async def test_a_home_at_the_root_is_no_surprise(tmp_path: Path, shell: str) -> None:
    words = (shutil.which("busybox") or "busybox", "sh") if shell == "busybox" else ("/bin/dash",)
    facts = await ShellTarget(LocalShell(words, Path("/")), FolderContent()).facts(FactsQuery(folders=("~", "~/x")))
    assert (facts.home, set(facts.folders)) == ("/", {"/", "/x"})
    assert {facts.expand("~/x")} <= set(facts.folders)
    assert facts.folders["/x"].mount == "/"
