"""What can be done about a failure: numbered ways, the least destructive first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from kdeploy_gui.errors import Category
from kdeploy_gui.model.readiness import DEPLOYED_NOT_READY
from kdeploy_gui.ui.errors.causes import Cause


class Way(Enum):
    """How an action is carried out."""

    COMPARE_KEYS = "compare keys"
    EDIT_LOGIN = "edit login"
    CHECK = "check"
    VALIDATE = "validate"
    RETRY = "retry"
    CHANGE_PLAN = "change plan"
    OPEN_LOG = "open log"


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do: what it is, what it does exactly, and the words on its button."""

    way: Way
    title: str
    explanation: str
    button: str


def actions_for(cause: Cause) -> tuple[Action, ...]:
    """The ways out of a failure, in the order in which to try them."""
    failure = cause.newest.failure
    first: tuple[Action, ...] = ()
    if failure.category is Category.TRUST:
        first = (
            Action(
                Way.COMPARE_KEYS,
                "Compare the host keys",
                "Shows the pinned and the offered key and where to read the real one. Nothing is sent.",
                "Compare keys...",
            ),
        )
    elif failure.category is Category.AUTH:
        first = (
            Action(
                Way.EDIT_LOGIN,
                "Correct the login",
                "User, key file and credential of this environment, with a live test.",
                "Edit login...",
            ),
        )
    elif failure.code == "E-CHECK" and failure.on_target == DEPLOYED_NOT_READY:
        first = (_validate(cause),)
    plan = (CHANGE_PLAN,) if failure.category in PLANNED else ()
    return (*first, _check(cause), _retry(cause), *plan, OPEN_LOG)


PLANNED = frozenset({Category.TARGET, Category.ARTIFACT, Category.CONFIG})
"""What another plan may avoid: another file, a package, a limit, an environment left out."""
CHANGE_PLAN = Action(
    Way.CHANGE_PLAN,
    "Change the plan",
    "Opens the plan of this run as a draft: other files, packages or limits. Nothing runs before its review.",
    "Change plan...",
)
OPEN_LOG = Action(
    Way.OPEN_LOG, "Read the log", "Opens the log of this environment at the stage that failed.", "Open log"
)


def _check(cause: Cause) -> Action:
    return Action(
        Way.CHECK,
        "Check again",
        f"Connects to {_where(cause)} and looks whether it is ready. Changes nothing there.",
        "Check",
    )


def _validate(cause: Cause) -> Action:
    return Action(
        Way.VALIDATE,
        "Validate again",
        f"Makes the readiness checks on {_where(cause)} again, as a new run. Nothing is sent.",
        "Validate",
    )


def _retry(cause: Cause) -> Action:
    return Action(
        Way.RETRY,
        "Try again",
        f"Runs all six stages on {_where(cause)} only, as a new run. Unchanged files are not sent again.",
        "Retry...",
    )


def _where(cause: Cause) -> str:
    names = cause.environments
    return names[0] if len(names) == 1 else f"{len(names)} environments"
