"""`deploy --detach`: the same deployment as a session of its own, which outlives this terminal."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence

import click

from kdeploy_gui.cli.options import EXIT_FAILED
from kdeploy_gui.cli.output import Output

FLAG = "--in-background"


def start_detached(output: Output, arguments: Sequence[str]) -> int:
    """Start `kdeploy deploy ARGUMENTS` in the background, wait for its run number and print it.

    The child prints its `run_submitted` line and then lets go of both streams; a child that ends before has printed
    its errors, and its exit status becomes ours.
    """
    command = [sys.executable, "-m", "kdeploy_gui", "deploy", FLAG, *arguments]
    reading, writing = os.pipe()
    child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=writing, start_new_session=True)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as stream:
        said = stream.read()
    run = _run_number(said)
    if run is None or output.json:
        click.echo(said, nl=False)
    if run is None:
        return child.wait() or EXIT_FAILED
    if output.quiet and not output.json:
        click.echo(run)
    elif not output.json:
        output.say(f"run {run} goes on in the background: `kdeploy status {run}`, `kdeploy cancel {run}`")
    return 0


def let_go_of_terminal() -> None:
    """In the background process: whoever waits for our number may go on."""
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, sys.stdout.fileno())
    os.dup2(null, sys.stderr.fileno())
    os.close(null)


def _run_number(said: str) -> int | None:
    lines = said.splitlines()
    try:
        first = json.loads(lines[0]) if len(lines) == 1 else None
    except ValueError:
        return None
    return first["run"] if isinstance(first, dict) and first.get("type") == "run_submitted" else None
