"""Kernel reports in the state of a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from kdeploy_gui.model.event import Event, event_to_json
from kdeploy_gui.model.run import fold
from kdeploy_gui.model.splat import Grade, Severity, Splat, SplatClass, SplatSeen
from kdeploy_gui.model.stage import Stage
from tests.strategies import START

OOPS = Splat(kind=SplatClass.OOPS, title="Oops in foo_show", severity=Severity.CRASH, frames=("foo_show",))


def seen(*splats: Splat) -> list[Event]:
    header = {"run": 1, "environment": "board-a", "stage": Stage.DEPLOYING, "attempt": 1}
    return [
        Event(seq=number, time=START + timedelta(seconds=number), body=SplatSeen(splat, splat.counts), **header)  # type: ignore[arg-type]
        for number, splat in enumerate(splats, 1)
    ]


def test_a_run_remembers_the_first_of_each_title() -> None:
    leak = Splat(kind=SplatClass.KMEMLEAK, title="kmemleak: new leaks", severity=Severity.NOTE)
    state = fold(seen(OOPS, replace(OOPS, printed="9.0"), leak)).environments["board-a"]
    assert list(state.splats) == ["Oops in foo_show", "kmemleak: new leaks"]
    assert state.splats["Oops in foo_show"].splat == OOPS
    assert state.note == "kernel: Oops in foo_show"


def test_what_speaks_against_a_machine() -> None:
    assert OOPS.counts
    assert not replace(OOPS, grade=Grade.SUSPECT).counts
    assert not replace(OOPS, severity=Severity.NOTE).counts


def test_json() -> None:
    body = event_to_json(seen(OOPS)[0])
    assert body["type"] == "splat_seen"
    assert body["fails"] is True
    assert body["splat"] == {
        "kind": "oops",
        "title": "Oops in foo_show",
        "severity": "crash",
        "grade": "real",
        "frames": ["foo_show"],
        "excerpt": "",
        "printed": "",
        "follows": "",
        "whole": True,
    }
