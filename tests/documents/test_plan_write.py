"""plan.toml as it is written: what is read back is the draft, and the user's own text survives."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.documents.plan_file import PlanFile, plan_of
from kdeploy_gui.documents.plan_write import write_plan
from kdeploy_gui.documents.toml_source import parse
from kdeploy_gui.documents.whole_file import save_text
from kdeploy_gui.errors import LocalError
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.model.plan import (
    Artifact,
    ArtifactType,
    Backoff,
    Dependency,
    Instrumentation,
    PlanDraft,
    Policy,
    Validation,
    Want,
)
from tests.documents.test_plan_file import WHOLE
from tests.strategies import plan_drafts

CATALOGUE = Catalogue()
MINE = """\
# Smoke test of the network.
# Ask Ada before changing it.

name = "smoke"   # shown in the history
environments = [
    "board-a",   # the old one
    # the rack
    "board-b",
]

[policy]
retries = 1      # boards are slow
stage_timeout = "600s"

# First what the others need.
[[artifacts]]
source = "lib/*"
type = "script"
target = "/opt/lib/"   # shared
mode = "644"

# The tests.
[[artifacts]]
source = "bin/run"
type = "binary"
target = "/opt/run"
mode = "0755"

[[dependencies]]
name = "iperf3"
[dependencies.names]   # where it differs
apk = "iperf"

# Wanted by Grace.
[instrumentation]
ktsan = "wanted"   # its old name

