"""Plans as texts, drafts and files, and runs that are done again, on real services."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.app import DeployOptions, Services, home_from_environment, open_services
from kdeploy_gui.app.retrying import incomplete, replanned
from kdeploy_gui.errors import LocalError, PlanError
from kdeploy_gui.history.memory import MemoryEventLog
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import EnvironmentFinished, Event, RunFinished, RunSubmitted
from kdeploy_gui.model.plan import Artifact, ArtifactType, PlanDraft, PlanSource
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.stage import Outcome, Status
from tests.cli.program import Lab
from tests.strategies import START


@pytest.fixture
def services(kdeploy_home: Path, tmp_path: Path) -> Iterator[Services]:
    lab = Lab(kdeploy_home, tmp_path / "plan")
    lab.add(*(Environment(name=f"board-{each}", host="127.0.0.1", port=1) for each in "abc"))
    lab.write_plan()
    with open_services(home_from_environment()) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "plan"


def test_a_text_is_checked_as_its_file_is(services: Services, folder: Path) -> None:
    path = folder / "plan.toml"
    plans = services.plans
    from_file = plans.check(path)
    assert from_file.source == PlanSource(path.read_text(), folder)
    assert plans.check_source(from_file.source) == from_file
    some = plans.check_source(from_file.source, DeployOptions(("board-b",), priority=3))
    assert some.plan is not None
    assert ([each.name for each in some.plan.environments], some.plan.policy.priority) == (["board-b"], 3)
    unknown = plans.check_source(from_file.source, DeployOptions(("board-x",)))
    assert "no environment of this plan is called 'board-x'" in unknown.problems[0].message
    broken = plans.check_source(PlanSource('name = ""\nenvironments = ["nobody"]\n', folder), name="run 7")
    assert [(each.field, each.file, each.line) for each in broken.problems[:2]] == [
        ("name", "run 7", 1),
        ("environments[0]", "run 7", 2),
    ]
    assert plans.check_source(PlanSource("", folder)).plan is None
    assert plans.check_source(PlanSource("name = \udcff", folder)).problems[0].line == 1


def test_a_file_becomes_a_draft_and_a_file_again(services: Services, folder: Path) -> None:
    plans = services.plans
    path = folder / "plan.toml"
    path.write_text(f"# mine\n{path.read_text()}")
    read = plans.read(path)
    assert read.draft is not None
    assert plans.draft_of(read.source) == read
    draft = replace(read.draft, name="other")
    checked = plans.check_draft(draft, folder, read.source.text)
    assert checked.plan is not None
    assert checked.plan.name == "other"
    assert checked.source is not None
    plans.save(path, checked.source)
    assert path.read_text().startswith('# mine\nname = "other"\n')
    assert plans.check(path) == checked
    assert list(plans.listings(draft, folder).listings) == [0]
    path.write_text("name =")
    with pytest.raises(PlanError, match=r"plan\.toml:1"):
        plans.read(path)
    with pytest.raises(PlanError, match="no such file"):
        plans.read(folder / "none.toml")


def test_package_files_are_found_and_their_mistakes_named(services: Services, folder: Path) -> None:
    (folder / "pool").mkdir()
    for name in ("one_1.0_all.deb", "one-1.0.apk", "README"):
        (folder / "pool" / name).touch()
    text = (folder / "plan.toml").read_text()
    good = f'{text}\n[[dependencies]]\nname = "one"\nfiles = ["pool/one*"]\n'
    checked = services.plans.check_source(PlanSource(good, folder))
    assert checked.plan is not None, checked.problems
    (dependency,) = checked.plan.dependencies
    assert [each.relative for each in checked.plan.package_files[dependency]] == [
        "pool/one-1.0.apk",
        "pool/one_1.0_all.deb",
    ]
    again = services.plans.check_again(PlanSource(good, folder), checked.plan.files)
    assert again.plan == checked.plan

    bad = good.replace("pool/one*", 'none/*.deb", "pool/') + '[[dependencies]]\npip = "x"\nfiles = ["pool/one*"]\n'
    last = bad.count("\n")
    problems = services.plans.check_source(PlanSource(bad, folder), name="a.toml").problems
    assert [(each.file, each.line, each.field) for each in problems] == [
        ("a.toml", last - 3, "dependencies[0].files[0]"),
        ("a.toml", last, "dependencies[1].files"),
    ]
    assert "matches no files" in problems[0].message or "does not exist" in problems[0].message
    assert problems[1].message.startswith("'pool/one-1.0.apk' and 1 more is no wheel: those end with .whl")
    stranger = services.plans.check_source(PlanSource(good.replace("pool/one*", "pool/"), folder)).problems
    assert [(each.field, each.message) for each in stranger] == [
        (
            "dependencies[0].files",
            "'pool/README' is no package file: those end with .apk, .deb, .ipk, .pkg.tar, .pkg.tar.gz, .pkg.tar.xz, "
            ".pkg.tar.zst, .rpm",
        )
    ]


def test_an_unfinished_draft_is_checked(services: Services, folder: Path) -> None:
    artifact = Artifact(source="*.sh", type=ArtifactType.SCRIPT, target="", mode=0o755)
    checked = services.plans.check_draft(PlanDraft(name="x", environments=(), artifacts=(artifact,)), folder)
    assert [each.field for each in checked.problems] == ["environments", "artifacts[0].target"]


def test_a_run_is_done_again_from_what_was_stored(services: Services, folder: Path) -> None:
    planned = services.plans.check(folder / "plan.toml")
    assert planned.plan is not None
    quick = replace(
        planned.plan, policy=replace(planned.plan.policy, retries=0), environments=planned.plan.environments[:2]
    )
    run = services.submit(quick, planned.source)
    assert services.plan_source(run) == planned.source
    assert any(isinstance(event.body, RunFinished) for group in services.follow(run) for event in group)
    again = services.retry(run, ["board-a"])
    assert again == run + 1
    assert services.plan_source(again) == planned.source
    services.cancel(again)
    assert list(services.follow(again))
    assert list(fold(services.history.events(again)).environments) == ["board-a"]


def ended(
    log: MemoryEventLog, ends: dict[str, tuple[Status, bool]], source: PlanSource | None, *, over: bool = True
) -> int:
    run = log.begin("smoke", list(ends), source)
    log.append([Event(seq=1, time=START, run=run, body=RunSubmitted("smoke", tuple(ends), 5))])
    for seq, (name, (status, ready)) in enumerate(ends.items(), 2):
        if status.is_final:
            body = EnvironmentFinished(status, ready)
            log.append([Event(seq=seq, time=START, run=run, body=body, environment=name)])
    if over:
        log.append([Event(seq=99, time=START, run=run, body=RunFinished(Outcome.FAILED))])
    return run


def test_only_what_did_not_complete_is_done_again(services: Services, folder: Path) -> None:
    source = services.plans.check(folder / "plan.toml").source
    log = MemoryEventLog()
    good, bad, going = (Status.COMPLETED, True), (Status.FAILED, False), (Status.PENDING, False)
    run = ended(log, {"board-a": good, "board-b": bad, "board-c": (Status.CANCELLED, False)}, source)
    found = replanned(services.plans, log, run)
    assert [each.name for each in found.plan.environments] == ["board-b", "board-c"]
    assert found.plan.policy.priority == 5
    half = ended(log, {"board-a": bad, "board-b": going}, source, over=False)
    assert incomplete(fold(log.events(half))) == ("board-a",)
    all_good = ended(log, {"board-a": good}, source)
    unknown_plan = ended(log, {"board-a": bad}, None)
    changed = ended(log, {"board-a": bad}, PlanSource('name = "x"\nenvironments = ["nobody", "none"]\n', folder))
    for number, names, code in (
        (77, (), "E-RUN-UNKNOWN"),
        (run, ("board-x",), "E-RUN-UNKNOWN"),
        (all_good, (), "E-RETRY-NOTHING"),
        (unknown_plan, (), "E-RETRY-NO-PLAN"),
    ):
        with pytest.raises(LocalError) as refused:
            replanned(services.plans, log, number, names)
        assert refused.value.code == code
    with pytest.raises(PlanError) as wrong:
        replanned(services.plans, log, changed)
    assert wrong.value.code == "E-RETRY-PLAN"
    assert "'nobody'" in wrong.value.message
    assert "'none'" in wrong.value.message


def test_previews_come_one_by_one_and_can_be_cancelled(services: Services, folder: Path) -> None:
    plan = services.plans.check(folder / "plan.toml").plan
    assert plan is not None
    told: list[str] = []
    services.previews(plan, lambda each: told.append(each.environment)).result(30)
    assert sorted(told) == ["board-a", "board-b", "board-c"]
    one = services.preview(plan, plan.environments[0])
    assert one.result(30).environment == "board-a"
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        mute = tuple(replace(each, host="127.0.0.1", port=port) for each in plan.environments)
        cancelled = services.previews(replace(plan, environments=mute), lambda each: None)
        cancelled.cancel()
        with pytest.raises((CancelledError, asyncio.CancelledError)):
            cancelled.result(30)
