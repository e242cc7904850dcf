"""The contract of versioned sets, held by every implementation of the `Target` port."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest

from kdeploy_gui.engine.stages.deploy import changes, places_of
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.errors import ContentChanged, TargetError
from kdeploy_gui.model.files import FileKind, Placement, Restored
from kdeploy_gui.model.versioned import holder, set_behind, set_hash
from tests.contract.local_shell import LocalShell
from tests.contract.peers import NASTY, DiskPeer, FolderContent, Peer, busybox_path, ignore, placement

Files = dict[str, tuple[bytes, int]]

FIRST: Files = {
    "run.sh": (b"run 1", 0o755),
    "lib/deep/a": (b"same", 0o644),
    "lib/b": (b"mode", 0o600),
    "gone": (b"in the first version only", 0o640),
}
SECOND: Files = {
    "run.sh": (b"run 2", 0o755),
    "lib/deep/a": (b"same", 0o644),
    "lib/b": (b"mode", 0o640),
}


def link_of(peer: Peer) -> str:
    return f"{peer.root}/opt/net"


async def deploy(
    peer: Peer, folder: Path, run: int, files: Files, keep: int = 2, plain: tuple[Placement, ...] = ()
) -> int:
    """As the stage does it; how many files were sent."""
    link = link_of(peer)
    wanted = (
        *plain,
        *(
            dataclasses.replace(placement(folder, f"{link}/{name}", data, mode), link=link)
            for name, (data, mode) in files.items()
        ),
    )
    states = await peer.target.survey(places_of(wanted), sweep=True)
    batch = dataclasses.replace(changes(run, wanted, states), keep=keep)
    await peer.target.place(batch, ignore)
    after = await peer.target.survey(places_of(wanted))
    assert [each.entry.differences(after[each.entry.path]) for each in wanted] == [()] * len(wanted)
    assert after[link].kind is FileKind.SYMLINK
    assert set_behind(link, after[link].leads_to) == set_hash(each.entry for each in wanted if each.link)
    assert peer.leftovers() == []
    return len(batch.sent)


async def found(peer: Peer, files: Files) -> Files:
    """What stands at these names behind the link."""
    paths = {name: f"{link_of(peer)}/{name}" for name in files}
    states = await peer.target.survey(list(paths.values()))
    return {name: peer.look(path) for name, path in paths.items() if states[path].kind is FileKind.FILE}


async def leads_to(peer: Peer) -> str:
    return (await peer.target.survey([link_of(peer)]))[link_of(peer)].leads_to


def versions(peer: Peer) -> list[str]:
    """Versions on the disk, by name."""
    if not isinstance(peer, DiskPeer):
        return []
    where = Path(holder(link_of(peer)))
    return sorted(each.name for each in where.iterdir() if each.is_dir()) if where.exists() else []


async def test_a_set_switches_as_a_whole_and_back(peer: Peer, tmp_path: Path) -> None:
    link = link_of(peer)
    assert await deploy(peer, tmp_path, 7, FIRST) == 4
    first = await leads_to(peer)
    assert await found(peer, FIRST) == FIRST
    assert await deploy(peer, tmp_path, 8, SECOND) == 1
    assert await found(peer, FIRST | SECOND) == SECOND
    assert await leads_to(peer) != first
    assert await peer.target.restore(8) == Restored(restored=(link,))
    assert (await leads_to(peer), await found(peer, FIRST | SECOND)) == (first, FIRST)
    assert await peer.target.restore(7) == Restored(removed=(link,))
    assert (await peer.target.survey([link]))[link].kind is FileKind.MISSING
    assert (peer.leftovers(), versions(peer)) == ([], [])


async def test_what_did_not_change_is_the_same_file(peer: Peer, tmp_path: Path) -> None:
    await deploy(peer, tmp_path, 1, FIRST)
    if not isinstance(peer, DiskPeer):
        pytest.skip("a memory machine has no inodes")
    inodes = {name: os.stat(f"{link_of(peer)}/{name}").st_ino for name in FIRST}
    await deploy(peer, tmp_path, 2, SECOND)
    after = {name: os.stat(f"{link_of(peer)}/{name}").st_ino for name in SECOND}
    assert after["lib/deep/a"] == inodes["lib/deep/a"]
    assert after["lib/b"] != inodes["lib/b"], "another mode must not reach the version before"
    top = Path(link_of(peer)).resolve()
    assert {each.stat().st_mode & 0o7777 for each in (top, top / "lib", top / "lib/deep")} == {0o755}


async def test_only_so_many_versions_stay(peer: Peer, tmp_path: Path) -> None:
    for run in range(1, 6):
        await deploy(peer, tmp_path, run, {"f": (f"{run}".encode(), 0o644)}, keep=2)
        if isinstance(peer, DiskPeer):
            assert [each.partition("-")[0] for each in versions(peer)] == [
                str(each) for each in range(max(1, run - 2), run + 1)
            ]
    await peer.target.restore(5)
    await peer.target.restore(4)
    assert await found(peer, {"f": (b"", 0)}) == {"f": (b"3", 0o644)}
    with pytest.raises(TargetError) as caught:
        await peer.target.restore(3)
    assert caught.value.code == "E-ROLLBACK-NONE"
    if isinstance(peer, DiskPeer):
        assert len(versions(peer)) == 1
    await deploy(peer, tmp_path, 6, {"f": (b"6", 0o644)}, keep=0)
    assert len(versions(peer)) == (1 if isinstance(peer, DiskPeer) else 0)


async def test_a_file_that_only_leaves_the_set_makes_a_version_and_sends_nothing(peer: Peer, tmp_path: Path) -> None:
    await deploy(peer, tmp_path, 1, FIRST)
    less = {name: each for name, each in FIRST.items() if name != "gone"}
    assert await deploy(peer, tmp_path, 2, less) == 0
    assert await found(peer, FIRST) == less


async def test_single_files_and_sets_come_and_go_together(peer: Peer, tmp_path: Path) -> None:
    path = f"{peer.root}/etc/one"
    peer.plant(path, b"old", 0o600)
    await deploy(peer, tmp_path, 1, FIRST)
    await deploy(peer, tmp_path, 2, SECOND, plain=(placement(tmp_path, path, b"new"),))
    assert peer.look(path) == (b"new", 0o644)
    done = await peer.target.restore(2)
    assert (set(done.restored), done.removed) == ({path, link_of(peer)}, ())
    assert (peer.look(path), await found(peer, FIRST | SECOND)) == ((b"old", 0o600), FIRST)


async def test_a_set_that_cannot_be_completed_leaves_the_version_before(peer: Peer, tmp_path: Path) -> None:
    await deploy(peer, tmp_path, 1, FIRST)
    before = await leads_to(peer)
    peer.plant(f"{peer.root}/etc/one/inside", b"a folder stands here", 0o644)
    with pytest.raises(TargetError) as caught:
        await deploy(peer, tmp_path, 2, SECOND, plain=(placement(tmp_path, f"{peer.root}/etc/one", b"new"),))
    assert caught.value.code == "E-ISDIR"
    assert (await leads_to(peer), await found(peer, FIRST | SECOND)) == (before, FIRST)
    assert (peer.leftovers(), len(versions(peer))) == ([], 1 if isinstance(peer, DiskPeer) else 0)


async def test_other_bytes_than_planned_make_no_version(peer: Peer, tmp_path: Path) -> None:
    link = link_of(peer)
    item = dataclasses.replace(placement(tmp_path, f"{link}/f", b"plan"), link=link)
    Path(item.source).write_bytes(b"othr")
    states = await peer.target.survey(places_of((item,)))
    with pytest.raises(ContentChanged):
        await peer.target.place(changes(1, (item,), states), ignore)
    assert (await peer.target.survey([link]))[link].kind is FileKind.MISSING
    assert (peer.leftovers(), versions(peer)) == ([], [])


async def test_nothing_is_switched_back_where_the_link_was_changed_since(peer: Peer, tmp_path: Path) -> None:
    await deploy(peer, tmp_path, 1, FIRST)
    await deploy(peer, tmp_path, 2, SECOND)
    if not isinstance(peer, DiskPeer):
        pytest.skip("nobody changes a memory machine's links")
    link, first = Path(link_of(peer)), versions(peer)[0]
    link.unlink()
    link.symlink_to(f"net.kdeploy/{first}")
    with pytest.raises(TargetError) as caught:
        await peer.target.restore(2)
    assert caught.value.code == "E-ROLLBACK-CHANGED"
    assert os.readlink(link) == f"net.kdeploy/{first}"
    assert peer.leftovers() == []


async def test_what_others_put_into_a_version_is_not_removed_with_it(peer: Peer, tmp_path: Path) -> None:
    await deploy(peer, tmp_path, 1, FIRST, keep=0)
    if not isinstance(peer, DiskPeer):
        pytest.skip("nobody else writes on a memory machine")
    result = Path(link_of(peer)).resolve() / "lib/results.txt"
    result.write_text("of a test")
    await deploy(peer, tmp_path, 2, SECOND, keep=0)
    assert result.read_text() == "of a test"
    assert not (result.parent / "b").exists()
    await deploy(peer, tmp_path, 3, FIRST, keep=0)
    assert len(versions(peer)) == 2


async def test_names_in_a_set_may_be_anything(peer: Peer, tmp_path: Path) -> None:
    files = {f"{folder}/{name}": (f"{folder} {name}".encode(), 0o644) for folder in NASTY[1:5] for name in NASTY}
    assert await deploy(peer, tmp_path, 1, files) == len(files)
    assert await deploy(peer, tmp_path, 2, files | {"-n": (b"new", 0o600)}) == 1
    assert await found(peer, files) == files
    await deploy(peer, tmp_path, 3, {"-n": (b"new", 0o600)}, keep=0)
    assert len(versions(peer)) == (2 if isinstance(peer, DiskPeer) else 0), (
        "the first is kept for run 2, the second is not"
    )


async def test_copies_are_made_where_no_hard_links_can_be(tmp_path: Path) -> None:
    root, home, commands = (tmp_path / each for each in ("root", "home", "bin"))
    for each in (root, home, commands):
        each.mkdir()
    (commands / "ln").write_text("#!/bin/sh\nexit 1\n")
    (commands / "ln").chmod(0o755)
    content = FolderContent()
    shell = LocalShell(("/bin/sh",), home, f"{commands}:{os.defpath}")
    peer = DiskPeer(ShellTarget(shell, content), root, home, content)
    await deploy(peer, tmp_path, 1, FIRST)
    assert await deploy(peer, tmp_path, 2, SECOND) == 1
    assert await found(peer, SECOND) == SECOND
    assert os.stat(f"{link_of(peer)}/lib/deep/a").st_nlink == 1
    await peer.target.restore(2)
    assert await found(peer, FIRST) == FIRST


async def test_without_readlink_no_set_is_versioned(tmp_path: Path) -> None:
    root, home, commands = (tmp_path / each for each in ("root", "home", "bin"))
    for each in (root, home):
        each.mkdir()
    path = busybox_path(commands)
    (commands / "readlink").unlink()
    content = FolderContent()
    peer = DiskPeer(ShellTarget(LocalShell(("/bin/dash",), home, path), content), root, home, content)
    with pytest.raises(TargetError) as caught:
        await deploy(peer, tmp_path, 1, FIRST)
    assert caught.value.message == "readlink: not found; versioned folders need it"
    assert (peer.leftovers(), versions(peer)) == ([], [])
    assert not os.path.lexists(link_of(peer))
