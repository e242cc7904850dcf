"""Points in time as people type them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

_SPAN = re.compile(r"(\d{1,5})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def parse_since(text: str, now: datetime) -> datetime:
    """`24h`, `7d` back from `now`, a date (midnight here) or an ISO time (local unless it says otherwise), as UTC.

    Raises ValueError.
    """
    if span := _SPAN.fullmatch(text.strip()):
        return now - timedelta(**{_UNITS[span.group(2)]: int(span.group(1))})
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except OverflowError as beyond:
        raise ValueError(f"'{text}' is out of range") from beyond
