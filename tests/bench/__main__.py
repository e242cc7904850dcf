"""kdeploy against rsync: 40 files to 10 loopback targets, first deployment and unchanged re-run.

`kdeploy` is the command from its start to its end; `kdeploy, open` is a program that is open, as the window is: it was
started before, and uses connections of the run before again.

python -m tests.bench [--targets 10] [--rounds 3] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from statistics import median

from kdeploy_gui.app import home_from_environment, open_services
from kdeploy_gui.model.event import RunFinished
from kdeploy_gui.model.stage import Outcome
from tests.lab.sshd import Sshd

SCRIPTS, CONFIGS, BINARIES, BINARY_SIZE = 30, 8, 2, 5_000_000


@dataclass(frozen=True)
class Figure:
    """One tool in one situation: wall and CPU seconds (this side only), medians over the rounds."""

    tool: str
    situation: str
    wall: float
    cpu: float
    worst: float


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


def write_kdeploy_files(folder: Path, sshd: Sshd) -> tuple[Path, Path]:
    """A lab file and a plan for the suite."""
    tables = [
        f'[[environment]]\nname = "{each.name}"\nhost = "{each.host}"\nport = {each.port}\nuser = "{each.user}"\n'
        f'identity_file = "{each.identity_file}"\nhost_key = "{each.host_keys[0]}"\n'
        for each in sshd.environments()
    ]
    lab, plan = folder / "lab.toml", folder / "plan.toml"
    lab.write_text("\n".join(tables))
    artifacts = [
        f'[[artifacts]]\nsource = "suite/*.{ending}"\ntype = "{kind}"\ntarget = "~/kdeploy/"\nmode = "{mode}"\n'
        for ending, kind, mode in (("sh", "script", "0755"), ("conf", "config", "0644"), ("bin", "binary", "0755"))
    ]
    plan.write_text('name = "bench"\nenvironments = ["*"]\n\n' + "\n".join(artifacts))
    return lab, plan


def run_kdeploy(lab: Path, plan: Path) -> None:
    """The whole program, as a person starts it."""
    command = [sys.executable, "-m", "kdeploy_gui", "deploy", str(plan), "--lab", str(lab), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"kdeploy failed:\n{done.stdout[-2000:]}\n{done.stderr}")


@contextmanager
def open_program(lab: Path, plan: Path) -> Iterator[Callable[[], None]]:
    """A program that deploys the plan each time it is asked to."""
    with open_services(home_from_environment(), lab) as services:
        planned = services.plans.check(plan).plan
        if planned is None:
            raise SystemExit("the plan of the bench has problems")

        def deploy() -> None:
            *_, last = (event for group in services.follow(services.submit(planned)) for event in group)
            if not isinstance(last.body, RunFinished) or last.body.outcome is not Outcome.SUCCEEDED:
                raise SystemExit(f"kdeploy failed: {last.body}")

        yield deploy


def run_rsync(folder: Path, sshd: Sshd) -> None:
    """All targets at once, contents compared as kdeploy compares them."""
    known = folder / "known_hosts"
    children = []
    for each in sshd.environments():
        shell = (
            f"ssh -F none -p {each.port} -i {each.identity_file} -o IdentitiesOnly=yes -o BatchMode=yes "
            f"-o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={known}"
        )
        target = f"{each.user}@{each.host}:{sshd.home(int(each.name.rpartition('-')[2]) - 1)}/rsync/"
        children.append(subprocess.Popen(["rsync", "-a", "-c", "-e", shell, f"{folder}/suite/", target]))
    statuses = [child.wait() for child in children]
    if any(statuses):
        raise SystemExit("rsync failed")


def measure(tool: str, rounds: int, forget: Callable[[], None], work: Callable[[], None]) -> list[Figure]:
    """First deployment and unchanged re-run, `rounds` times."""
    taken: dict[str, list[tuple[float, float]]] = {"first": [], "unchanged": []}
    for _ in range(rounds):
        forget()
        for times in taken.values():
            before, started = _cpu(), time.perf_counter()
            work()
            times.append((time.perf_counter() - started, _cpu() - before))
    return [
        Figure(tool, situation, median(t[0] for t in times), median(t[1] for t in times), max(t[0] for t in times))
        for situation, times in taken.items()
    ]


def _cpu() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def report(figures: Sequence[Figure]) -> str:
    """A table, and kdeploy's wall seconds over the other tool's."""
    lines = [f"{'tool':<16}{'situation':<12}{'wall s':>8}{'worst s':>9}{'cpu s':>8}"]
    lines += [f"{f.tool:<16}{f.situation:<12}{f.wall:>8.2f}{f.worst:>9.2f}{f.cpu:>8.2f}" for f in figures]
    walls = {(each.tool, each.situation): each.wall for each in figures}
    for tool, situation in product(("kdeploy", "kdeploy, open"), ("first", "unchanged")):
        ratio = walls[tool, situation] / walls["rsync", situation]
        lines.append(f"{tool} / rsync, {situation}: {ratio:.2f}")
    return "\n".join(lines)


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if shutil.which("rsync") is None:
        raise SystemExit("rsync is not installed")
    with (
        tempfile.TemporaryDirectory(prefix="kdeploy-bench-") as name,
        Sshd(Path(name) / "sshd", hosts=options.targets) as sshd,
    ):
        folder = Path(name)
        (folder / "suite").mkdir()
        make_suite(folder / "suite")
        os.environ["KDEPLOY_HOME"] = str(folder / "home")
        lab, plan = write_kdeploy_files(folder, sshd)

        def forget() -> None:
            for host in range(options.targets):
                for left in ("rsync", "kdeploy"):
                    shutil.rmtree(sshd.home(host) / left, ignore_errors=True)

        figures = measure("rsync", options.rounds, forget, lambda: run_rsync(folder, sshd))
        figures += measure("kdeploy", options.rounds, forget, lambda: run_kdeploy(lab, plan))
        with open_program(lab, plan) as deploy:
            figures += measure("kdeploy, open", options.rounds, forget, deploy)
    print(json.dumps([asdict(each) for each in figures], indent=2) if options.json else report(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
