"""Bytes of local files."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kdeploy_gui import defaults
from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.errors import ArtifactError
from kdeploy_gui.model.plan import SourceFile
from kdeploy_gui.ports import Content

CONTENT: Content = LocalContent()


def source(path: Path, size: int) -> SourceFile:
    return SourceFile(str(path), path.name, size)


def digest(path: str) -> object:
    return CONTENT.digest(SourceFile(path, "x", 0), lambda: False)


def read(path: str) -> object:
    return list(CONTENT.read(path))


@pytest.mark.parametrize("size", [0, 1, defaults.CHUNK, 3 * defaults.CHUNK + 7])
def test_digest_and_bytes(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "file").write_bytes(data)
    assert CONTENT.digest(source(tmp_path / "file", size), lambda: False) == hashlib.sha256(data).hexdigest()
    chunks = list(CONTENT.read(str(tmp_path / "file")))
    assert b"".join(chunks) == data
    assert all(len(each) <= defaults.CHUNK for each in chunks)


@pytest.mark.parametrize("verb", [digest, read])
def test_missing_file(tmp_path: Path, verb: Callable[[str], object]) -> None:
    with pytest.raises(ArtifactError, match="no longer there") as caught:
        verb(str(tmp_path / "gone"))
    assert (caught.value.code, caught.value.path) == ("E-SOURCE-MISSING", str(tmp_path / "gone"))


@pytest.mark.parametrize("verb", [digest, read])
def test_things_that_are_no_files(tmp_path: Path, verb: Callable[[str], object]) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in (tmp_path, tmp_path / "pipe", tmp_path / "loop"):
        with pytest.raises(ArtifactError) as caught:
            verb(str(path))
        assert caught.value.code == "E-SOURCE-UNREADABLE"


def test_file_that_grew_since_the_plan_was_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"12345")
    with pytest.raises(ArtifactError, match="had 4 bytes when the plan was made and has 5 now") as caught:
        CONTENT.digest(source(tmp_path / "file", 4), lambda: False)
    assert caught.value.code == "E-HASH"
