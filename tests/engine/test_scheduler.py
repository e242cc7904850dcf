"""Who may start: limits, one run an environment, priority, and nobody waits for ever."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.engine.scheduler import AGEING, Ticket, in_order, reason, startable

tickets = st.builds(
    Ticket,
    run=st.integers(1, 4),
    environment=st.sampled_from("abcdefgh"),
    priority=st.integers(-100, 100),
    since=st.floats(0, 1000),
    max_parallel=st.integers(1, 4),
)
NOW = 1000.0


def fits(ticket: Ticket, active: Sequence[Ticket], limit: int) -> bool:
    """Whether one more may start beside those that are active."""
    return (
        len(active) < limit
        and all(each.environment != ticket.environment for each in active)
        and sum(each.run == ticket.run for each in active) < ticket.max_parallel
    )


@settings(max_examples=300)
@given(st.lists(tickets, unique=True), st.lists(tickets, unique=True, max_size=4), st.integers(1, 6))
def test_limits_hold_the_best_go_first_and_no_place_is_left_empty(
    waiting: list[Ticket], active: list[Ticket], limit: int
) -> None:
    chosen = startable(waiting, active, limit, NOW)

    running = list(active)
    for ticket in chosen:
        assert fits(ticket, running, limit)
        running.append(ticket)
    assert len(set(chosen)) == len(chosen)
    left = [each for each in waiting if each not in chosen]
    assert not [each for each in left if fits(each, running, limit)]
    for passed in left:
        better = [each for each in chosen if each.weight(NOW) >= passed.weight(NOW)]
        assert not fits(passed, [*active, *better], limit), "somebody of less weight went first"


@given(st.lists(tickets, unique=True))
def test_order_is_by_weight_and_then_by_run(waiting: list[Ticket]) -> None:
    ordered = in_order(waiting, NOW)
    keys = [(-each.weight(NOW), each.run) for each in ordered]
    assert keys == sorted(keys)
    assert Counter(ordered) == Counter(waiting)


@given(st.integers(-100, 100), st.integers(-100, 100), st.floats(1, 600))
def test_a_stream_of_important_runs_does_not_starve_the_others(low: int, high: int, seconds: float) -> None:
    """One machine; whenever it is free another important run has just arrived."""
    patient = Ticket(1, "a", low, 0.0, 1)
    now, passed = 0.0, 0
    while True:
        rival = Ticket(2 + passed, "a", high, now, 1)
        if startable([rival, patient], [], 1, now) == [patient]:
            break
        now += seconds
        passed += 1
    assert now <= max(0, high - low) * AGEING + seconds


def test_reasons_say_what_is_waited_for() -> None:
    active = [Ticket(7, "a", 0, 0.0, 1), Ticket(8, "b", 0, 0.0, 2)]
    assert reason(Ticket(9, "a", 0, 0.0, 5), active, 9) == "a is in use by run 7"
    assert reason(Ticket(7, "c", 0, 0.0, 1), active, 9) == "run 7 works on 1 at once"
    assert reason(Ticket(9, "c", 0, 0.0, 5), active, 2) == "kdeploy works on 2 at once"
    assert reason(Ticket(9, "c", 0, 0.0, 5), active, 9) == ""


def test_a_blocked_environment_does_not_hold_up_the_queue() -> None:
    active = [Ticket(1, "a", 0, 0.0, 9)]
    blocked, free = Ticket(2, "a", 100, 0.0, 9), Ticket(3, "b", -100, 0.0, 9)
    assert startable([blocked, free], active, 9, 1.0) == [free]
