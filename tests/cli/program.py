"""The real program as a subprocess, and a lab with a plan for it to work on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdeploy_gui.model.environment import Environment

COMMAND = (sys.executable, "-m", "kdeploy_gui")
DEADLINE = 120
BUFFERED = {"PYTHONUNBUFFERED": "", "PYTHONDONTWRITEBYTECODE": ""}
"""Unbuffered, Python loses what a pipe did not take at once; without bytecode it starts slowly."""

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """How a command ended and what it printed."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Json:
        """stdout as one JSON document."""
        document: Json = json.loads(self.stdout)
        return document

    @property
    def events(self) -> list[Json]:
        """stdout as one JSON object per line."""
        return [json.loads(line) for line in self.stdout.splitlines()]


def kdeploy(*arguments: str | Path, stdin: str | None = None, **variables: str) -> Answer:
    """Run `kdeploy ARGUMENTS` to its end; stdin is no terminal."""
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env={**os.environ, **BUFFERED, **variables},
        input=stdin or "",
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@contextmanager
def running(*arguments: str | Path, **options: Any) -> Iterator[subprocess.Popen[str]]:
    """`kdeploy ARGUMENTS` in the background of a test; killed if the test ends first."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **options}
    environment = {**os.environ, **BUFFERED}
    with subprocess.Popen([*COMMAND, *map(str, arguments)], text=True, env=environment, **streams) as process:
        try:
            yield process
        finally:
            process.kill()


def next_event(process: subprocess.Popen[str], wanted: Callable[[Json], bool]) -> Json:
    """The next event on a program's stdout that is wanted; the test's own timeout is the deadline."""
    assert process.stdout is not None
    for line in process.stdout:
        event: Json = json.loads(line)
        if wanted(event):
            return event
    raise AssertionError(f"the program ended with {process.wait()} before that event")


def started(stage: str) -> Callable[[Json], bool]:
    """Whether an event is the start of a stage."""
    return lambda event: event["type"] == "stage_started" and event["stage"] == stage


@dataclass
class Lab:
    """A lab file in KDEPLOY_HOME and a folder with a plan of a few files."""

    home: Path
    folder: Path
    environments: list[Environment] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.home.mkdir(mode=0o700, exist_ok=True)
        self.folder.mkdir(exist_ok=True)

    @property
    def plan(self) -> Path:
        """The plan file."""
        return self.folder / "plan.toml"

    def add(self, *environments: Environment) -> None:
        """Write environments into the lab file."""
        self.environments += environments
        path = self.home / "lab.toml"
        path.write_text("\n".join(map(_table, self.environments)))
        path.chmod(0o600)

    def write_plan(self, *, size: int = 0, extra: str = "", names: Sequence[str] = ("*",)) -> Path:
        """A plan of two scripts, and of one data file of `size` bytes unless that is 0."""
        for name in ("one.sh", "two.sh"):
            (self.folder / name).write_text(f"#!/bin/sh\necho {name}\n")
        tables = ['[[artifacts]]\nsource = "*.sh"\ntype = "script"\ntarget = "~/suite/"\nmode = "0755"\n']
        if size:
            (self.folder / "big.bin").write_bytes(os.urandom(size))
            tables.append('[[artifacts]]\nsource = "big.bin"\ntype = "data"\ntarget = "~/suite/"\nmode = "0644"\n')
        head = f'name = "smoke"\nenvironments = {json.dumps(list(names))}\n{extra}\n'
        self.plan.write_text("\n".join([head, *tables]))
        return self.plan


def _table(environment: Environment) -> str:
    keys = {
        "name": environment.name,
        "host": environment.host,
        "port": environment.port,
        "user": environment.user,
        "identity_file": environment.identity_file,
        "host_key": list(environment.host_keys),
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items() if value]
    return "\n".join(["[[environment]]", *lines, ""])
