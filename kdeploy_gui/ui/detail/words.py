"""Moments in the words of the pane."""

from __future__ import annotations

from datetime import UTC, datetime

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def when(moment: datetime) -> str:
    """`today 14:32:51`, `yesterday 14:32:51`, `Mon 23 Nov 14:32:51`; local time."""
    local, today = moment.astimezone(), datetime.now(UTC).astimezone().date()
    away = (today - local.date()).days
    day = {0: "today", 1: "yesterday"}.get(away, f"{DAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]}")
    year = f" {local.year}" if away > 1 and local.year != today.year else ""
    return f"{day}{year} {local:%H:%M:%S}"
