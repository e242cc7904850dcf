"""Files that open_history meets: new, empty, newer, damaged, foreign, too open."""

from __future__ import annotations

import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from kdeploy_gui.errors import LocalError
from kdeploy_gui.history import History, open_history
from kdeploy_gui.history.schema import SCHEMA_VERSION
from kdeploy_gui.model.history import RunQuery
from tests.history.peer import progress, submitted, under_way


@pytest.fixture
def hostile_umask() -> Iterator[None]:
    """A umask that takes nothing away."""
    before = os.umask(0)
    yield
    os.umask(before)


def opening_fails_with(code: str, folder: Path, *, read_only: bool = False) -> LocalError:
    with pytest.raises(LocalError) as caught, closing(open_history(folder, read_only=read_only)) as history:
        history.log.runs(RunQuery())
    assert caught.value.code == code
    return caught.value


def a_used_history(folder: Path, events: int = 2) -> int:
    with closing(open_history(folder)) as history:
        run = history.log.begin("smoke", ["board-a", "board-b"])
        history.log.append([*under_way(run), *(progress(run, seq) for seq in range(3, events + 1))])
    return run


@pytest.mark.usefixtures("hostile_umask")
def test_only_the_owner_can_use_any_file(tmp_path: Path) -> None:
    folder = tmp_path / "share" / "kdeploy" / "data"
    with closing(open_history(folder)) as history:
        run = history.log.begin("smoke", ["board-a"])
        history.log.append([submitted(run)])
        history.output.append(run, "board-a", b"hello\n")
        assert history.control.request_cancel(run)
        found = {path: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.rglob("*")}

    assert {path.name for path in found} >= {"kdeploy.db", "kdeploy.db-wal", "kdeploy.db-shm", "1.owner", "1.cancel"}
    for path, mode in found.items():
        assert mode == (0o700 if path.is_dir() else 0o600), path


@pytest.mark.parametrize("mode", [0o750, 0o705, 0o701, 0o720, 0o777])
def test_a_folder_that_others_can_use_is_refused(folder: Path, mode: int) -> None:
    folder.mkdir(mode=0o700)
    folder.chmod(mode)

    error = opening_fails_with("E-HOME-MODE", folder)

    assert error.path == str(folder)
    assert f"{mode:04o}" in error.message
    assert error.details["command"] == f"chmod 700 {folder}"
    assert list(folder.iterdir()) == []