[validation]
disk = { "/opt" = "64MiB" }   # enough
"""


def read(text: str) -> PlanFile:
    return plan_of(parse("plan.toml", text.encode()), CATALOGUE, "plan.toml")


def draft_of(text: str) -> PlanDraft:
    draft = read(text).draft
    assert draft is not None
    return draft


def changed_lines(before: str, after: str) -> tuple[list[str], list[str]]:
    """Lines that went, lines that came."""
    old, new = before.splitlines(), after.splitlines()
    return [line for line in old if line not in new], [line for line in new if line not in old]


@settings(max_examples=200)
@given(plan_drafts)
def test_what_was_written_is_read_back(draft: PlanDraft) -> None:
    written = read(write_plan(draft, "", CATALOGUE))
    assert written.draft == draft
    assert [each for each in written.problems if "mode must give nothing" not in each.message] == []


@settings(max_examples=300)
@given(plan_drafts, plan_drafts | st.just(draft_of(MINE)), st.data())
def test_any_text_becomes_any_draft_and_keeps_foreign_keys(
    before: PlanDraft, after: PlanDraft, data: st.DataObject
) -> None:
    own = data.draw(st.sampled_from(["", MINE, WHOLE, write_plan(before, "", CATALOGUE)]))
    text = f"unknown = 1\n{own}\n[elsewhere]\nkey = 2026-03-01 # mine\n"
    written = write_plan(after, text, CATALOGUE)
    assert draft_of(written) == after
    assert tomllib.loads(written)["unknown"] == 1
    assert "key = 2026-03-01 # mine" in written


@given(plan_drafts)
def test_an_unchanged_draft_leaves_the_text_alone(draft: PlanDraft) -> None:
    text = write_plan(draft, "", CATALOGUE)
    assert write_plan(draft, text, CATALOGUE) == text


@pytest.mark.parametrize("text", [MINE, WHOLE, MINE.replace("\n", "\r\n"), ""])
def test_the_draft_of_a_text_leaves_the_text_alone(text: str) -> None:
    draft = read(text).draft or PlanDraft(name="", environments=())
    assert write_plan(draft, text, CATALOGUE).removeprefix('name = ""\nenvironments = []\n') == text


def test_values_change_in_place_with_their_comments() -> None:
    draft = draft_of(MINE)
    backoff = Backoff(2.0, 4.0, 30.0, 0.2)
    edited = replace(
        draft,
        policy=replace(draft.policy, retries=5, priority=7, backoff=backoff),
        instrumentation=Instrumentation({"kcsan": Want.REQUIRED, "perf": Want.WANTED}, False),
        validation=replace(draft.validation, disk={"/opt": 2**30}, memory=2**20),
    )
    assert changed_lines(MINE, write_plan(edited, MINE, CATALOGUE)) == (
        [
            "retries = 1      # boards are slow",
            'ktsan = "wanted"   # its old name',
            'disk = { "/opt" = "64MiB" }   # enough',
        ],
        [
            "retries = 5      # boards are slow",
            "priority = 7",
            'backoff = { initial = "2s" }',
            'ktsan = "required"   # its old name',
            'perf = "wanted"',
            'disk = { "/opt" = "1GiB" }   # enough',
            'memory = "1MiB"',
        ],
    )


def test_tables_go_come_and_move_with_their_comments() -> None:
    draft = draft_of(MINE)
    lib, run = draft.artifacts
    new = Artifact(source="conf", type=ArtifactType.CONFIG, target="/etc/x/", mode=0o600, sensitive=True)
    moved = write_plan(replace(draft, artifacts=(run, new, lib)), MINE, CATALOGUE)
    assert draft_of(moved).artifacts == (run, new, lib)
    assert moved.index("# The tests.") < moved.index("conf") < moved.index("# First what the others need.")
    gone = write_plan(replace(draft, artifacts=(replace(run, mode=0o700),), dependencies=()), MINE, CATALOGUE)
    went, came = changed_lines(MINE, gone)
    assert came == ['mode = "0700"']
    assert "# First what the others need." in went
    assert "[dependencies.names]   # where it differs" in went
    assert "# The tests." in gone
    assert "# Wanted by Grace.\n[instrumentation]" in gone


def test_elements_of_an_array_keep_their_lines() -> None:
    draft = replace(draft_of(MINE), environments=("board-b", "tag:arm64"))
    written = write_plan(draft, MINE, CATALOGUE)
    assert 'environments = [\n    # the rack\n    "board-b",\n    "tag:arm64",\n]' in written


def test_tables_may_be_written_inline_or_dotted() -> None:
    text = 'name = "x"\nenvironments = ["*"]\npolicy.retries = 2 # few\npolicy.unknown = 1\nartifacts = []\n'
    draft = draft_of(text)
    artifact = Artifact(source="a", type=ArtifactType.DATA, target="/opt/a", mode=0o644)
    edited = replace(draft, policy=replace(draft.policy, retries=4, priority=1), artifacts=(artifact,))
    written = write_plan(edited, text, CATALOGUE)
    assert draft_of(written) == edited
    assert "policy.retries = 4 # few\npolicy.unknown = 1\n" in written


def test_an_unfinished_draft_can_be_written_and_tells_its_problems() -> None:
    artifact = Artifact(source="a\x07\x7f", type=ArtifactType.DATA, target="", mode=0)
    policy = Policy(stage_timeout=float("inf"), backoff=Backoff(initial=0.0, factor=float("nan")))
    draft = PlanDraft(name="", environments=(), artifacts=(artifact,), dependencies=(Dependency(),), policy=policy)
    problems = read(write_plan(draft, "", CATALOGUE)).problems
    fields = {each.field for each in problems}
    assert fields >= {"name", "artifacts[0].source", "artifacts[0].target", "dependencies[0]", "policy.stage_timeout"}
    assert fields >= {"policy.backoff.initial", "policy.backoff.factor"}


def test_wrong_values_stay_until_the_draft_says_something() -> None:
    text = 'name = "x"\nenvironments = [""]\n[policy]\nretries = "many" # ?\n'
    draft = draft_of(text)
    kept = write_plan(draft, text, CATALOGUE)
    assert 'environments = [""]' in kept
    assert "retries = 3 # ?" in kept
    assert not read(write_plan(replace(draft, environments=("*",)), text, CATALOGUE)).problems


def test_a_text_that_is_no_toml_is_replaced() -> None:
    draft = PlanDraft(name="x", environments=("*",), validation=Validation(load=2.0))
    assert draft_of(write_plan(draft, "name = ", CATALOGUE)) == draft


def test_a_plan_is_saved_whole_with_the_mode_it_had(tmp_path: Path) -> None:
    path, link = tmp_path / "plan.toml", tmp_path / "link.toml"
    save_text(path, "a = 1\r\n")
    path.chmod(0o640)
    link.symlink_to(path)
    save_text(link, "ä = 2\n")
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == ("ä = 2\n".encode(), 0o640)
    assert link.is_symlink()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["link.toml", "plan.toml"]
    with pytest.raises(LocalError, match="cannot be written"):
        save_text(tmp_path / "missing" / "plan.toml", "")


def test_a_text_that_defies_editing_loses_comments_but_no_key() -> None:
    text = 'name = "x" # mine\nenvironments = ["*"]\n[policy.backoff]\nfactor = 2\nforeign = true\n'
    draft = replace(draft_of(text), policy=replace(draft_of(text).policy, retries=7))
    written = write_plan(draft, text, CATALOGUE)
    assert draft_of(written) == draft
    assert tomllib.loads(written)["policy"]["backoff"] == {"factor": 2, "foreign": True}
