"""Full disks, locked files, killed writers: what was acknowledged stays, what failed left nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from kdeploy_gui.errors import LocalError
from kdeploy_gui.history import History, open_history
from kdeploy_gui.history.database import WriteLock
from kdeploy_gui.model.history import RunQuery
from tests.history.peer import progress, submitted
from tests.history.processes import peer


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 4 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounting = ["mount", "-t", "tmpfs", "-o", "size=4m,mode=0700", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mounting, check=False, capture_output=True).returncode != 0:
        pytest.skip("only root can mount a small file system")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(path: Path) -> None:
    """Write until the disk is full."""
    with path.open("wb", buffering=0) as file:
        for size in (2**20, 4096, 1):
            while True:
                try:
                    file.write(bytes(size))
                except OSError:
                    break


def is_whole(history: History) -> bool:
    with history.database.reading() as db:
        return [row[0] for row in db.execute("PRAGMA integrity_check")] == ["ok"]


def test_a_full_disk_loses_nothing_and_is_survived(small_disk: Path) -> None:
    with closing(open_history(small_disk / "data")) as history:
        run = history.log.begin("smoke", ["board-a"])
        history.log.append([submitted(run)])
        fill(small_disk / "ballast")
        batch = [progress(run, seq) for seq in range(2, 2000)]

        with pytest.raises(LocalError) as caught:
            history.log.append(batch)

        assert caught.value.code == "E-HISTORY-FULL"
        assert str(small_disk / "data" / "kdeploy.db") in caught.value.message
        assert len(history.log.events(run)) == 1
        with pytest.raises(LocalError) as caught:
            history.output.append(run, "board-a", bytes(2**20))
        assert caught.value.code == "E-HISTORY-FULL"

        (small_disk / "ballast").unlink()
        history.log.append(batch)
        assert len(history.log.events(run)) == len(batch) + 1
        assert is_whole(history)


def test_a_full_disk_does_not_keep_anybody_from_reading(small_disk: Path) -> None:
    with peer("own", small_disk / "data") as owner:
        run = int(owner.line())
        owner.kill()
    fill(small_disk / "ballast")

    with closing(open_history(small_disk / "data", read_only=True)) as history:
        assert len(history.log.events(run)) == 2


def test_a_closed_history_can_be_read_on_a_full_disk(small_disk: Path) -> None:
    with closing(open_history(small_disk / "data")) as history:
        run = history.log.begin("smoke", ["board-a"])
        history.log.append([submitted(run), progress(run, 2)])
    fill(small_disk / "ballast")

    with pytest.raises(LocalError) as caught:
        open_history(small_disk / "data")
    assert caught.value.code == "E-HISTORY-FULL"
    with closing(open_history(small_disk / "data", read_only=True)) as history:
        assert len(history.log.events(run)) == 2


def test_files_that_may_not_grow_lose_nothing(folder: Path) -> None:
    with peer("limited", folder, 200_000) as writer:
        assert writer.line() == "E-HISTORY-IO"
        last = int(writer.line())
        with closing(open_history(folder)) as history:
            assert [each.seq for each in history.log.events(1)] == list(range(1, last + 1))
            assert is_whole(history)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_thirty_killed_writers_lose_nothing_that_was_acknowledged(folder: Path) -> None:
    moments = Random(6)
    for _ in range(30):
        with peer("write", folder) as writer:
            run = int(writer.line())
            said = [writer.line() for _ in range(moments.randrange(1, 200))]
            acknowledged = int([*said, *whole_lines(writer.kill())][-1])

        with closing(open_history(folder)) as history:
            stored = [each.seq for each in history.log.events(run) if each.type in {"run_submitted", "stage_progress"}]
            assert stored == list(range(1, len(stored) + 1))
            assert len(stored) >= acknowledged
            assert is_whole(history)
            assert history.log.runs(RunQuery(status="running")) == []


def whole_lines(lines: list[str]) -> list[str]:
    """A kill may cut the last line; it was not heard, then."""
    return lines[:-1]


def test_one_process_reads_while_another_writes(folder: Path) -> None:
    with peer("write", folder) as writer:
        run = int(writer.line())
        for _ in range(100):
            acknowledged = int(writer.line())
            with closing(open_history(folder, read_only=True)) as history:
                numbers = [each.seq for each in history.log.events(run)]
                assert numbers == list(range(1, len(numbers) + 1))
                assert len(numbers) >= acknowledged
                assert history.log.runs(RunQuery())[0].run == run


def test_a_history_opens_and_writes_while_another_process_writes(folder: Path) -> None:
    with peer("write", folder) as writer:
        first = int(writer.line())
        with closing(open_history(folder)) as history:
            run = history.log.begin("second", ["board-a"])
            for seq in range(1, 101):
                history.log.append([progress(run, seq)])
            assert len(history.log.events(run)) == 100
        writer.kill()

    with closing(open_history(folder)) as history:
        assert {each.run for each in history.log.runs(RunQuery(status="interrupted"))} == {first, run}
        assert is_whole(history)


def test_a_writer_that_does_not_let_go_is_named(folder: Path) -> None:
    with closing(open_history(folder)):
        pass
    with peer("hold-write-lock", folder) as holder:
        assert holder.line() == "held"
        with pytest.raises(LocalError) as caught, WriteLock(folder / "kdeploy.db.lock", patience=0.1).held():
            pass
        assert caught.value.code == "E-HISTORY-LOCKED"
        assert "another kdeploy" in caught.value.message
        holder.kill()

    with WriteLock(folder / "kdeploy.db.lock", patience=0.1).held():
        pass


@pytest.mark.slow
def test_a_foreign_program_that_locks_the_file_is_named(history: History) -> None:
    run = history.log.begin("smoke", [])
    script = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('BEGIN IMMEDIATE'); print(); input()"
    argv = ["python3", "-c", script, str(history.database.path)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as foreign:
        assert foreign.stdout is not None
        foreign.stdout.readline()
        try:
            with pytest.raises(LocalError) as caught:
                history.log.append([submitted(run)])
        finally:
            foreign.kill()
    assert caught.value.code == "E-HISTORY-LOCKED"

    history.log.append([submitted(run)])
