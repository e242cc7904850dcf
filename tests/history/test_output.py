"""Output files: offsets, ranges, the cap, names."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdeploy_gui.history import History, OutputFiles
from kdeploy_gui.model.event import Event, OutputAppended, RunSubmitted
from kdeploy_gui.model.stage import Stage
from tests.strategies import START


def small(history: History, folder: Path, cap: int = 2**20) -> OutputFiles:
    return OutputFiles(folder / "logs", history.database, cap)


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=60), max_size=12), st.integers(0, 200))
def test_kept_bytes_are_the_first_ones_up_to_the_cap(
    history: History, folder: Path, pieces: list[bytes], cap: int
) -> None:
    output = small(history, folder, cap)
    run = history.log.begin("any", ["board-a"])

    offsets = [output.append(run, "board-a", piece) for piece in pieces]

    everything = b"".join(pieces)
    kept = output.read(run, "board-a")
    if len(everything) <= cap:
        assert kept == everything
    else:
        assert kept == everything[:cap] + b"\n[kdeploy: log truncated at 0 MiB]\n"
    for offset, piece in zip(offsets, pieces, strict=True):
        kept_here = piece[: max(0, cap - offset)]
        assert output.read(run, "board-a", offset, len(kept_here))[: len(kept_here)] == kept_here


def test_the_closing_line_names_the_cap(history: History, folder: Path) -> None:
    output = small(history, folder)

    output.append(1, "board-a", bytes(2**20 - 3))
    output.append(1, "board-a", b"abcdef")
    output.append(1, "board-a", b"lost")

    assert output.read(1, "board-a", 2**20 - 3) == b"abc\n[kdeploy: log truncated at 1 MiB]\n"


def test_chunks_tell_stage_and_environment(history: History, folder: Path) -> None:
    output = small(history, folder, cap=10)
    run = history.log.begin("smoke", ["board-b", "board-a"])
    history.log.append([Event(seq=1, time=START, run=run, body=RunSubmitted("smoke", ("board-b", "board-a")))])
    pieces = [
        ("board-b", Stage.DEPLOYING, b"one "),
        ("board-a", None, b"two "),
        ("board-b", Stage.VALIDATING, b"three four"),
        ("board-b", Stage.VALIDATING, b"lost"),
    ]
    for seq, (name, stage, data) in enumerate(pieces, start=2):
        body = OutputAppended(output.append(run, name, data), len(data))
        history.log.append([Event(seq=seq, time=START, run=run, body=body, environment=name, stage=stage, attempt=1)])

    closing_line = b"\n[kdeploy: log truncated at 0 MiB]\n"
    assert [(each.environment, each.stage, each.data) for each in output.chunks(run)] == [
        ("board-a", None, b"two "),
        ("board-b", Stage.DEPLOYING, b"one "),
        ("board-b", Stage.VALIDATING, b"three " + closing_line),
    ]
    assert [each.data for each in output.chunks(run, "board-a")] == [b"two "]
    assert [each.offset for each in output.chunks(run, stage=Stage.VALIDATING)] == [4]
    assert list(output.chunks(run, "board-a", Stage.VALIDATING)) == []


def test_threads_do_not_mix_their_bytes(history: History, folder: Path) -> None:
    output = small(history, folder)
    pieces = [bytes([number]) * 1000 for number in range(64)]

    with ThreadPoolExecutor(8) as pool:
        offsets = list(pool.map(lambda piece: output.append(1, "board-a", piece), pieces))

    assert [output.read(1, "board-a", offset, 1000) for offset in offsets] == pieces


@pytest.mark.parametrize("name", ["../../etc/passwd", "a/b", "..", "ümlaut", "x\n"])
def test_no_name_leads_out_of_the_folder(history: History, folder: Path, name: str) -> None:
    output = small(history, folder)

    output.append(1, name, b"inside")

    assert output.read(1, name) == b"inside"
    assert [path.parent for path in (folder / "logs").rglob("*.log")] == [folder / "logs" / "1"]


def test_there_is_no_output_before_the_first_byte(history: History, folder: Path) -> None:
    assert small(history, folder).read(7, "board-a") == b""
