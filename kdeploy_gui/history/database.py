"""Connections to the history file: one that writes, under a lock over all processes, and short ones that read."""

from __future__ import annotations

import fcntl
import os
import re
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path

from sqlite_utils import Database

from kdeploy_gui.errors import LocalError
from kdeploy_gui.history.failures import DAMAGED, IO, LOCKED, NEWER, READONLY, local_error, sqlite_code, translated
from kdeploy_gui.history.folder import FILE_MODE, check_private, open_private, prepare_data_folder
from kdeploy_gui.history.schema import APPLICATION_ID, SCHEMA_VERSION, migrate

FILE_NAME = "kdeploy.db"
LOCK_NAME = "kdeploy.db.lock"
BUSY_TIMEOUT = 5.0
"""Seconds to wait for another process that writes."""
POLL = 0.005
"""Seconds between two looks at a lock that another process holds."""

PRAGMAS = ("PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON", "PRAGMA secure_delete = ON")


class WriteLock:
    """One writer over all threads and processes.

    SQLite before 3.51.3 may damage a WAL file when one process commits while another checkpoints
    (https://www.sqlite.org/wal.html#walresetbug). Commits and checkpoints happen only under this lock.
    """

    def __init__(self, path: Path, patience: float = BUSY_TIMEOUT) -> None:
        self._path = path
        self._patience = patience
        self._threads = threading.Lock()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Wait for the lock and hold it. Raises LocalError (E-HISTORY-LOCKED) after `patience` seconds."""
        with self._threads:
            descriptor = open_private(self._path, os.O_RDWR)
            try:
                self._wait(descriptor)
                yield
            finally:
                os.close(descriptor)

    def _wait(self, descriptor: int) -> None:
        deadline = time.monotonic() + self._patience
        while True:
            try:
                return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() >= deadline:
                    reason = f"another kdeploy has been writing for {self._patience:g} s"
                    raise local_error(LOCKED, self._path, reason) from error
            time.sleep(POLL)


class HistoryDatabase:
    """The history file of a data folder. Safe from any thread."""

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        """Open the history; without `read_only` it is created or brought up to date first.

        Raises LocalError: E-HOME-MODE, E-HISTORY-NEWER, E-HISTORY-DAMAGED or what `translated` makes.
        """
        self.path = folder / FILE_NAME
        self.lock = WriteLock(folder / LOCK_NAME)
        self._writer: Database | None = None
        self._identity = (0, 0)
        if not read_only:
            with translated(self.path):
                prepare_data_folder(folder)
                self._open_writer()

    def _open_writer(self) -> None:
        with self.lock.held():
            os.close(open_private(self.path, os.O_RDWR))
            check_private(self.path, FILE_MODE)
            self._identity = identity(self.path)
            writer = connect(self.path)
            with ExitStack() as on_failure:
                on_failure.callback(writer.close)
                found = format_version(writer, self.path)
                check_pages(writer, self.path)
                writer.enable_wal()
                if found < SCHEMA_VERSION:
                    with immediate(writer):
                        migrate(writer)
                on_failure.pop_all()
            self._writer = writer

    @contextmanager
    def writing(self) -> Iterator[Database]:
        """One durable transaction: all of it or, after any exception, nothing."""
        if self._writer is None:
            raise local_error(READONLY, self.path, "it was opened for reading only, or closed")
        with translated(self.path), self.lock.held():
            if identity(self.path) != self._identity:
                raise local_error(IO, self.path, "it was moved, deleted or replaced while in use")
            with immediate(self._writer):
                yield self._writer

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """A connection that cannot write; a history that does not exist yet reads as an empty one."""
        with translated(self.path), closing(self._reader()) as reader:
            yield reader

    def _reader(self) -> Database:
        if not self.path.exists():
            return empty_history()
        try:
            return self._checked_reader("mode=rw")
        except sqlite3.OperationalError as error:
            # Even reading needs to make a -shm file. Where that cannot be done and nothing is in the -wal file, the
            # history is complete and nobody writes it.
            wal = self.path.with_name(f"{FILE_NAME}-wal")
            if sqlite_code(error) != IO or (wal.exists() and wal.stat().st_size):
                raise
            return self._checked_reader("immutable=1")

    def _checked_reader(self, options: str) -> Database:
        reader = connect(self.path, options)
        with ExitStack() as unless_used:
            unless_used.callback(reader.close)
            reader.execute("PRAGMA query_only = ON")
            reader.execute("PRAGMA wal_autocheckpoint = 0")
            found = format_version(reader, self.path)
            if not found:
                return empty_history()
            if found < SCHEMA_VERSION:
                return migrated_copy(reader)
            unless_used.pop_all()
        return reader

    def close(self) -> None:
        """Let go of the file; reading still works."""
        if self._writer is not None:
            with translated(self.path), self.lock.held():
                self._writer.close()
                self._writer = None


def connect(path: Path, options: str = "mode=rw") -> Database:
    """A connection to an existing file, in autocommit mode, with durable commits."""
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
        check_same_thread=False,
    )
    with ExitStack() as on_failure:
        on_failure.callback(connection.close)
        db = Database(prepared(connection), execute_plugins=False)
        for pragma in PRAGMAS:
            db.execute(pragma)
        on_failure.pop_all()
    return db


def empty_history() -> Database:
    """A history without runs, in memory."""
    db = Database(prepared(sqlite3.connect(":memory:", isolation_level=None)), execute_plugins=False)
    with immediate(db):
        migrate(db)
    return db


def migrated_copy(old: Database) -> Database:
    """A history in memory with all that an older kdeploy wrote: for reading a file that must not be changed."""
    copy = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
    old.conn.backup(copy)
    db = Database(prepared(copy), execute_plugins=False)
    with immediate(db):
        migrate(db)
    return db


def prepared(connection: sqlite3.Connection) -> sqlite3.Connection:
    """The connection with the functions that questions use."""
    connection.create_function("regexp", 2, found_in, deterministic=True)
    return connection


def found_in(pattern: str, text: str) -> bool:
    """SQL's `text REGEXP pattern`: found anywhere in its first 2000 characters, without regard to case."""
    return re.search(pattern, text[:2000], re.IGNORECASE) is not None


