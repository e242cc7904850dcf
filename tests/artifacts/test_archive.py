"""Archives of plans: what was packed comes out, and nothing else gets in."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import json
import lzma
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.app.packaging import unpack
from kdeploy_gui.artifacts import archive
from kdeploy_gui.artifacts.archive import MANIFEST, PLAN, Packed, manifest, unpack_archive, write_archive
from kdeploy_gui.errors import ArtifactError, ContentChanged
from kdeploy_gui.model.stored import StoredFile

Files = dict[str, bytes]
GOOD: Files = {PLAN: b"name = 'x'\n", "files/01/a.sh": b"#!/bin/sh\n", "files/01/sub/b": b"\0" * 700}


def stored(path: str, data: bytes) -> StoredFile:
    return StoredFile(path, hashlib.sha256(data).hexdigest(), 0o644, len(data))


def packed(files: Files) -> bytes:
    out = io.BytesIO()
    write_archive(out, [Packed(stored(path, data), [data]) for path, data in files.items()])
    return out.getvalue()


def member(name: str, data: bytes = b"", **fields: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for field, value in fields.items():
        setattr(info, field, value)
    return info, data


def crafted(members: Sequence[tuple[tarfile.TarInfo, bytes]], files: Files = GOOD) -> bytes:
    """The good archive with more members at its end, all of them in its manifest."""
    listed = {**files, **{info.name: data for info, data in members}}
    head = manifest(stored(path, data) for path, data in listed.items())
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for info, data in [member(MANIFEST, head), *(member(*each) for each in files.items()), *members]:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def refused(tmp_path: Path, data: bytes) -> str:
    """Why an archive is refused; nothing of it is there then."""
    file = tmp_path / "hostile.tar"
    file.write_bytes(data)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ArtifactError) as caught:
        unpack(file, tmp_path / "place")
    assert caught.value.code == "E-ARCHIVE"
    assert sorted(tmp_path.rglob("*")) == before
    return caught.value.message


@pytest.mark.parametrize("wrap", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_what_was_packed_comes_out(tmp_path: Path, wrap: Callable[[bytes], bytes]) -> None:
    file = tmp_path / "x.tar"
    file.write_bytes(wrap(packed(GOOD)))
    package = unpack(file, tmp_path / "place")
    assert {each.path: (tmp_path / "place" / each.path).read_bytes() for each in package.files} == GOOD
    assert package.size == sum(map(len, GOOD.values()))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["place", "x.tar"]


def test_the_same_files_in_any_order_give_the_same_bytes() -> None:
    assert packed(GOOD) == packed(dict(reversed(GOOD.items())))
    with tarfile.open(fileobj=io.BytesIO(packed(GOOD))) as tar:
        assert tar.getnames() == [MANIFEST, *sorted(GOOD)]
        assert {(each.mtime, each.uid, each.gid, each.uname) for each in tar} == {(0, 0, 0, "")}


@pytest.mark.parametrize("chunks", [[b"other"], [b"longer than that"], []])
def test_a_file_that_changes_while_it_is_packed_is_noticed(chunks: list[bytes]) -> None:
    with pytest.raises(ContentChanged, match="while it was being packed"):
        write_archive(io.BytesIO(), [Packed(stored("a", b"bytes"), chunks)])


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        (member("/etc/passwd", b"x"), "leads elsewhere"),
        (member("../x", b"x"), "leads elsewhere"),
        (member("files/../../x", b"x"), "leads elsewhere"),
        (member("files/./x", b"x"), "leads elsewhere"),
        (member("files//x", b"x"), "leads elsewhere"),
        (member("files/\x1b[2J", b"x"), "cannot be shown"),
        (member("files/" + "x" * 300, b"x"), "leads elsewhere"),
        (member("files/link", type=tarfile.SYMTYPE, linkname="/etc"), "is a symbolic link"),
        (member("files/link", type=tarfile.LNKTYPE, linkname=PLAN), "is a hard link"),
        (member("files/dev", type=tarfile.CHRTYPE), "no plain file"),
        (member("files/dev", type=tarfile.BLKTYPE), "no plain file"),
        (member("files/pipe", type=tarfile.FIFOTYPE), "no plain file"),
        (member("files/folder", type=tarfile.DIRTYPE), "is a folder"),
        (member("files/su", b"x", mode=0o4755), "setuid"),
        (member("files/sg", b"x", mode=0o2755), "setuid"),
        (member("files/sparse", b"", type=tarfile.GNUTYPE_SPARSE), ""),
        (member("files/pax", b"", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}), ""),
        (member(PLAN, b"name = 'y'\n"), "is there twice"),
        (member("files/01/a.sh/below", b"x"), "which is a file"),
        (member("files/pax", b"x", pax_headers={"path": "../x"}), "leads elsewhere"),
        (member("files/huge", b"x", pax_headers={"comment": "y" * 2_000_000}), "header that is too large"),
    ],
)
def test_hostile_members_are_refused(tmp_path: Path, extra: tuple[tarfile.TarInfo, bytes], why: str) -> None:
    assert why in refused(tmp_path, crafted([extra]))


def changed(change: Callable[[dict[str, Any]], None], files: Files = GOOD) -> bytes:
    """The good archive with another manifest."""
    document = json.loads(manifest(stored(path, data) for path, data in files.items()))
    change(document)
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info, data in [member(MANIFEST, json.dumps(document).encode()), *(member(*each) for each in files.items())]:
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda each: each.update(format=2), "format 2"),
        (lambda each: each.pop("format"), "cannot be read"),
        (lambda each: each["files"].pop(), "does not list what it has"),
        (lambda each: each["files"].append(each["files"][0]), "does not list what it has"),
        (lambda each: each["files"][0].update(path="files/zzz"), "does not list what it has"),
        (lambda each: each["files"][0].update(size=1), "does not have the size"),
        (lambda each: each["files"][0].update(size="1"), "cannot be read"),
        (lambda each: each["files"][0].update(sha256="0" * 64), "does not have the content"),
        (lambda each: each["files"][0].update(sha256="0"), "cannot be read"),
        (lambda each: each["files"][0].update(mode="4755"), "cannot be read"),
        (lambda each: each["files"][0].update(mode="rwx"), "cannot be read"),
        (lambda each: each.update(files=[1]), "cannot be read"),
    ],
)
def test_the_manifest_must_be_right(tmp_path: Path, change: Callable[[dict[str, Any]], None], why: str) -> None:
    assert why in refused(tmp_path, changed(change))


def test_other_archives_are_refused(tmp_path: Path) -> None:
    assert "no manifest.json" in refused(tmp_path, b"")[:200] or "no tar" in refused(tmp_path, b"")
    assert "no tar archive" in refused(tmp_path, b"x" * 2000)
    assert "no tar archive" in refused(tmp_path, gzip.compress(packed(GOOD))[:-40])
    squeezed = bytearray(bz2.compress(packed(GOOD)))
    squeezed[20] ^= 0xFF
    assert "damaged" in refused(tmp_path, bytes(squeezed))
    assert "no plan.toml" in refused(tmp_path, packed({"a": b"x"}))
    assert refused(tmp_path, packed(GOOD)[:2100])


@pytest.mark.parametrize("kind", [b"0", b"x", b"g", b"L", b"K", b"5", b"S"])
def test_a_negative_size_does_not_lead_back(tmp_path: Path, kind: bytes) -> None:
    """Python's tarfile went round for ever on some of these (CVE-2025-8194)."""
    header = bytearray(member("a")[0].tobuf())
    header[156:157] = kind
    header[124:136] = b"\xff" * 10 + b"\xfe\x00"
    header[148:156] = b" " * 8
    header[148:156] = f"{sum(header):06o}\0 ".encode()
    assert refused(tmp_path, bytes(header) + packed(GOOD))


def test_endless_headers_are_refused(tmp_path: Path) -> None:
    empty = bytearray(member("x", type=tarfile.XHDTYPE)[0].tobuf())
    assert refused(tmp_path, bytes(empty) * 5000 + packed(GOOD))


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = packed({**GOOD, "files/zeros": bytes(8_000_000)})
    for wrap in (gzip.compress, bz2.compress, lzma.compress):
        assert "grows to more than 20 times" in refused(tmp_path, wrap(bomb))


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MEMBERS", 3)
    assert "more than 3 members" in refused(tmp_path, packed(GOOD))


@given(st.data())
def test_no_damage_gets_through(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """One changed byte: refused, or of no meaning (padding, a time in a header)."""
    whole = bytearray(packed(GOOD))
    whole[data.draw(st.integers(0, len(whole) - 1))] ^= data.draw(st.integers(1, 255))
    folder = tmp_path_factory.mktemp("damaged")
    file = folder / "x.tar"
    file.write_bytes(whole)
    place = folder / "place"
    place.mkdir()
    try:
        unpack_archive(file, place)
    except ArtifactError:
        return
    assert {str(each.relative_to(place)): each.read_bytes() for each in place.rglob("*") if each.is_file()} == GOOD
