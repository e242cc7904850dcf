"""What a run deploys is in the store before anything is sent, once for all environments."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.environments.memory_target import MemoryMachine
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.stage import Stage, Status
from tests.engine.steps import machine
from tests.rehearsal import MemoryContent, memory_file, memory_plan, rehearsal


@dataclass
class Scene:
    """Two machines, and a plan with a file that all may read and one that is sensitive."""

    folder: Path
    content: MemoryContent = field(default_factory=MemoryContent)
    machines: dict[str, MemoryMachine] = field(default_factory=lambda: {"a": machine(), "b": machine()})

    @property
    def plan(self) -> Plan:
        open_file = memory_file(self.content, "/opt/open", b"for all", 0o755)
        secret = replace(memory_file(self.content, "/opt/secret", b"canary", 0o600), sensitive=True)
        return memory_plan(["a", "b"], [open_file, secret])

    @property
    def store(self) -> ArtifactStore:
        return ArtifactStore(self.folder / "artifacts", self.content)


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_a_run_keeps_what_it_deploys(scene: Scene) -> None:
    async with rehearsal(scene.folder, scene.machines, scene.content) as run:
        state, _ = await run.run(scene.plan)
    assert {each.status for each in state.environments.values()} == {Status.COMPLETED}
    files = scene.store.files_of(state.run)
    assert files is not None
    assert [(each.target, each.mode, each.sensitive) for each in files.files] == [
        ("/opt/open", 0o755, False),
        ("/opt/secret", 0o600, True),
    ]
    assert [b"".join(scene.store.read(sha256)) for sha256 in scene.store.objects.all()] == [b"for all"]


async def test_a_run_without_files_keeps_nothing(scene: Scene) -> None:
    async with rehearsal(scene.folder, scene.machines, scene.content) as run:
        state, _ = await run.run(replace(scene.plan, files=()))
    assert scene.store.files_of(state.run) is None


async def test_a_store_that_cannot_take_it_stops_the_run_before_anything_is_sent(scene: Scene) -> None:
    (scene.folder / "artifacts").write_text("no folder")
    async with rehearsal(scene.folder, scene.machines, scene.content) as run:
        state, _ = await run.run(scene.plan)
        for each in state.environments.values():
            assert each.error is not None
            assert (each.error.code, each.error.where.stage) == ("E-STORE-IO", Stage.PREPARING)
        assert all(not each.files for each in scene.machines.values())
        (scene.folder / "artifacts").unlink()
        again, _ = await run.run(scene.plan)
    assert {each.status for each in again.environments.values()} == {Status.COMPLETED}
