"""What `store:` sources stand for: a version with all that it needs, each file once in one place."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.artifacts.stored_sources import in_order, list_stored
from kdeploy_gui.engine import planner
from kdeploy_gui.model.environment import Environment, Lab
from kdeploy_gui.model.plan import Artifact, ArtifactType, PlanDraft, PlannedFile
from tests.artifacts.stores import add, digest

LAB = Lab((Environment(name="a", host="a.invalid"),))


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    store = ArtifactStore(tmp_path / "artifacts")
    add(store, "base", {"base": b"base"})
    add(store, "lib", {"lib": b"lib 1"}, "1", "base")
    add(store, "lib", {"lib": b"lib 2"}, "2", "base")
    add(store, "suite", {"bin/run": b"run"}, "1", "lib@1")
    add(store, "other", {"other": b"other"}, "1", "lib@1")
    return store


def stored(name: str, target: str = "/opt/", mode: int | None = None, sensitive: bool = False) -> Artifact:
    return Artifact(source=f"store:{name}", type=None, target=target, mode=mode, sensitive=sensitive)


def planned(store: ArtifactStore, *artifacts: Artifact) -> tuple[PlannedFile, ...]:
    shelf = store.versions()
    draft = PlanDraft(name="p", environments=("a",), artifacts=in_order(artifacts, shelf))
    listed = list_stored(draft.artifacts, shelf, store.objects.path)
    assert listed.problems == ()
    found = planner.plan(draft, LAB, listed.listings)
    assert found.plan is not None, found.problems
    return found.plan.files


def problems(store: ArtifactStore, *artifacts: Artifact) -> list[tuple[str, str]]:
    found = list_stored(artifacts, store.versions(), store.objects.path).problems
    return [(each.field, each.message) for each in found]


def targets(files: tuple[PlannedFile, ...]) -> list[str]:
    return [each.target for each in files]


def test_what_a_version_needs_comes_before_it(store: ArtifactStore) -> None:
    files = planned(store, stored("suite"))
    assert targets(files) == ["/opt/base", "/opt/lib", "/opt/bin/run"]
    assert files[1].source.path == str(store.objects.path(digest(b"lib 1")))
    assert (files[1].source.relative, files[1].type, files[1].mode) == ("lib@1/lib", ArtifactType.DATA, 0o644)


def test_the_mode_of_a_plan_is_for_the_artifact_itself(store: ArtifactStore) -> None:
    assert [each.mode for each in planned(store, stored("suite", mode=0o700))] == [0o644, 0o644, 0o700]
    assert [each.mode for each in planned(store, stored("suite", mode=0o600, sensitive=True))] == [0o600] * 3


def test_what_two_need_in_one_place_comes_once(store: ArtifactStore) -> None:
    files = planned(store, stored("suite"), stored("other"), stored("other", "/srv/"))
    assert targets(files) == [
        *("/opt/base", "/opt/lib", "/opt/bin/run", "/opt/other"),
        *("/srv/base", "/srv/lib", "/srv/other"),
    ]


def test_what_the_plan_lists_itself_comes_where_it_says_and_first(store: ArtifactStore) -> None:
    files = planned(store, stored("suite"), stored("lib@1", "/usr/lib/"), stored("base@1", "/usr/"))
    assert targets(files) == ["/usr/base", "/usr/lib/lib", "/opt/bin/run"]


def test_the_newest_is_meant_where_no_version_is_named(store: ArtifactStore) -> None:
    assert planned(store, stored("lib"))[1].source.path == str(store.objects.path(digest(b"lib 2")))


def test_what_is_missing_or_goes_round_is_named(store: ArtifactStore) -> None:
    assert problems(store, stored("suit"), stored("lib@3"), stored("a b")) == [
        ("artifacts[0].source", "the store has no artifact suit - did you mean 'suite'?"),
        ("artifacts[1].source", "the store has no version 3 of lib; the newest is 2"),
        ("artifacts[2].source", "write NAME or NAME@VERSION, each of letters, digits and . _ - (at most 64)"),
    ]
    (store.folder / "index" / "base" / "1.json").unlink()
    assert problems(store, stored("suite")) == [
        ("artifacts[0].source", "the store has no artifact base, which lib@1 needs")
    ]
    document = store.folder / "index" / "lib" / "1.json"
    document.write_text(document.read_text().replace('"name": "base"', '"name": "suite"'))
    assert problems(store, stored("suite")) == [
        ("artifacts[0].source", "an artifact needs itself: suite@1 -> lib@1 -> suite@1")
    ]


def test_a_file_target_takes_a_version_of_one_file(store: ArtifactStore) -> None:
    assert targets(planned(store, stored("base", "/opt/renamed"))) == ["/opt/renamed"]
