"""What the comparison deploys, and where to."""

from __future__ import annotations

import random
import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.lab.sshd import Sshd

SCRIPTS, CONFIGS, BINARIES, BINARY_SIZE = 30, 8, 2, 5_000_000


def make_suite(folder: Path) -> None:
    """The files of the comparison; the same bytes each time."""
    source = random.Random(40)
    for number in range(SCRIPTS):
        body = "".join(f"echo step {source.random()}\n" for _ in range(source.randrange(5, 80)))
        (folder / f"test-{number:02}.sh").write_text(f"#!/bin/sh\n{body}")
    for number in range(CONFIGS):
        (folder / f"suite-{number}.conf").write_text(f"number = {number}\n")
    for number in range(BINARIES):
        (folder / f"tool-{number}.bin").write_bytes(source.randbytes(BINARY_SIZE))


@dataclass(frozen=True)
class Bench:
    """A folder with the suite, a lab file and a plan for it, and servers to deploy to."""

    folder: Path
    sshd: Sshd

    @property
    def suite(self) -> Path:
        """The files."""
        return self.folder / "suite"

    @property
    def lab(self) -> Path:
        """kdeploy's lab file."""
        return self.folder / "lab.toml"

    @property
    def plan(self) -> Path:
        """kdeploy's plan of the suite."""
        return self.folder / "plan.toml"

    @property
    def homes(self) -> list[Path]:
        """HOME of each server."""
        return [self.sshd.home(host) for host in range(self.sshd.hosts)]

    def make(self) -> None:
        """Write all of it."""
        self.suite.mkdir()
        make_suite(self.suite)
        tables = [
            f'[[environment]]\nname = "{each.name}"\nhost = "{each.host}"\nport = {each.port}\nuser = "{each.user}"\n'
            f'identity_file = "{each.identity_file}"\nhost_key = "{each.host_keys[0]}"\n'
            for each in self.sshd.environments()
        ]
        self.lab.write_text("\n".join(tables))
        artifacts = [
            f'[[artifacts]]\nsource = "suite/*.{ending}"\ntype = "{kind}"\ntarget = "~/kdeploy/"\nmode = "{mode}"\n'
            for ending, kind, mode in (("sh", "script", "0755"), ("conf", "config", "0644"), ("bin", "binary", "0755"))
        ]
        self.plan.write_text('name = "bench"\nenvironments = ["*"]\n\n' + "\n".join(artifacts))

    def forget(self) -> None:
        """Remove what tools deployed."""
        for home in self.homes:
            for left in ("rsync", "kdeploy", "pyinfra", "ansible"):
                shutil.rmtree(home / left, ignore_errors=True)
