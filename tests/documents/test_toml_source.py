"""A TOML file is read as one whole, and what is wrong with it has a line."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from kdeploy_gui.documents import toml_source
from kdeploy_gui.documents.toml_source import Document, load
from kdeploy_gui.model.problem import Problem


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def loaded(path: Path) -> Document:
    document = load(path)
    assert isinstance(document, Document), document
    return document


def refused(path: Path) -> Problem:
    problem = load(path)
    assert isinstance(problem, Problem), problem
    return problem


def while_reader_waits(monkeypatch: pytest.MonkeyPatch, *steps: Callable[[], object]) -> None:
    """Each time the reader pauses before it reads again, one more step happens."""
    waiting = list(steps)
    monkeypatch.setattr(toml_source, "sleep", lambda _seconds: waiting.pop(0)() if waiting else None)


def test_reads_values_and_their_lines(tmp_path: Path) -> None:
    document = loaded(write(tmp_path / "plan.toml", b'name = "x"\n\n[policy]\nretries = 2\n'))
    assert document.data == {"name": "x", "policy": {"retries": 2}}
    assert document.outline.line("policy.retries") == 4


def test_byte_order_mark_and_windows_line_ends_are_fine(tmp_path: Path) -> None:
    document = loaded(write(tmp_path / "plan.toml", b'\xef\xbb\xbfname = "x"\r\n# c\r\n[policy]\r\nretries = 2\r\n'))
    assert document.data == {"name": "x", "policy": {"retries": 2}}
    assert document.outline.line("policy.retries") == 4


@pytest.mark.parametrize(
    ("content", "line", "part"),
    [
        (b'name = "x"\nenvironments = [\n', 3, "Invalid value"),
        (b'name = "x"\nname = "y"\n', 2, "Cannot overwrite a value"),
        (b'a = 1\nb = "caf\xe9"\n', 2, "byte 0xe9 is not UTF-8"),
        (b'a = 1\n\nb = "\x01"\n', 3, "Illegal character"),
        (b"a = " + b"9" * 5000, 0, "not valid TOML"),
        (b"a = " + b"[" * 100_000, 0, "nested too deeply"),
        (b"x" * (toml_source.SIZE_LIMIT + 1), 0, "larger than"),
    ],
)
def test_broken_text_is_a_problem_with_its_line(tmp_path: Path, content: bytes, line: int, part: str) -> None:
    problem = refused(write(tmp_path / "plan.toml", content))
    assert part in problem.message
    assert problem.line == line
    assert problem.file == str(tmp_path / "plan.toml")


def test_folder_instead_of_file(tmp_path: Path) -> None:
    assert refused(tmp_path).message == "cannot be read: Is a directory"


def test_missing_file_is_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "plan.toml")


def test_reads_from_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=('name = "x"\n',))
    writer.start()
    assert loaded(pipe).data == {"name": "x"}
    writer.join()


def write_long_ago(path: Path, content: bytes) -> None:
    """Write a file to its end, as if nobody had touched it since."""
    path.write_bytes(content)
    os.utime(path, (1_000_000_000, 1_000_000_000))


@pytest.mark.parametrize("half", [b'name = "new', b'name = "new"\n', b""], ids=["broken", "valid", "empty"])
def test_half_written_file_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: bytes) -> None:
    path = write(tmp_path / "lab.toml", half)
    monkeypatch.setattr(toml_source, "SETTLED", 60.0)
    monkeypatch.setattr(toml_source, "SETTLED_BROKEN", 60.0)
    while_reader_waits(monkeypatch, lambda: write_long_ago(path, b'name = "new"\nlast = 1\n'))
    assert loaded(path).data == {"name": "new", "last": 1}


def test_file_that_is_moved_away_for_a_moment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "lab.toml"
    monkeypatch.setattr(toml_source, "SETTLED", 60.0)
    while_reader_waits(monkeypatch, lambda: write_long_ago(path, b"last = 1\n"))
    assert loaded(path).data == {"last": 1}


def test_file_that_never_rests_is_taken_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "lab.toml", b"count = 0\n")
    monkeypatch.setattr(toml_source, "READ_DEADLINE", 0.2)
    monkeypatch.setattr(toml_source, "sleep", lambda _seconds: path.write_bytes(b"count = 1\n"))
    assert loaded(path).data == {"count": 1}


def test_old_broken_file_is_reported_without_waiting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "lab.toml", b"broken")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    monkeypatch.setattr(toml_source, "sleep", lambda _seconds: pytest.fail("waited"))
    assert refused(path).line == 1


def test_reader_and_writer_at_once_give_old_or_new_never_half(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for patience in ("SETTLED", "SETTLED_BROKEN"):  # a writer may get no turn for long on a busy machine
        monkeypatch.setattr(toml_source, patience, 1.0)
    monkeypatch.setattr(toml_source, "READ_DEADLINE", 30.0)
    path = tmp_path / "lab.toml"
    versions = [b"".join(b"[t%d]\nversion = %d\n" % (table, number) for table in range(300)) for number in range(5)]
    path.write_bytes(versions[0])
    for number, content in enumerate(versions):
        start = threading.Barrier(2)

        def rewrite(content: bytes = content, start: threading.Barrier = start) -> None:
            start.wait()
            with path.open("wb", buffering=0) as file:
                for cut in range(0, len(content), 500):
                    file.write(content[cut : cut + 500])

        writer = threading.Thread(target=rewrite)
        writer.start()
        start.wait()
        data = loaded(path).data
        writer.join()
        seen = {table["version"] for table in data.values() if isinstance(table, dict)}
        assert len(data) == 300
        assert seen in ({number}, {max(number - 1, 0)})
