"""Sources of a run are read once, whoever needs them and however often."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from kdeploy_gui.engine.context import Digests
from kdeploy_gui.errors import ArtifactError
from kdeploy_gui.model.plan import ArtifactType, SourceFile
from kdeploy_gui.model.requirement import Requirement, Script
from tests.rehearsal import MemoryContent, memory_file

SCRIPT = b"#!/bin/sh\nexit 0\n"


@dataclass
class Noting(MemoryContent):
    """Notes what is read."""

    digested: list[str] = field(default_factory=list)
    inspected: list[str] = field(default_factory=list)

    def digest(self, source: SourceFile, stop: Callable[[], bool] = lambda: False) -> str:
        self.digested.append(source.path)
        return super().digest(source, stop)

    def requirement(self, source: SourceFile) -> Requirement:
        self.inspected.append(source.path)
        return super().requirement(source)


async def test_a_source_at_two_places_is_read_once() -> None:
    content = Noting()
    file = replace(memory_file(content, "/opt/a", SCRIPT), type=ArtifactType.SCRIPT)
    again = replace(file, target="/opt/b")
    digests = Digests(content)
    learned = [*await digests.learn([file, again]), *await digests.learn([again])]
    digest = hashlib.sha256(SCRIPT).hexdigest()
    assert learned == [(digest, Script("/bin/sh"))] * 3
    assert await digests.of(file.source) == digest
    assert (content.digested, content.inspected) == ([file.source.path], [file.source.path])


async def test_of_a_group_that_failed_only_the_rest_is_read_again() -> None:
    content = Noting()
    files = [memory_file(content, f"/opt/{name}", name.encode()) for name in "abc"]
    digests, lost = Digests(content), content.data.pop(files[1].source.path)
    with pytest.raises(ArtifactError):
        await digests.learn(files)
    content.data[files[1].source.path] = lost
    assert [digest for digest, _ in await digests.learn(files)] == [
        hashlib.sha256(each).hexdigest() for each in (b"a", b"b", b"c")
    ]
    paths = [each.source.path for each in files]
    assert content.digested == [*paths[:2], *paths[1:]]
