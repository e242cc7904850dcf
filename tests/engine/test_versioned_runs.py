"""Plans with `layout = "versioned"`, carried out on shells and a real server: previewed, deployed, taken back."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.engine.preview import preview
from kdeploy_gui.history import open_history
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.event import FileDone, RollbackDone
from kdeploy_gui.model.plan import Artifact, ArtifactType, Layout, Plan, Validation
from kdeploy_gui.model.preview import EnvironmentPreview, FileChange, Verdict
from kdeploy_gui.model.stage import Status
from kdeploy_gui.ports import Connector
from tests.lab.sshd import Sshd
from tests.properties.peers import INTERPRETERS, LocalMachine, deploy, leftovers, plan_of, ssh, write_files
from tests.rehearsal import ports

FIRST = {"run.sh": b"#!/bin/sh\necho 1\n", "lib/a": b"same", "left": b"only in the first"}
SECOND = {"run.sh": b"#!/bin/sh\necho 2\n", "lib/a": b"same"}


def publish(folder: Path, files: dict[str, bytes], environment: Environment, target: str) -> Plan:
    """A plan that deploys these files as a versioned set."""
    source = folder / "suite"
    for each in source.rglob("*"):
        if each.is_file():
            each.unlink()
    write_files(source, files)
    artifact = Artifact(source="suite", type=ArtifactType.SCRIPT, target=target, mode=0o755, layout=Layout.VERSIONED)
    return plan_of([environment], [artifact], folder)


def look(folder: Path, plan: Plan, connector: Connector) -> EnvironmentPreview:
    history = open_history(folder)
    try:
        outside = ports(history, folder, connector, LocalContent())
        return asyncio.run(preview(outside, plan, plan.environments[0]))
    finally:
        history.close()


def run(folder: Path, plan: Plan, connector: Connector) -> tuple[Status, dict[str, str], list[RollbackDone]]:
    """How the first environment ended, what became of each file, and what was taken back."""
    state, events = asyncio.run(deploy(folder, plan, connector))
    done = {os.path.basename(e.body.path): e.body.action for e in events if isinstance(e.body, FileDone)}
    back = [each.body for each in events if isinstance(each.body, RollbackDone)]
    return state.environments[plan.environments[0].name].status, done, back


def check(folder: Path, environment: Environment, home: Path, connector: Connector) -> None:
    """The whole way of two versions and a third that fails."""
    link = home / "opt/net"
    first = publish(folder, FIRST, environment, "~/opt/net/")
    seen = look(folder, first, connector)
    assert (seen.verdict, [each.change for each in seen.files]) == (Verdict.DEPLOY, [FileChange.NEW] * 3)
    assert seen.switches == (f"{link}: becomes a link to a version of its own, 3 files sent, 0 taken over",)
    assert run(folder, first, connector)[:2] == (Status.COMPLETED, dict.fromkeys(("run.sh", "a", "left"), "sent"))
    before = os.readlink(link)
    assert before.startswith("net.kdeploy/1-")
    assert look(folder, first, connector).verdict is Verdict.SAME
    assert run(folder, first, connector)[1] == dict.fromkeys(("run.sh", "a", "left"), "same")
    assert os.readlink(link) == before

    second = publish(folder, SECOND, environment, "~/opt/net/")
    seen = look(folder, second, connector)
    assert seen.switches == (f"{link}: now {before}, switches as a whole, 1 files sent, 1 taken over",)
    assert os.readlink(link) == before
    failing = replace(second, validation=Validation(memory=1 << 50))
    assert run(folder, failing, connector) == (
        Status.FAILED,
        {"run.sh": "sent", "a": "same"},
        [RollbackDone(3, 1, 0)],
    )
    assert (os.readlink(link), (link / "left").read_bytes()) == (before, FIRST["left"])
    assert run(folder, second, connector)[0] is Status.COMPLETED
    assert {each.name for each in link.iterdir()} == {"run.sh", "lib"}
    less = publish(folder, {"run.sh": SECOND["run.sh"]}, environment, "~/opt/net/")
    assert look(folder, less, connector).verdict is Verdict.DEPLOY
    assert run(folder, less, connector)[1] == {"run.sh": "same"}
    assert {each.name for each in link.iterdir()} == {"run.sh"}
    assert leftovers(home) == []


@pytest.mark.parametrize("interpreter", INTERPRETERS, ids=lambda each: "-".join(each))
def test_every_shell_switches_a_set(tmp_path: Path, interpreter: Sequence[str]) -> None:
    home = tmp_path / "home"
    home.mkdir()
    environment = Environment(name="a", host="a.invalid")
    check(tmp_path, environment, home, LocalMachine(interpreter, home, LocalContent()))


@pytest.mark.sshd
def test_a_real_server_switches_a_set(tmp_path: Path, sshd: Sshd) -> None:
    check(tmp_path, sshd.environment(), sshd.home(), ssh())


def identity(path: Path) -> tuple[int, int, int]:
    """What no write leaves as it is."""
    status = path.lstat()
    return status.st_ino, status.st_mode, status.st_ctime_ns


@pytest.mark.parametrize("stands", ["folder", "link", "file"])
def test_what_stands_in_the_place_of_the_link_is_left_alone(tmp_path: Path, stands: str) -> None:
    home = tmp_path / "home"
    (home / "opt").mkdir(parents=True)
    place = home / "opt/net"
    match stands:
        case "folder":
            place.mkdir()
            (place / "mine").write_text("mine")
        case "link":
            place.symlink_to("/etc")
        case "file":
            place.write_text("mine")
    before = identity(place)
    connector = LocalMachine(["/bin/sh"], home, LocalContent())
    plan = publish(tmp_path, FIRST, Environment(name="a", host="a.invalid"), "~/opt/net/")
    (refusal,) = look(tmp_path, plan, connector).refusals
    assert refusal.code == "E-LAYOUT"
    assert f"{place}.old" in refusal.remedy
    state, _ = asyncio.run(deploy(tmp_path, plan, connector))
    error = state.environments["a"].error
    assert error is not None
    assert (error.code, error.on_target) == ("E-LAYOUT", "Unchanged: nothing was sent.")
    assert identity(place) == before
    assert [each.name for each in (home / "opt").iterdir()] == ["net"]
