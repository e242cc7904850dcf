"""The program as such: help, version, usage, start-up, broken pipes, faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kdeploy_gui import __version__
from kdeploy_gui.cli.main import COMMANDS
from kdeploy_gui.cli.main import kdeploy as group
from tests.cli.program import COMMAND, Lab, kdeploy, running
from tests.lab.sshd import Sshd


def test_version() -> None:
    assert kdeploy("--version").stdout == f"kdeploy, version {__version__}\n"


def test_help_lists_every_command_with_the_words_of_its_own_help() -> None:
    said = kdeploy("--help").stdout
    assert all(name in said and text in said for name, (_, text) in COMMANDS.items())
    assert group.list_commands(None) == list(COMMANDS)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_the_common_options(name: str) -> None:
    inner = {"env": "list", "plan": "check", "artifact": "list"}.get(name)
    said = kdeploy(*filter(None, [name, inner]), "--help")
    assert said.status == 0
    assert all(option in said.stdout for option in ("--json", "--lab FILE", "--quiet", "-v, --verbose"))


@pytest.mark.parametrize(
    "arguments", [["nix"], ["deploy"], ["status", "x"], ["history", "--since", "soon"], ["env", "x"]]
)
def test_wrong_usage_is_status_2(arguments: list[str]) -> None:
    said = kdeploy(*arguments)
    assert said.status == 2
    assert "Usage: kdeploy" in said.stderr
    assert "Traceback" not in said.stderr


def test_help_loads_neither_engine_nor_terminal_library() -> None:
    code = "import sys; from kdeploy_gui.cli.main import kdeploy; kdeploy(['-h'], standalone_mode=False); "
    code += "print(*sys.modules)"
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(asked.stdout.split())
    assert "kdeploy_gui.cli.main" in loaded
    assert not loaded & {"rich", "asyncssh", "kdeploy_gui.app", "pydantic", "sqlite_utils"}


def test_reader_that_goes_away_is_no_fault(lab: Lab, board: Sshd) -> None:
    for number in range(1500):
        lab.environments.append(board.environment(f"board-{number}"))
    lab.add()
    with running("env", "list") as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        status = process.wait()
    assert (status, said) == (141, "")


def test_run_goes_on_when_its_reader_goes_away(lab: Lab, board: Sshd) -> None:
    lab.write_plan()
    with running("deploy", "--json", lab.plan) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        status = process.wait()
    assert (status, said) == (0, "")
    assert (board.home() / "suite" / "one.sh").exists()


def test_history_that_is_no_database_is_explained(lab: Lab) -> None:
    (lab.home / "kdeploy.db").write_bytes(b"not a database, whatever its name says" * 100)
    (lab.home / "kdeploy.db").chmod(0o600)
    said = kdeploy("history")
    assert said.status == 1
    assert "E-HISTORY-DAMAGED" in said.stderr
    assert "what to do:" in said.stderr
    assert "Traceback" not in said.stderr
    assert kdeploy("history", "--json").json["error"]["code"] == "E-HISTORY-DAMAGED"


def test_fault_in_the_program_is_one_line_and_a_traceback_only_with_v(tmp_path: Path) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text(
        "import kdeploy_gui.cli.session as session\n"
        "def broken(output):\n    raise ZeroDivisionError('\\x1b[31mred')\n"
        "session.services = broken\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    short = kdeploy("history", PYTHONPATH=path)
    assert short.status == 1
    assert short.stderr.splitlines() == [
        "fault in kdeploy: ZeroDivisionError: \\x1b[31mred. Please report it; run it again with -v for the traceback."
    ]
    assert "Traceback" in kdeploy("history", "-v", PYTHONPATH=path).stderr
    assert kdeploy("history", "--json", PYTHONPATH=path).json["error"]["code"] == "E-BUG"


def test_terminal_that_knows_ascii_only_gets_ascii(lab: Lab, board: Sshd) -> None:
    lab.write_plan()
    done = subprocess.run(
        [*COMMAND, "deploy", lab.plan],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert b"+ completed" in done.stdout
    assert b"\\u" not in done.stdout


def test_json_is_ascii_whatever_it_holds(lab: Lab) -> None:
    lab.plan.write_text('name = "\u202egnitset"\nenvironments = ["b\u00f6ard"]\n')
    said = kdeploy("plan", "check", "--json", lab.plan)
    assert said.status == 2
    assert said.stdout.isascii()
    assert json.loads(said.stdout)["problems"]


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ([], ["asyncssh: two \\x1b[31mlines (-v shows more)"]),
        (["-v"], ["asyncio: socket.send() raised exception.", "asyncssh: two \\x1b[31mlines", "and this"]),
    ],
)
def test_what_libraries_log(tmp_path: Path, options: list[str], lines: list[str]) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import logging\n"
        "import kdeploy_gui.cli.session as session\n"
        "genuine = session.services\n"
        "def talkative(output):\n"
        "    logging.getLogger('asyncio').warning('socket.send() raised exception.')\n"
        "    logging.getLogger('asyncssh').error('two \\x1b[31mlines\\nand this')\n"
        "    return genuine(output)\n"
        "session.services = talkative\n"
    )
    path = os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])
    said = kdeploy("history", "--json", *options, PYTHONPATH=path)
    assert said.status == 0
    assert said.stderr.splitlines() == lines


def test_the_window_without_qt_says_how_it_is_had() -> None:
    hidden = "import sys; sys.modules['PySide6'] = None; from kdeploy_gui.__main__ import window; window()"

    done = subprocess.run([sys.executable, "-c", hidden], capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "kdeploy[gui]" in done.stderr
    assert "Traceback" not in done.stderr
