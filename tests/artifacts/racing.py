"""A program that adds, keeps and prunes on a store that others work on, too: `... FOLDER NUMBER`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.model.stored import PruneRule
from tests.artifacts.stores import START, new, run_files

ROUNDS = 25
RUNS = 1000
"""Runs of each program at most."""


def main(folder: Path, number: int) -> None:
    """Random work; every step must succeed whatever the others do."""
    chance = random.Random(number)
    store = ArtifactStore(folder / "artifacts")
    sources = folder / f"sources-{number}"
    history = dict.fromkeys(range(10 * RUNS), START)
    for at in range(ROUNDS):
        common = bytes([chance.randrange(6)]) * 1000
        made = {"common": common, "own": f"{number} {at}".encode()}
        store.add(new(sources, "shared", made), START)
        store.add(new(sources, f"own-{number}", {"common": common}, f"{at}"), START)
        store.keep(run_files(sources, number * RUNS + at, made))
        if at % 5 == number % 5:
            store.prune(PruneRule(keep=4), lambda: history, START)
            assert store.shelf().problems == ()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
