"""Whether and when a stage runs again."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kdeploy_gui import errors
from kdeploy_gui.engine.retry import backoff, wait_before
from kdeploy_gui.errors import (
    Category,
    ContentChanged,
    GuestDied,
    HypervisorLost,
    KdeployError,
    NetworkError,
    PackagesLocked,
    Rebooted,
    Retry,
    TargetBusy,
)
from kdeploy_gui.model.plan import Backoff, Policy

STEADY = Policy(retries=3, backoff=Backoff(1.0, 4.0, 30.0, 0.0))
KINDS = [
    each
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, KdeployError) and each is not KdeployError
]
EXPECTED: dict[type[KdeployError], int] = {
    NetworkError: 4,
    Rebooted: 4,
    TargetBusy: 4,
    PackagesLocked: 31,
    ContentChanged: 2,
    HypervisorLost: 4,
    GuestDied: 2,
}
"""Attempts of what can pass by itself."""
shapes = st.builds(Backoff, st.floats(0, 1e6), st.floats(1, 1e6), st.floats(0, 1e6), st.floats(0, 1))


def test_waits_grow_by_the_factor_up_to_the_maximum() -> None:
    assert [backoff(attempt, STEADY.backoff, 0.0) for attempt in range(1, 6)] == [1.0, 4.0, 16.0, 30.0, 30.0]


@given(st.integers(1, 10**6), shapes, st.floats(-1, 1))
@example(1, Backoff(1.0, 1.0, 1.0, 3.961353763743166e-16), 1.0)
def test_a_wait_is_never_negative_and_stays_within_its_jitter(attempt: int, shape: Backoff, draw: float) -> None:
    wait = backoff(attempt, shape, draw)
    middle = backoff(attempt, shape, 0.0)
    assert 0 <= wait <= shape.maximum * (1 + shape.jitter) * (1 + 1e-9)
    assert middle <= shape.maximum
    rounding = 4 * math.ulp(max(wait, middle))
    assert abs(wait - middle) <= middle * shape.jitter + rounding


@given(st.integers(1, 400), shapes)
def test_waits_never_shrink(attempt: int, shape: Backoff) -> None:
    assert backoff(attempt + 1, shape, 0.0) >= backoff(attempt, shape, 0.0)


def attempts_of(error: Exception, policy: Policy) -> int:
    attempt = 1
    while wait_before(error, attempt, policy, 0.0) is not None:
        attempt += 1
    return attempt


@pytest.mark.parametrize("kind", KINDS, ids=lambda each: each.__name__)
def test_only_what_can_pass_by_itself_is_tried_again(kind: type[KdeployError]) -> None:
    error = kind("E-X", "x")
    assert attempts_of(error, STEADY) == EXPECTED.get(kind, 1)
    if kind.category in {Category.TRUST, Category.AUTH}:
        assert kind.retry is Retry.NEVER


@pytest.mark.parametrize("error", [ValueError("x"), OSError(), TimeoutError(), ConnectionResetError()])
def test_a_bug_is_never_tried_again(error: Exception) -> None:
    assert attempts_of(error, STEADY) == 1


def test_a_plan_without_retries_has_none() -> None:
    none = Policy(retries=0)
    assert attempts_of(NetworkError("E-LOST", "x"), none) == 1
    assert attempts_of(ContentChanged("E-HASH", "x"), none) == 1
