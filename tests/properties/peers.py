"""The real engine on real machines: servers and shells, this workstation's files, a clock that nobody moves."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.artifacts.sources import list_sources
from kdeploy_gui.clock import SystemClock
from kdeploy_gui.engine import planner
from kdeploy_gui.engine.orchestrator import Orchestrator
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.environments.ssh_host import SshConnector
from kdeploy_gui.history import open_history
from kdeploy_gui.model.check import CheckStep
from kdeploy_gui.model.environment import Environment, Lab
from kdeploy_gui.model.event import Event
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.plan import Artifact, Backoff, Plan, PlanDraft, Policy
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.ports import Connector, Content, Target
from tests.contract.local_shell import LocalShell
from tests.lab.processes import wait_until
from tests.rehearsal import ports

QUICK = Policy(backoff=Backoff(initial=0.2, factor=2.0, maximum=2.0, jitter=0.0))
"""Three retries, close together: 0.2, 0.4 and 0.8 seconds apart."""


class NoSecrets:
    """A keyring that nobody should need."""

    def get(self, name: str) -> str:
        raise NotImplementedError(name)


def ssh() -> SshConnector:
    """The way to machines over SSH, reading this workstation's files."""
    return SshConnector(LocalContent(), NoSecrets(), lambda name: None, "tests")


def plan_of(
    environments: Sequence[Environment], artifacts: Sequence[Artifact], folder: Path, policy: Policy = QUICK
) -> Plan:
    """The plan that `artifacts` with sources below `folder` come to."""
    draft = PlanDraft(
        name="property",
        environments=tuple(each.name for each in environments),
        artifacts=tuple(artifacts),
        policy=policy,
    )
    listed = list_sources(draft.artifacts, folder)
    planned = planner.plan(draft, Lab(tuple(environments)), listed.listings)
    assert planned.plan, (listed.problems, planned.problems)
    return planned.plan


INTERPRETERS = [each for each in (["/bin/dash"], ["/bin/bash"], ["/bin/busybox", "sh"]) if shutil.which(each[0])]
"""Shells to run a machine's scripts with."""


@dataclass(frozen=True)
class LocalMachine:
    """A connector to one of these shells on this machine; HOME is its folder `home`."""

    interpreter: Sequence[str]
    home: Path
    content: Content
    umask: int = 0o022

    async def connect(self, environment: Environment) -> Target:
        return ShellTarget(LocalShell(self.interpreter, self.home, umask=self.umask), self.content)

    async def approach(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Target:
        return await self.connect(environment)

    async def host_key(self, environment: Environment, algorithm: str = "") -> HostKey:
        raise NotImplementedError(environment.name)


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make files, by their name below `folder`."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


async def deploy(folder: Path, plan: Plan, connector: Connector | None = None) -> tuple[RunState, list[Event]]:
    """Carry a plan out with the history below `folder`; the run's folded state and its events."""
    history = open_history(folder)
    real = replace(ports(history, folder, connector or ssh(), LocalContent()), clock=SystemClock())
    orchestrator = Orchestrator(real)
    try:
        number = await orchestrator.submit(plan)
        await orchestrator.wait(number)
        events = history.log.events(number)
        return fold(events), events
    finally:
        await orchestrator.close()
        history.close()


def leftovers(*folders: Path) -> list[str]:
    """What a deployment left behind below some folders, which may be changing meanwhile."""
    return [
        os.path.join(place, name)
        for folder in folders
        for place, inner, files in os.walk(folder)
        for name in (*inner, *files)
        if name.startswith(".kdeploy-") or name.endswith(".staging")
    ]


async def nothing_left(*folders: Path) -> None:
    """Wait until a machine that lost its connection has cleaned up after itself."""
    await asyncio.to_thread(wait_until, lambda: not leftovers(*folders), "the machine cleans up after itself")
