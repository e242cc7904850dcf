"""One machine behind a proxy, two versions of its files, and what must be true of it at any moment."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from kdeploy_gui.environments.demo_process import MARKER
from tests.cli.program import BUFFERED, Lab
from tests.lab.chaos import Chaos
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd
from tests.properties.peers import leftovers

PROGRAM = (sys.executable, "-m", "tests.soak.hasty")
PATIENCE = 300.0
"""Seconds that one deployment may take on a busy computer."""
BLOCK = 1 << 20
SMALL = 2_000

PLAN = """\
name = "soak"
environments = ["*"]

[policy]
backoff = {{ initial = "100ms", factor = 2, jitter = 0 }}
retries = 5

[[artifacts]]
source = "{number}/files"
type = "data"
target = "~/files/"
mode = "0640"

[[artifacts]]
source = "{number}/set"
type = "data"
target = "~/set/"
mode = "0640"
layout = "versioned"
"""


@dataclass
class Board:
    """See above; `version` is the one that stands there, 0 or 1."""

    lab: Lab
    sshd: Sshd
    chaos: Chaos
    size: int
    version: int = 0
    hashes: tuple[dict[str, str], dict[str, str]] = field(default_factory=lambda: ({}, {}))

    def __post_init__(self) -> None:
        self.lab.add(self.chaos.environment(self.sshd.environment("board")))
        for number in (0, 1):
            for name, size in self._names().items():
                path = self.lab.folder / str(number) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                self.hashes[number][name] = _write(path, size, random.Random(f"{number} {name}"))
            self.plan(number).write_text(PLAN.format(number=number))
        assert self.deploy(0) == 0

    def _names(self) -> Mapping[str, int]:
        small = {f"files/folder {at % 3}/{at}": SMALL for at in range(9)}
        return {**small, "files/large": self.size, "set/lib/large": self.size // 8, "set/small": SMALL}

    @property
    def total(self) -> int:
        """Bytes of one version."""
        return sum(self._names().values())

    def plan(self, number: int) -> Path:
        """The plan of a version."""
        return self.lab.folder / f"plan-{number}.toml"

    @contextmanager
    def deploying(self, number: int) -> Iterator[subprocess.Popen[bytes]]:
        """A deployment of a version under way; its events go to `events.json`."""
        with (
            (self.lab.folder / "events.json").open("wb") as out,
            subprocess.Popen(
                [*PROGRAM, "deploy", "--json", str(self.plan(number))],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env={**os.environ, **BUFFERED, "KDEPLOY_HOME": str(self.lab.home)},
            ) as process,
        ):
            try:
                yield process
            finally:
                process.kill()

    def deploy(self, number: int) -> int:
        """Deploy a version to its end; the exit status."""
        with self.deploying(number) as process:
            return process.wait(PATIENCE)

    def notes(self) -> list[str]:
        """What the last deployment said of files that it went on with."""
        lines = (self.lab.folder / "events.json").read_text().splitlines()
        said = (json.loads(line).get("note", "") for line in lines if line.endswith("}"))
        return [note for note in said if " resumed at " in note]

    def torn(self) -> list[str]:
        """Files that are neither of their two versions now."""
        found = {name: _hash(self.sshd.home() / name) for name in self._names()}
        return [name for name, digest in found.items() if digest not in {each[name] for each in self.hashes}]

    def differs(self, number: int) -> list[str]:
        """Files that are not of that version."""
        return [name for name, digest in self.hashes[number].items() if _hash(self.sshd.home() / name) != digest]

    def left(self) -> list[str]:
        """Temporary files, and versions of the set that nothing leads to."""
        versions = [each for each in (self.sshd.home() / "set.kdeploy").iterdir() if each.is_dir()]
        kept = 2
        return [*leftovers(self.sshd.home()), *map(str, sorted(versions)[: -kept - 1])]

    def orphans(self) -> list[int]:
        """Processes of deployments that are still alive on the machine."""
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                ours = f"{MARKER}={self.sshd.folder}".encode() in (process / "environ").read_bytes()
                if ours and b".kdeploy-" in (process / "cmdline").read_bytes():
                    found.append(int(process.name))
        return found

    def is_locked(self) -> bool:
        """Whether somebody holds the machine's lock."""
        with (self.sshd.home() / ".cache/kdeploy/lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def settle(self) -> None:
        """Wait until the machine has seen the end of every connection."""
        self.chaos.drop()
        wait_until(lambda: self.chaos.open_connections == 0, "connections end", 30)


def _write(path: Path, size: int, source: random.Random) -> str:
    digest = hashlib.sha256()
    with path.open("wb") as file:
        for at in range(0, size, BLOCK):
            block = source.randbytes(min(BLOCK, size - at))
            digest.update(block)
            file.write(block)
    return digest.hexdigest()


def _hash(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        return str(error)