def format_version(db: Database, path: Path) -> int:
    """The version of the tables in the file, 0: it is new. Raises LocalError for a newer or a foreign file."""
    application = pragma_number(db, "PRAGMA application_id")
    version = pragma_number(db, "PRAGMA user_version")
    if (application, version) == (0, 0) and not db.table_names():
        return 0
    if application != APPLICATION_ID:
        raise local_error(DAMAGED, path, "it is a database, but not a history of kdeploy")
    if version > SCHEMA_VERSION:
        raise LocalError(
            NEWER,
            f"{path} was written by a newer kdeploy (format {version}; this one knows {SCHEMA_VERSION})",
            path=str(path),
            found=str(version),
            known=str(SCHEMA_VERSION),
        )
    return version


def check_pages(db: Database, path: Path) -> None:
    """Raise LocalError (E-HISTORY-DAMAGED) with SQLite's first finding."""
    finding = str(db.execute("PRAGMA quick_check(1)").fetchone()[0])
    if finding != "ok":
        raise local_error(DAMAGED, path, " ".join(finding.split()))


def pragma_number(db: Database, pragma: str) -> int:
    """The value of a numeric pragma."""
    return int(db.execute(pragma).fetchone()[0])


def identity(path: Path) -> tuple[int, int]:
    """Device and inode of a file."""
    found = path.stat()
    return found.st_dev, found.st_ino


@contextmanager
def immediate(db: Database) -> Iterator[None]:
    """A transaction that holds SQLite's write lock from its first moment."""
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
        db.execute("COMMIT")
    except BaseException:
        db.rollback()
        raise
