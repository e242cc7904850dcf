"""Points and spans of time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_SPAN = re.compile(r"(\d{1,5})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime) -> datetime:
    """`24h`, `7d` back from `now`, a date (midnight here) or an ISO time (local unless it says otherwise), as UTC.

    Raises ValueError.
    """
    if _SPAN.fullmatch(text.strip()):
        return now - parse_span(text)
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except OverflowError as beyond:
        raise ValueError(f"'{text}' is out of range") from beyond


def parse_span(text: str) -> timedelta:
    """`90s`, `15m`, `3h`. Raises ValueError."""
    span = _SPAN.fullmatch(text.strip())
    if span is None:
        raise ValueError(f"'{text}' is no time such as 90s, 15m or 3h")
    return timedelta(**{_UNITS[span.group(2)]: int(span.group(1))})
