"""What past runs deployed where, and the same bytes again."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kdeploy_gui.app.run_files import artifacts_of, files_of, same_again
from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.event import Body, EnvironmentFinished, Event, FileDone, RunSubmitted
from kdeploy_gui.model.stage import Status
from kdeploy_gui.model.stored import DeployedSet, RunFiles
from tests.artifacts.stores import START, digest, run_files


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


@pytest.fixture
def files(store: ArtifactStore, tmp_path: Path) -> RunFiles:
    """Run 1: a file with an absolute target, one below the home folder, a sensitive one."""
    made = run_files(tmp_path / "sources", 1, {"a": b"a", "b": b"b", "secret": b"canary"})
    first, second, third = made.files
    whole = replace(made, files=(first, replace(second, target="~/b"), replace(third, sensitive=True)))
    store.keep(whole)
    return whole


def told(*done: tuple[str, Body]) -> list[Event]:
    bodies = [("", RunSubmitted("plan", ("x", "y", "z", "w"))), *done]
    return [
        Event(seq=seq, time=START, run=1, body=body, environment=name) for seq, (name, body) in enumerate(bodies, 1)
    ]


def done(path: str, data: bytes) -> FileDone:
    return FileDone(path, "sent", len(data), digest(data))


def test_environments_with_the_same_files_stand_together(files: RunFiles) -> None:
    whole = [done("/opt/a", b"a"), done("/root/b", b"b"), done("/opt/secret", b"canary")]
    other_home = [done("/opt/a", b"a"), done("/home/me/b", b"b"), done("/opt/secret", b"canary")]
    events = told(
        *(("x", each) for each in whole),
        *(("y", each) for each in other_home),
        ("z", done("/opt/a", b"a")),
        ("z", done("/elsewhere/b", b"other bytes")),
        ("w", EnvironmentFinished(Status.FAILED, False)),
    )
    found = artifacts_of(files, events)
    assert [(each.environments, [file.path for file in each.files]) for each in found.sets] == [
        (("x", "y"), ["/opt/a", "~/b", "/opt/secret"]),
        (("z",), ["/opt/a"]),
    ]
    assert [each.kept for each in found.sets[0].files] == [True, True, False]
    assert found.without == ("w",)
    assert isinstance(found.sets[0], DeployedSet)


def test_only_the_files_of_this_history_count(store: ArtifactStore, files: RunFiles) -> None:
    assert files_of(store, 1, told()) == files
    younger = [replace(each, time=START + timedelta(days=1)) for each in told()]
    for events, code in ((younger, "E-RUN-NOT-KEPT"), ([], "E-RUN-UNKNOWN")):
        with pytest.raises(LocalError) as error:
            files_of(store, 1, events)
        assert error.value.code == code
    with pytest.raises(LocalError) as error:
        files_of(store, 2, told())
    assert error.value.code == "E-RUN-NOT-KEPT"


def test_the_same_bytes_come_from_the_store(store: ArtifactStore, files: RunFiles) -> None:
    Path(files.files[0].source).unlink()
    Path(files.files[1].source).write_bytes(b"changed")
    again = same_again(store, files)
    assert [(each.target, each.mode, each.sensitive) for each in again] == [
        ("/opt/a", 0o644, False),
        ("~/b", 0o644, False),
        ("/opt/secret", 0o644, True),
    ]
    assert [Path(each.source.path).read_bytes() for each in again] == [b"a", b"b", b"canary"]


def test_what_cannot_be_the_same_again_is_refused(store: ArtifactStore, files: RunFiles) -> None:
    secret = Path(files.files[2].source)
    for change, why in ((lambda: secret.write_bytes(b"CANARY"), "other content"), (secret.unlink, "cannot be used")):
        change()
        with pytest.raises(LocalError, match=why) as error:
            same_again(store, files)
        assert error.value.code == "E-RUN-NOT-KEPT"
    store.objects.path(digest(b"b")).unlink()
    with pytest.raises(LocalError, match="run 1 needs it") as error:
        same_again(store, files)
    assert error.value.code == "E-STORE-DAMAGED"
