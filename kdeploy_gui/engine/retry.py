"""Whether a stage that failed runs again, and when. Pure."""

from __future__ import annotations

from kdeploy_gui import defaults
from kdeploy_gui.errors import KdeployError, Retry
from kdeploy_gui.model.plan import Backoff, Policy


def wait_before(error: Exception, attempt: int, policy: Policy, draw: float) -> float | None:
    """Seconds to wait after the failed `attempt` (from 1) before the next one; None: no further attempt.

    `draw` is a random number in [-1, 1] that picks the point within the jitter. Attempts that are repeated PATIENTLY
    are counted by themselves.
    """
    if is_patient(error):
        waited = attempt * defaults.PACKAGE_LOCK_STEP
        return defaults.PACKAGE_LOCK_STEP if waited <= defaults.PACKAGE_LOCK_PATIENCE else None
    allowed = {Retry.NEVER: 0, Retry.ONCE: min(1, policy.retries), Retry.AS_PLANNED: policy.retries}
    rule = error.retry if isinstance(error, KdeployError) else Retry.NEVER
    return backoff(attempt, policy.backoff, draw) if attempt <= allowed[rule] else None


def is_patient(error: Exception) -> bool:
    """Whether attempts that end so are repeated at a steady pace."""
    return isinstance(error, KdeployError) and error.retry is Retry.PATIENTLY


def backoff(attempt: int, shape: Backoff, draw: float) -> float:
    """The wait after `attempt`: `initial * factor ** (attempt - 1)`, capped, then moved by the jitter."""
    try:
        planned = shape.initial * shape.factor ** (attempt - 1)
    except OverflowError:
        planned = shape.maximum
    return min(planned, shape.maximum) * (1 + shape.jitter * draw)
