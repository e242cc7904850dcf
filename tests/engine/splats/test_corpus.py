"""The labelled corpus: true reports of every class and architecture, and lines that are none."""

from __future__ import annotations

import pytest

from kdeploy_gui.model.splat import SplatClass
from tests.engine.splats.corpus import CASES, Case, splats_in


@pytest.mark.parametrize("case", CASES, ids=[each.name for each in CASES])
def test_case(case: Case) -> None:
    found = splats_in(case.text)
    assert [each.title for each in found] == [each["title"] for each in case.splats]
    for splat, wanted in zip(found, case.splats, strict=True):
        told = {"grade": "real", "follows": "", "whole": True, **wanted}
        excerpt = str(told.pop("excerpt", ""))
        seen = {name: getattr(splat, name) for name in told}
        seen = {name: list(value) if isinstance(value, tuple) else value for name, value in seen.items()}
        assert seen == told
        assert excerpt in splat.excerpt


@pytest.mark.parametrize("kind", list(SplatClass))
def test_every_class_has_a_true_case(kind: SplatClass) -> None:
    assert any(each["kind"] == kind for case in CASES for each in case.splats)


def test_there_are_benign_cases() -> None:
    assert sum(case.text.count(b"\n") for case in CASES if not case.splats) > 50
