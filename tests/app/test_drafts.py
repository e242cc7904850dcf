"""Drafts survive the end of the program, whatever is in them; what cannot be read is told and kept."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from kdeploy_gui.app.drafts import Drafts
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.plan import Artifact, ArtifactType, Dependency, PlanDraft
from tests.strategies import plan_drafts, texts

UNFINISHED = PlanDraft(
    name="",
    environments=(),
    artifacts=(Artifact(source="\udcff\x00", type=ArtifactType.DATA, target="", mode=0),),
    dependencies=(Dependency(),),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plan_drafts, texts)
def test_a_draft_survives_a_restart(tmp_path: Path, draft: PlanDraft, text: str) -> None:
    drafts = Drafts(tmp_path / "drafts")
    for each in (draft, UNFINISHED):
        saved = drafts.save(drafts.new(each, Path("/plans\udcff"), previous_text=text, origin=text, step=4))
        assert Drafts(tmp_path / "drafts").get(saved.id) == saved
        drafts.remove(saved.id)
        drafts.remove(saved.id)
    assert drafts.all().drafts == ()


def test_drafts_are_private_and_listed_by_time(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path / "drafts")
    assert drafts.all().drafts == ()
    before = datetime.now(UTC)
    first, second = (drafts.save(drafts.new(UNFINISHED, tmp_path, plan_file=tmp_path / "p.toml")) for _ in range(2))
    again = drafts.save(first)
    assert before <= first.saved < second.saved < again.saved
    assert drafts.all().drafts == (again, second)
    files = list((tmp_path / "drafts").iterdir())
    assert len(files) == 2
    assert {each.stat().st_mode & 0o777 for each in (*files, tmp_path / "drafts")} == {0o600, 0o700}


@pytest.mark.parametrize("content", [b"", b"{}", b"[" * 100_000, b"\xff", b'{"draft": {}, "folder": "x", "saved": 1}'])
def test_a_damaged_draft_is_told_and_kept(tmp_path: Path, content: bytes) -> None:
    drafts = Drafts(tmp_path)
    good = drafts.save(drafts.new(UNFINISHED, tmp_path))
    bad = tmp_path / "bad.json"
    bad.write_bytes(content)
    found = drafts.all()
    assert found.drafts == (good,)
    assert [each.file for each in found.problems] == [str(bad)]
    assert bad.read_bytes() == content
    with pytest.raises(LocalError, match=r"bad\.json cannot be read"):
        drafts.get("bad")


@pytest.mark.parametrize("name", ["", "../plan", "a/b", "gone"])
def test_a_draft_that_is_not_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(LocalError) as raised:
        Drafts(tmp_path).get(name)
    assert raised.value.code == "E-DRAFT-UNKNOWN"


def test_a_draft_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    drafts = Drafts(tmp_path)
    saved = drafts.save(drafts.new(UNFINISHED, tmp_path))
    (tmp_path / f"{saved.id}.json").unlink()
    (tmp_path / f"{saved.id}.json").mkdir()
    with pytest.raises(LocalError, match="cannot be written"):
        drafts.save(saved)
    with pytest.raises(LocalError, match="cannot be removed"):
        drafts.remove(saved.id)
    assert os.listdir(tmp_path) == [f"{saved.id}.json"]
