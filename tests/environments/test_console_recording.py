"""Recordings of consoles: raw, with times, private, bounded, and readable by scriptreplay."""

from __future__ import annotations

import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.console_recording import Recording, recorded

HOSTILE = b"\x1b]0;title\x07\xff\xfe\x00 half a line \x1b[2J\r\n[    1.0] ok"


def bytes_of(folder: Path, length: int = 1 << 30) -> bytes:
    return b"".join(each.data for each in recorded(folder, length))


def test_bytes_stay_as_they_are_and_have_their_times(tmp_path: Path) -> None:
    before = datetime.now(UTC)
    recording = Recording(tmp_path, "a")
    recording.append(HOSTILE)
    recording.append(b"more")
    recording.close()
    first, second = recorded(tmp_path, 1000)
    assert (first.data, second.data) == (HOSTILE, b"more")
    assert before <= first.time <= second.time <= datetime.now(UTC)
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o600, 0o600]


def test_a_console_that_says_nothing_makes_no_file(tmp_path: Path) -> None:
    Recording(tmp_path, "a").close()
    assert list(tmp_path.iterdir()) == []
    assert recorded(tmp_path, 1000) == ()


@settings(max_examples=30)
@given(st.lists(st.binary(min_size=1, max_size=40), max_size=30))
def test_what_is_over_the_cap_begins_another_file_and_the_oldest_go(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("recordings")
    recording = Recording(folder, "a", cap=100, keep=600)
    for each in pieces:
        recording.append(each)
    recording.close()
    everything = b"".join(pieces)
    kept = bytes_of(folder)
    assert everything.endswith(kept)
    assert len(kept) >= min(len(everything), 100)
    assert sum(path.stat().st_size for path in folder.glob("*.log")) <= 600 + 140
    assert len(list(folder.glob("*.log"))) == len(list(folder.glob("*.timing")))


def test_only_the_end_is_read_where_that_is_asked_for(tmp_path: Path) -> None:
    for number in range(3):
        recording = Recording(tmp_path, "a")
        recording.append(b"%d" % number * 10)
        recording.close()
    assert bytes_of(tmp_path, 5) == b"2" * 10
    assert bytes_of(tmp_path, 11) == b"1" * 10 + b"2" * 10


def test_what_a_killed_program_left_is_read(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "a")
    recording.append(b"whole")
    (log,) = tmp_path.glob("*.log")
    with log.open("ab") as file:
        file.write(b" and half")
    with log.with_suffix(".timing").open("a") as file:
        file.write("O 0.0")
    assert bytes_of(tmp_path) == b"whole and half"
    log.with_suffix(".timing").unlink()
    assert bytes_of(tmp_path) == b"whole and half"
    recording.close()


def test_a_disk_that_takes_no_more_is_told_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    recording = Recording(folder, "a")
    recording.append(b"x")
    assert recording.problem == "not recorded: No such file or directory"
    folder.mkdir()
    recording.append(b"y")
    assert recording.problem == ""
    recording.close()
    assert bytes_of(folder) == b"y"


@pytest.mark.skipif(shutil.which("scriptreplay") is None, reason="scriptreplay is not installed (bsdutils)")
def test_scriptreplay_plays_it(tmp_path: Path) -> None:
    recording = Recording(tmp_path, "a")
    for each in (b"[    0.000000] Linux version 6.1\r\n", b"[    0.1", b"00000] second\r\n"):
        recording.append(each)
    recording.close()
    (log,) = tmp_path.glob("*.log")
    argv = ["scriptreplay", "--timing", str(log.with_suffix(".timing")), "--log-out", str(log), "--divisor", "1000"]
    played = subprocess.run(argv, capture_output=True, check=True)
    assert b"[    0.000000] Linux version 6.1\r\n[    0.100000] second\r\n" in played.stdout
