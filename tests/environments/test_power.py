"""Power commands: real programs on this workstation, run without a shell, ended with all that they started."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from kdeploy_gui import defaults
from kdeploy_gui.environments.power import WorkstationPower
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.command import Completed
from kdeploy_gui.model.environment import Environment, Power, PowerAction
from tests.lab.processes import is_alive, wait_until


def board(on: str, off: str = "true") -> Environment:
    return Environment(name="board-a", host="192.0.2.1", power=Power(on, off))


async def on(folder: Path, command: str) -> Completed:
    return await WorkstationPower(folder, folder / "notes").run(board(command), PowerAction.ON)


def script(folder: Path, text: str) -> Path:
    path = folder / "pdu.sh"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


async def test_arguments_arrive_as_written_and_no_shell_reads_them(tmp_path: Path) -> None:
    script(tmp_path, """printf '<%s>' "$@" """)
    done = await on(tmp_path, """./pdu.sh 'rack 1' $HOME ";touch evil" `id` a\\ b {name} *""")
    assert done == Completed(0, b"<rack 1><$HOME><;touch evil><`id`><a b><{name}><*>")
    assert not (tmp_path / "evil").exists()


async def test_it_runs_in_the_folder_of_the_lab_file_without_an_input(tmp_path: Path) -> None:
    done = await on(tmp_path, "sh -c 'pwd -P; cat; echo both >&2'")
    assert done.text == f"{tmp_path.resolve()}\nboth\n"


async def test_a_folder_that_is_not_there_hinders_nothing(tmp_path: Path) -> None:
    assert (await on(tmp_path / "nowhere", "true")).status == 0


async def test_a_status_other_than_0_is_a_failure_with_what_it_said(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        await on(tmp_path, "sh -c 'echo no such socket >&2; exit 3'")
    error = caught.value
    assert error.code == "E-POWER-FAILED"
    assert error.message == "switching board-a on failed: sh ended with status 3"
    assert (error.evidence.exit_status, error.evidence.stderr) == (3, "no such socket")
    assert "Not known" in error.on_target


async def test_a_command_that_a_signal_ends_is_told_as_shells_tell_it(tmp_path: Path) -> None:
    with pytest.raises(LocalError) as caught:
        await on(tmp_path, "sh -c 'kill -KILL $$'")
    assert caught.value.evidence.exit_status == 137


@pytest.mark.parametrize(("command", "why"), [("no-such-pdu 3", "No such file"), ("./plain 3", "Permission denied")])
async def test_a_program_that_cannot_run_is_named(tmp_path: Path, command: str, why: str) -> None:
    (tmp_path / "plain").write_text("no program")
    with pytest.raises(LocalError) as caught:
        await on(tmp_path, command)
    assert caught.value.code == "E-POWER-MISSING"
    assert why in caught.value.message
    assert caught.value.message.startswith(command.split()[0])
    assert caught.value.on_target == "Nothing was switched."


async def test_one_that_hangs_is_ended_with_its_children(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "POWER_TIMEOUT", 3.0)
    with pytest.raises(LocalError) as caught:
        await on(tmp_path, "sh -c 'sleep 300 & echo $! >child; echo waiting; wait'")
    assert (caught.value.code, caught.value.evidence.stderr) == ("E-POWER-TIMEOUT", "waiting")
    assert caught.value.evidence.exit_status is None
    child = int((tmp_path / "child").read_text())
    await asyncio.to_thread(wait_until, lambda: not is_alive(child), "the child ends, too")


async def test_one_that_ignores_term_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "POWER_TIMEOUT", 3.0)
    monkeypatch.setattr(defaults, "CANCEL_GRACE", 1.0)
    with pytest.raises(LocalError) as caught:
        await on(tmp_path, "sh -c \"trap '' TERM; echo $$ >own; while :; do sleep 0.05; done\"")
    assert caught.value.code == "E-POWER-TIMEOUT"
    own = int((tmp_path / "own").read_text())
    await asyncio.to_thread(wait_until, lambda: not is_alive(own), "it ends")


async def test_a_cancelled_command_ends(tmp_path: Path) -> None:
    going = asyncio.ensure_future(on(tmp_path, "sh -c 'echo $$ >own; exec sleep 300'"))
    own = tmp_path / "own"
    await asyncio.to_thread(wait_until, lambda: own.exists() and bool(own.read_text().strip()), "it starts")
    going.cancel()
    with pytest.raises(asyncio.CancelledError):
        await going
    assert not is_alive(int(own.read_text()))


async def test_what_it_leaves_running_is_not_waited_for(tmp_path: Path) -> None:
    async with asyncio.timeout(10):
        done = await on(tmp_path, "sh -c 'sleep 300 & echo $!'")
    left = int(done.text)
    assert is_alive(left), "a relay daemon or an emulated board goes on"
    os.kill(left, 9)


async def test_a_flood_is_kept_in_bounds_and_its_end_is_what_is_kept(tmp_path: Path) -> None:
    done = await on(tmp_path, "sh -c 'head -c 5000000 /dev/zero; echo; echo the end'")
    assert len(done.stdout) == defaults.POWER_OUTPUT
    assert done.stdout.endswith(b"\nthe end\n")


async def test_it_is_remembered_over_processes_when_a_board_was_switched_on(tmp_path: Path) -> None:
    environment = board("true")
    supply, other = (WorkstationPower(tmp_path, tmp_path / "notes") for _ in range(2))
    assert await other.on_for(environment) is None
    await supply.run(environment, PowerAction.ON)
    since = await other.on_for(environment)
    assert since is not None
    assert -1 < since < 60
    await supply.run(environment, PowerAction.OFF)
    assert await other.on_for(environment) is None


async def test_a_note_that_cannot_be_written_hinders_nothing(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("a file where the folder belongs")
    assert (await on(tmp_path, "true")).status == 0
    assert await WorkstationPower(tmp_path, tmp_path / "notes").on_for(board("true")) is None
