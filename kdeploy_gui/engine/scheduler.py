"""Which waiting environments may start now. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass

AGEING = 6.0
"""Seconds of waiting that weigh as much as one step of priority, so that nothing waits for ever."""


@dataclass(frozen=True, slots=True)
class Ticket:
    """One environment of one run that wants to start, or has started. `since` in monotonic seconds."""

    run: int
    environment: str
    priority: int
    since: float
    max_parallel: int

    def weight(self, now: float) -> float:
        """Priority grown by waiting."""
        return self.priority + (now - self.since) / AGEING


def in_order(waiting: Iterable[Ticket], now: float) -> list[Ticket]:
    """Waiting tickets, the one to start first in front; equal ones by run, then as given."""
    return sorted(waiting, key=lambda each: (-each.weight(now), each.run))


def startable(waiting: Iterable[Ticket], active: Collection[Ticket], limit: int, now: float) -> list[Ticket]:
    """Tickets to start now, so that no more than `limit` are active, no run has more active than its own limit and no
    environment is active twice."""
    busy = {each.environment for each in active}
    per_run = Counter(each.run for each in active)
    chosen: list[Ticket] = []
    for ticket in in_order(waiting, now):
        if len(active) + len(chosen) >= limit:
            break
        if ticket.environment in busy or per_run[ticket.run] >= ticket.max_parallel:
            continue
        chosen.append(ticket)
        busy.add(ticket.environment)
        per_run[ticket.run] += 1
    return chosen


def reason(ticket: Ticket, active: Collection[Ticket], limit: int) -> str:
    """Why a ticket waits, in words."""
    holder = next((each for each in active if each.environment == ticket.environment), None)
    if holder is not None:
        return f"{ticket.environment} is in use by run {holder.run}"
    if sum(each.run == ticket.run for each in active) >= ticket.max_parallel:
        return f"run {ticket.run} works on {ticket.max_parallel} at once"
    return f"kdeploy works on {limit} at once" if len(active) >= limit else ""
