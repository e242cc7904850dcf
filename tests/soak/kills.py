"""Deployments that die at random points: is every file whole, and is nothing left after the next contact?

python -m tests.soak.kills [--points 200] [--sizes 1KiB,8MiB,256MiB] [--seed N] [--folder DIR]

A point is the death of the program (its next run is the next contact), of the server's sessions, a reset of the
connection, or a link that goes silent for good (of these three the same run recovers). Half of them come after a random
time, half after a random number of bytes.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from kdeploy_gui.documents.field_types import size as byte_size
from tests.cli.program import Lab
from tests.lab.chaos import Chaos, Direction
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd
from tests.soak.board import PATIENCE, Board

BOUND = 5.0
"""Seconds that a machine may take to end what a connection left, and to free its lock."""
HANDSHAKE = 30_000
"""Bytes to the machine besides the files: key exchange, login, scripts."""


class Fault(Enum):
    """What dies."""

    CLIENT = "program"
    SESSION = "sessions"
    RESET = "reset"
    SILENT = "silent"


@dataclass
class Tally:
    """What was found after the points of one size."""

    size: str
    points: int = 0
    faults: Counter[Fault] = field(default_factory=Counter)
    missed: int = 0
    torn: int = 0
    leftovers: int = 0
    orphans: int = 0
    locks: int = 0
    unmended: int = 0
    resumed: int = 0
    seconds: float = 0.0

    @property
    def failures(self) -> int:
        """What must be none."""
        return self.torn + self.leftovers + self.orphans + self.locks + self.unmended


def soak(size: str, points: int, seed: int, folder: Path) -> Tally:
    """Let deployments of that size die `points` times on a server below `folder`."""
    chance = random.Random(f"{seed} {size}")
    tally = Tally(size)
    with Sshd(folder / f"sshd-{size}") as sshd, Chaos("127.0.0.11", sshd.port) as chaos:
        board = Board(Lab(folder / f"home-{size}", folder / f"plan-{size}"), sshd, chaos, byte_size(size))
        begun = time.monotonic()
        assert board.deploy(1) == 0
        whole = time.monotonic() - begun
        board.version = 1
        begun = time.monotonic()
        for number in range(points):
            _one(board, list(Fault)[number % len(Fault)], chance, whole, tally)
        tally.seconds = time.monotonic() - begun
    return tally


def _one(board: Board, fault: Fault, chance: random.Random, whole: float, tally: Tally) -> None:
    """One point: strike, look, let the next contact come, look again."""
    wanted = 1 - board.version
    with board.deploying(wanted) as process:
        if chance.random() < 0.5:
            _after(process, chance.uniform(0.2, 1.0) * whole)
        else:
            _after_bytes(board, process, chance.randrange(board.total + HANDSHAKE))
        tally.missed += process.poll() is not None
        strike(board, fault, process)
        tally.torn += bool(board.torn())
        status = process.wait(PATIENCE)
    resumed = len(board.notes())
    tally.torn += bool(board.torn())
    board.settle()
    if status != 0:
        tally.unmended += board.deploy(wanted) != 0
        resumed += len(board.notes())
    board.version = wanted
    tally.points += 1
    tally.faults[fault] += 1
    tally.resumed += resumed > 0
    tally.torn += bool(board.differs(wanted))
    tally.leftovers += bool(board.left())
    tally.orphans += _stays(lambda: bool(board.orphans()))
    tally.locks += _stays(board.is_locked)


def _stays(condition: Callable[[], bool]) -> bool:
    """Whether it is still so when a machine has had the time to notice the end of a connection."""
    deadline = time.monotonic() + BOUND
    while condition():
        if time.monotonic() > deadline:
            return True
        time.sleep(0.05)
    return False


def _after(process: subprocess.Popen[bytes], seconds: float) -> None:
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        return


def _after_bytes(board: Board, process: subprocess.Popen[bytes], count: int) -> None:
    passed = board.chaos.passed
    before = passed[Direction.TO_SERVER]
    wait_until(
        lambda: passed[Direction.TO_SERVER] - before >= count or process.poll() is not None, "bytes pass", PATIENCE
    )


def strike(board: Board, fault: Fault, process: subprocess.Popen[bytes]) -> None:
    """Let it happen now."""
    match fault:
        case Fault.CLIENT:
            process.kill()
        case Fault.SESSION:
            board.sshd.kill_sessions()
        case Fault.RESET:
            board.chaos.drop()
        case Fault.SILENT:
            board.chaos.lose()


def report(tallies: Sequence[Tally]) -> Iterator[str]:
    """A table, one line a size."""
    faults = "".join(f"{each.value:>10}" for each in Fault)
    yield f"{'size':<8}{'points':>7}{faults}{'missed':>8}{'resumed':>9}{'seconds':>9}   found"
    for each in tallies:
        kinds = "".join(f"{each.faults[fault]:>10}" for fault in Fault)
        found = ", ".join(
            f"{name} {getattr(each, name)}" for name in ("torn", "leftovers", "orphans", "locks", "unmended")
        )
        yield f"{each.size:<8}{each.points:>7}{kinds}{each.missed:>8}{each.resumed:>9}{each.seconds:>9.0f}   {found}"


def main() -> int:
    """Soak and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=200, help="deaths per size")
    parser.add_argument("--sizes", default="1KiB,8MiB,256MiB", help="of the largest file")
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    parser.add_argument("--folder", type=Path, help="where the server's files go; else the folder for temporary files")
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    tallies = []
    for size in options.sizes.split(","):
        with tempfile.TemporaryDirectory(prefix="kdeploy-soak-", dir=options.folder) as name:
            tallies.append(soak(size, options.points, options.seed, Path(name)))
        print(*report(tallies), sep="\n", flush=True)
    return 1 if any(each.failures for each in tallies) else 0


if __name__ == "__main__":
    sys.exit(main())