def test_a_history_that_others_can_read_is_refused(folder: Path) -> None:
    a_used_history(folder)
    (folder / "kdeploy.db").chmod(0o640)

    assert opening_fails_with("E-HOME-MODE", folder).details["command"] == f"chmod 600 {folder}/kdeploy.db"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_another_user_is_refused(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    os.chown(folder, 12345, 12345)

    assert "belongs to user 12345" in opening_fails_with("E-HOME-MODE", folder).message


def test_an_empty_file_is_a_new_history(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "kdeploy.db").touch(mode=0o600)

    assert a_used_history(folder) == 1


def test_a_file_whose_creation_was_interrupted_is_a_new_history(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "kdeploy.db").touch(mode=0o600)
    with closing(sqlite3.connect(folder / "kdeploy.db")) as db:
        db.execute("PRAGMA journal_mode = WAL")
    assert (folder / "kdeploy.db").stat().st_size

    assert a_used_history(folder) == 1


@pytest.mark.parametrize("read_only", [False, True])
def test_a_newer_history_is_refused_untouched(folder: Path, read_only: bool) -> None:
    a_used_history(folder)
    with closing(sqlite3.connect(folder / "kdeploy.db")) as db:
        db.execute("PRAGMA user_version = 99")
    before = (folder / "kdeploy.db").read_bytes()

    error = opening_fails_with("E-HISTORY-NEWER", folder, read_only=read_only)

    assert (error.details["found"], error.details["known"]) == ("99", str(SCHEMA_VERSION))
    assert (folder / "kdeploy.db").read_bytes() == before


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_that_is_no_database_is_refused_untouched(folder: Path, read_only: bool) -> None:
    folder.mkdir(mode=0o700)
    (folder / "kdeploy.db").touch(mode=0o600)
    (folder / "kdeploy.db").write_text("Dear diary, " * 1000)

    error = opening_fails_with("E-HISTORY-DAMAGED", folder, read_only=read_only)

    assert str(folder / "kdeploy.db") in error.message
    assert (folder / "kdeploy.db").read_text().startswith("Dear diary")


def test_a_database_of_another_program_is_refused_untouched(folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "kdeploy.db").touch(mode=0o600)
    with closing(sqlite3.connect(folder / "kdeploy.db")) as db:
        db.execute("CREATE TABLE recipes (name TEXT)")
    before = (folder / "kdeploy.db").read_bytes()

    assert "not a history of kdeploy" in opening_fails_with("E-HISTORY-DAMAGED", folder).message
    assert (folder / "kdeploy.db").read_bytes() == before


def test_damaged_pages_are_found_at_the_start(folder: Path) -> None:
    a_used_history(folder, events=400)
    path = folder / "kdeploy.db"
    whole = path.read_bytes()
    path.write_bytes(whole[: 3 * 4096] + os.urandom(4096) * 20 + whole[23 * 4096 :])

    assert opening_fails_with("E-HISTORY-DAMAGED", folder).path == str(path)


def test_a_truncated_history_is_damaged(folder: Path) -> None:
    a_used_history(folder, events=400)
    os.truncate(folder / "kdeploy.db", 5 * 4096)

    opening_fails_with("E-HISTORY-DAMAGED", folder)


def test_a_folder_in_the_place_of_the_file_cannot_be_used(folder: Path) -> None:
    (folder / "kdeploy.db").mkdir(parents=True)
    folder.chmod(0o700)

    opening_fails_with("E-HISTORY-IO", folder)


def test_a_file_in_the_place_of_the_folder_cannot_be_used(folder: Path) -> None:
    folder.write_text("")

    opening_fails_with("E-HISTORY-IO", folder)


def test_a_read_only_history_makes_nothing_and_is_empty(folder: Path) -> None:
    with closing(open_history(folder, read_only=True)) as history:
        assert history.log.runs(RunQuery()) == []
        assert history.log.events(1) == []
        assert history.readiness.latest("board-a") is None
        assert list(history.output.chunks(1)) == []
        with pytest.raises(LocalError, match="opened for reading only"):
            history.log.begin("smoke", [])

    assert not folder.exists()


def test_every_connection_commits_durably(history: History) -> None:
    with history.database.writing() as writer, history.database.reading() as reader:
        for db in (writer, reader):
            settings = [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("synchronous", "foreign_keys")]
            assert settings == [2, 1]
            assert db.execute("PRAGMA secure_delete").fetchone()[0] == 1
            assert db.execute("PRAGMA busy_timeout").fetchone()[0] == 5000
        assert writer.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert reader.execute("PRAGMA wal_autocheckpoint").fetchone()[0] == 0
        with pytest.raises(sqlite3.OperationalError, match="readonly"):
            reader.execute("DELETE FROM runs")


def test_reading_through_the_port_never_writes(history: History) -> None:
    with pytest.raises(LocalError) as caught, history.database.reading() as reader:
        reader.execute("DELETE FROM runs")

    assert caught.value.code == "E-HISTORY-READONLY"


def test_a_history_that_was_moved_away_is_noticed(history: History, folder: Path) -> None:
    run = history.log.begin("smoke", [])
    (folder / "kdeploy.db").rename(folder / "elsewhere.db")

    with pytest.raises(LocalError) as caught:
        history.log.append([submitted(run)])
    assert caught.value.code == "E-HISTORY-IO"

    (folder / "kdeploy.db").touch(mode=0o600)
    with pytest.raises(LocalError, match=re.escape("moved, deleted or replaced")):
        history.log.append([submitted(run)])


def test_run_numbers_are_never_used_twice(history: History) -> None:
    assert [history.log.begin("smoke", []) for _ in range(3)] == [1, 2, 3]
    with history.database.writing() as db:
        db.execute("DELETE FROM runs WHERE run = 3")

    assert history.log.begin("smoke", []) == 4
