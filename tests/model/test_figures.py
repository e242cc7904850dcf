"""Durations and sizes at the borders of their units."""

from __future__ import annotations

import pytest

from kdeploy_gui.model.figures import duration, size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 ms"),
        (0.018, "18 ms"),
        (0.0999, "0.1 s"),
        (9.94, "9.9 s"),
        (9.96, "10 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (185, "3 min 05 s"),
        (7800, "2 h 10 min"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (102_348, "99.9 KiB"),
        (1_048_100, "1.0 MiB"),
        (2.5e15, "2274 TiB"),
    ],
)
def test_sizes(count: float, words: str) -> None:
    assert size(count) == words
