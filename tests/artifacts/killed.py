"""A program that works on a store in children of its own and kills each of them one step later than the one before.

`python -m tests.artifacts.killed FOLDER` prints at how many points it killed; it fails where a store was not whole.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from pathlib import Path

from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.model.stored import PruneRule, RunFiles
from tests.artifacts.stores import START, add, check_whole, digest, new, run_files

STEPS = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.listdir", "os.scandir"})
HISTORY = {1: START, 2: START}


def prepared(folder: Path) -> tuple[ArtifactStore, RunFiles]:
    """A store with two versions and a run, and the files of another run; all sources are there."""
    store = ArtifactStore(folder / "artifacts")
    add(store, "old", {"a": b"a", "b": b"b"})
    add(store, "old", {"a": b"a2"})
    store.keep(run_files(folder / "sources", 1, {"r": b"r", "a": b"a"}))
    new(folder / "sources", "new", {"n": b"n", "a": b"a", "m": b"m" * 70_000})
    return store, run_files(folder / "sources", 2, {"s": b"s", "n": b"n"})


def work(store: ArtifactStore, run: RunFiles) -> None:
    """Everything that writes."""
    add(store, "new", {"n": b"n", "a": b"a", "m": b"m" * 70_000})
    store.keep(run)
    store.prune(PruneRule(keep=1), lambda: HISTORY, START)


def killed_at(step: int, store: ArtifactStore, run: RunFiles) -> bool:
    """Work in a child that dies before its `step`th look at or change of a folder or file; False: it lived to end."""
    child = os.fork()
    if child == 0:
        left = step

        def count(event: str, _arguments: tuple[object, ...]) -> None:
            nonlocal left
            if event in STEPS:
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(count)
        work(store, run)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0, "the child failed"
    return os.WIFSIGNALED(status)


def check_survivor(store: ArtifactStore, run: RunFiles) -> None:
    """The store is whole, has lost nothing that was to stay, and goes on as if nothing had been."""
    check_whole(store)
    shelf = store.shelf()
    assert {each.version for each in shelf.named("old")} >= {"2"}
    assert {each.run for each in shelf.runs} >= {1}
    assert store.objects.is_good(digest(b"r"))
    work(store, run)
    check_whole(store)
    assert store.verify().good
    assert store.verify().unused == 0
    assert [str(each.ref) for each in store.shelf().versions] == ["new@1", "old@2"]
    assert list(store.objects.incoming.iterdir()) == []


def main(folder: Path) -> None:
    """Kill at every step there is."""
    original, run = prepared(folder)
    store = ArtifactStore(folder / "copy")
    step = 1
    while True:
        shutil.copytree(original.folder, store.folder)
        if not killed_at(step, store, run):
            break
        check_survivor(store, run)
        shutil.rmtree(store.folder)
        step += 1
    sys.stdout.write(f"{step - 1}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
