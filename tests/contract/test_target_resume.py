"""The contract of transfers that were cut short, held by every implementation of the `Target` port."""

from __future__ import annotations

import dataclasses
import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from kdeploy_gui import defaults
from kdeploy_gui.errors import KdeployError, NetworkError
from kdeploy_gui.model.files import Batch, FileKind, Placement, Staged, VersionedSet
from tests.contract.peers import DiskPeer, MemoryPeer, Peer, ignore, placement

SIZE = 4_000_000


@pytest.fixture(autouse=True)
def small_files_are_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "RESUME_FROM", 100_000)


def cut_after(peer: Peer, count: int) -> None:
    """The link goes down when that many bytes of a large file were read; 0: never."""
    content = peer.content
    whole = type(content).read

    def read(path: str) -> Iterator[bytes]:
        at = 0
        for chunk in whole(content, path):
            if count and at + len(chunk) > count and Path(path).stat().st_size == SIZE:
                yield chunk[: count - at]
                raise NetworkError("E-LOST", "the link went down")
            at += len(chunk)
            yield chunk

    content.read = read  # type: ignore[method-assign]


def wanted(item: Placement) -> dict[str, str]:
    return {item.entry.path: item.entry.sha256}


async def staged(peer: Peer, item: Placement) -> Staged | None:
    """What the next contact that wants the file finds of it."""
    path = item.entry.path
    return (await peer.target.survey([path], sweep=True, resume=wanted(item)))[path].staged


@pytest.fixture
def item(peer: Peer, tmp_path: Path) -> Placement:
    """A large file."""
    if not isinstance(peer, MemoryPeer | DiskPeer) or peer.over_ssh:
        pytest.skip("a link that goes down is another test's subject")
    return placement(tmp_path, f"{peer.root}/a b/large", random.Random(1).randbytes(SIZE), 0o640)


async def begun(peer: Peer, item: Placement, *others: Placement) -> Staged:
    """A transfer of the file is cut short."""
    cut_after(peer, 2_800_000)
    with pytest.raises(NetworkError):
        await peer.target.place(Batch(1, (*others, item)), ignore)
    cut_after(peer, 0)
    found = await staged(peer, item)
    assert found is not None
    data = Path(item.source).read_bytes()
    assert 0 < found.size <= 2_800_000
    assert found.sha256 == hashlib.sha256(data[: found.size]).hexdigest()
    return found


async def test_a_large_file_goes_on_where_it_was(peer: Peer, item: Placement, tmp_path: Path) -> None:
    small = placement(tmp_path, f"{peer.root}/b/small", b"few bytes")
    found = await begun(peer, item, small)
    sent: list[int] = []
    batch = Batch(2, (small, item), keep=1, resume={item.entry.path: found.size})
    await peer.target.place(batch, sent.append)
    assert peer.look(item.entry.path) == (Path(item.source).read_bytes(), 0o640)
    assert peer.look(small.entry.path) == (b"few bytes", 0o644)
    assert (min(sent) >= found.size, sent[-1]) == (True, batch.size)
    assert peer.leftovers() == []
    done = await peer.target.restore(2)
    assert set(done.removed) == {item.entry.path, small.entry.path}


async def test_it_may_be_cut_short_again_and_again(peer: Peer, item: Placement) -> None:
    found = await begun(peer, item)
    for count in (3_200_000, 3_700_000, 3_999_999):
        cut_after(peer, count)
        with pytest.raises(NetworkError):
            await peer.target.place(Batch(2, (item,), resume={item.entry.path: found.size}), ignore)
        further = await staged(peer, item)
        assert further is not None
        assert found.size < further.size <= count
        found = further
    cut_after(peer, 0)
    await peer.target.place(Batch(3, (item,), resume={item.entry.path: found.size}), ignore)
    assert peer.look(item.entry.path) == (Path(item.source).read_bytes(), 0o640)
    assert peer.leftovers() == []


async def test_a_file_of_a_set_goes_on_in_the_next_version(peer: Peer, tmp_path: Path, item: Placement) -> None:
    link = f"{peer.root}/net"
    large = placement(tmp_path, f"{link}/deep/large", Path(item.source).read_bytes())
    large = dataclasses.replace(large, link=link)
    cut_after(peer, 2_800_000)
    with pytest.raises(NetworkError):
        await peer.target.place(Batch(1, sets=(VersionedSet(link, (large,)),)), ignore)
    cut_after(peer, 0)
    found = await staged(peer, large)
    assert found is not None
    batch = Batch(2, sets=(VersionedSet(link, (large,)),), resume={large.entry.path: found.size})
    await peer.target.place(batch, ignore)
    assert peer.look(large.entry.path) == (Path(item.source).read_bytes(), 0o644)
    assert peer.leftovers() == []


@pytest.mark.parametrize("other", ["content", "path", "nothing"])
async def test_nothing_stays_that_is_not_wanted_any_more(
    peer: Peer, item: Placement, tmp_path: Path, other: str
) -> None:
    await begun(peer, item)
    path = f"{peer.root}/elsewhere" if other == "path" else item.entry.path
    sha256 = "0" * 64 if other == "content" else item.entry.sha256
    resume = {} if other == "nothing" else {path: sha256}
    states = await peer.target.survey([path], sweep=True, resume=resume)
    assert states[path].staged is None
    assert peer.leftovers() == []
    assert await staged(peer, item) is None


async def test_bytes_that_are_not_the_right_ones_are_not_gone_on_with(peer: Peer, item: Placement) -> None:
    """Who sees that does not ask for it, and what was staged goes all the same."""
    await begun(peer, item)
    await peer.target.place(Batch(2, (item,)), ignore)
    assert peer.look(item.entry.path) == (Path(item.source).read_bytes(), 0o640)
    assert peer.leftovers() == []


async def test_small_files_leave_nothing(peer: Peer, item: Placement, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "RESUME_FROM", SIZE + 1)
    cut_after(peer, 2_800_000)
    with pytest.raises(NetworkError):
        await peer.target.place(Batch(1, (item,)), ignore)
    assert peer.leftovers() == []


async def test_what_was_staged_and_is_gone_fails_as_a_lost_link(peer: Peer, item: Placement) -> None:
    found = await begun(peer, item)
    if not isinstance(peer, DiskPeer):
        pytest.skip("nobody else sweeps a memory machine")
    for each in Path(peer.root).rglob("new/large"):
        each.unlink()
    with pytest.raises(KdeployError) as caught:
        await peer.target.place(Batch(2, (item,), resume={item.entry.path: found.size}), ignore)
    assert isinstance(caught.value, NetworkError)
    assert await staged(peer, item) is None
    assert peer.leftovers() == []
    state = (await peer.target.survey([item.entry.path]))[item.entry.path]
    assert state.kind is FileKind.MISSING
