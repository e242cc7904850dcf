"""kdeploy against rsync, pyinfra and ansible-core: 40 files to 10 loopback targets, first and unchanged deployment.

`kdeploy` is the command from its start to its end; `kdeploy, open` is a program that is open, as the window is: it was
started before, and uses connections of the run before again. The tools take turns in every round, so that none has a
quieter machine than the others; pyinfra and ansible-core take minutes and so run once.
Then one large file against a bare asyncssh stream, with asyncssh's algorithms and with kdeploy's, and `plan show`.

On loopback both ends share the processors of one machine; `--link 1gbit` measures on a link as a lab has it (root, tc).

python -m tests.bench [--targets 10] [--rounds 5] [--large 500000000] [--without-others] [--link RATE] [--json]
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from typing import NoReturn

from kdeploy_gui.app import home_from_environment, open_services
from kdeploy_gui.environments.ssh_algorithms import transport
from kdeploy_gui.model.event import RunFinished, StageFinished
from kdeploy_gui.model.stage import Outcome, Stage
from tests.bench.others import has, run_ansible, run_pyinfra, run_rsync
from tests.bench.stream import make_large_plan, stream, timed
from tests.bench.suite import Bench
from tests.lab.sshd import Sshd

WITH_SFTP = {"Subsystem": "sftp internal-sftp"}
"""kdeploy needs none; pyinfra and ansible-core do."""


@dataclass(frozen=True)
class Figure:
    """One tool in one situation: wall and CPU seconds (this side only), medians over the rounds."""

    tool: str
    situation: str
    wall: float
    cpu: float
    worst: float


def run_kdeploy(bench: Bench, *command: str) -> None:
    """The whole program, as a person starts it."""
    command = (sys.executable, "-m", "kdeploy_gui", *command, str(bench.plan), "--lab", str(bench.lab), "--json")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"kdeploy failed:\n{done.stdout[-2000:]}\n{done.stderr}")


@contextmanager
def open_program(lab: Path, plan: Path) -> Iterator[Callable[[], float]]:
    """A program that deploys the plan each time it is asked to; seconds of its transfer, on the first environment."""
    gc.freeze()  # as the window does
    with open_services(home_from_environment(), lab) as services:
        planned = services.plans.check(plan).plan
        if planned is None:
            raise SystemExit("the plan of the bench has problems")

        def deploy() -> float:
            *events, last = (event for group in services.follow(services.submit(planned)) for event in group)
            if not isinstance(last.body, RunFinished) or last.body.outcome is not Outcome.SUCCEEDED:
                raise SystemExit(f"kdeploy failed: {last.body}")
            ends = (each.body for each in events if each.stage is Stage.DEPLOYING)
            return next(each.seconds for each in ends if isinstance(each, StageFinished))

        yield deploy


class Measurements:
    """Wall and CPU seconds by tool and situation."""

    def __init__(self) -> None:
        self._taken: dict[tuple[str, str], list[tuple[float, float]]] = {}

    def take(self, tool: str, situation: str, work: Callable[[], object]) -> None:
        """Measure a piece of work once more."""
        before, started = _cpu(), time.perf_counter()
        work()
        times = (time.perf_counter() - started, _cpu() - before)
        self._taken.setdefault((tool, situation), []).append(times)

    def figures(self) -> list[Figure]:
        """Medians, in the order in which the work was first measured."""
        return [
            Figure(*of, median(t[0] for t in times), median(t[1] for t in times), max(t[0] for t in times))
            for of, times in self._taken.items()
        ]


def on_link(rate: str) -> NoReturn:
    """Begin again in a network of its own, whose loopback carries this much."""
    shaped = 'ip link set lo up && tc qdisc add dev lo root tbf rate "$1" burst 1mb latency 50ms && shift && exec "$@"'
    again = [each for each in sys.argv[1:] if each not in ("--link", rate, f"--link={rate}")]
    command = ["unshare", "--net", "sh", "-c", shaped, "sh", rate, sys.executable, "-m", "tests.bench", *again]
    os.execvp(command[0], command)  # noqa: S606 - a fixed program


def _cpu() -> float:
    used = [resource.getrusage(whose) for whose in (resource.RUSAGE_CHILDREN, resource.RUSAGE_SELF)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def report(figures: Sequence[Figure]) -> str:
    """A table, and kdeploy's wall seconds over the other tools'."""
    lines = [f"{'tool':<16}{'situation':<12}{'wall s':>8}{'worst s':>9}{'cpu s':>8}"]
    lines += [f"{f.tool:<16}{f.situation:<12}{f.wall:>8.2f}{f.worst:>9.2f}{f.cpu:>8.2f}" for f in figures]
    walls = {(each.tool, each.situation): each.wall for each in figures}
    others = [each for each in dict.fromkeys(each.tool for each in figures) if not each.startswith("kdeploy")]
    show = walls["kdeploy show", "unchanged"] / walls["kdeploy", "unchanged"]
    lines.append(f"kdeploy plan show / kdeploy, unchanged: {show:.2f}")
    for other, tool, situation in product(others, ("kdeploy", "kdeploy, open"), ("first", "unchanged")):
        ours, theirs = walls[tool, situation], walls[other, situation]
        if other == "rsync":
            lines.append(f"{tool} / rsync, {situation}: {ours / theirs:.2f}")
        else:
            lines.append(f"{tool} is {theirs / ours:.0f} x faster than {other}, {situation}")
    return "\n".join(lines)


def large(bench: Bench, size: int, rounds: int) -> Iterator[str]:
    """Rates of one large file: the bare stream, kdeploy's transfer, kdeploy's whole run."""
    plan = make_large_plan(bench, size)
    bare, same, transfer, whole = (
        "bare stream",
        "bare stream, kdeploy's algorithms",
        "kdeploy, transfer",
        "kdeploy, open",
    )
    taken: dict[str, list[float]] = {name: [] for name in (bare, same, transfer, whole)}
    with open_program(bench.lab, plan) as deploy:
        for _ in range(rounds):
            for name, algorithms in ((bare, {}), (same, transport(bench.sshd.environment()))):
                bench.forget()
                taken[name].append(timed(partial(stream, bench, algorithms)))
            bench.forget()
            started = time.perf_counter()
            taken[transfer].append(deploy())
            taken[whole].append(time.perf_counter() - started)
    rates = {name: size / median(times) / 1e6 for name, times in taken.items()}
    for name, rate in rates.items():
        parts = " and ".join(f"{rate / rates[each]:.2f}" for each in (bare, same))
        yield f"{size / 1e6:.0f} MB, {name}: {rate:.0f} MB/s, {parts} of the bare streams"


def compare(bench: Bench, rounds: int, *, others: bool) -> list[Figure]:
    """All tools, in turns."""
    taken = Measurements()

    def both(tool: str, work: Callable[[], object]) -> None:
        bench.forget()
        taken.take(tool, "first", work)
        taken.take(tool, "unchanged", work)

    with open_program(bench.lab, bench.plan) as deploy:
        for _ in range(rounds):
            both("rsync", lambda: run_rsync(bench))
            both("kdeploy, open", deploy)
            both("kdeploy", lambda: run_kdeploy(bench, "deploy"))
            taken.take("kdeploy show", "unchanged", lambda: run_kdeploy(bench, "plan", "show"))
    if others and has("pyinfra"):
        both("pyinfra", lambda: run_pyinfra(bench))
    if others and has("ansible-playbook"):
        both("ansible", lambda: run_ansible(bench))
    return taken.figures()


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--targets", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--large", type=int, default=500_000_000, help="bytes of the large file; 0: none")
    parser.add_argument("--without-others", action="store_true", help="leave out pyinfra and ansible-core")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--link", metavar="RATE", default="", help="bits per second as tc writes them: 1gbit, 100mbit")
    options = parser.parse_args()
    if options.link:
        on_link(options.link)
    if shutil.which("rsync") is None:
        raise SystemExit("rsync is not installed")
    with (
        tempfile.TemporaryDirectory(prefix="kdeploy-bench-") as name,
        Sshd(Path(name) / "sshd", hosts=options.targets, options=WITH_SFTP) as sshd,
    ):
        bench = Bench(Path(name), sshd)
        bench.make()
        os.environ["KDEPLOY_HOME"] = str(bench.folder / "home")
        figures = compare(bench, options.rounds, others=not options.without_others)
        print(json.dumps([asdict(each) for each in figures], indent=2) if options.json else report(figures), flush=True)
        if options.large and not options.json:
            print(*large(bench, options.large, options.rounds), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
