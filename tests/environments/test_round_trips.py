"""How often a look at a machine goes there: one command each, however much it asks for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.engine import readiness
from kdeploy_gui.model.plan import Instrumentation, Want
from tests.engine.steps import over_ssh
from tests.lab.fixtures import MakeSshd
from tests.lab.sshd import Sshd
from tests.rehearsal import MemoryContent, memory_file, memory_plan, ports, rehearsal


def commands(server: Sshd) -> int:
    """Commands that the server was asked to run so far."""
    return server.log.count("Starting session: command")


@pytest.mark.sshd
async def test_a_look_asks_for_facts_with_files_and_of_a_ready_machine_for_its_instruments(
    tmp_path: Path, make_sshd: MakeSshd
) -> None:
    server = make_sshd(options={"LogLevel": "VERBOSE"})
    content, environment = MemoryContent(), server.environment("board-a")
    async with rehearsal(tmp_path, {}, content, connector=over_ssh(content)) as run:
        outside = ports(run.history, tmp_path, over_ssh(content), content)
        assert (await readiness.check(outside, environment)).failure is None
        assert commands(server) == 1, "facts"

        files = [memory_file(content, f"{server.home()}/t/{number}", b"x", 0o600) for number in range(20)]
        plan = replace(memory_plan(["board-a"], files), environments=(environment,))
        for wants, expected in (({}, 1), ({"vulnerabilities": Want.REQUIRED}, 2)):
            state, _ = await run.run(replace(plan, instrumentation=Instrumentation(wants)))
            assert state.environments["board-a"].ready, state.environments["board-a"].error
            before = commands(server)
            assert (await readiness.check(outside, environment)).ready
            assert commands(server) - before == expected, "facts with files, and what instruments say"
