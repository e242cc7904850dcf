"""Answers about one environment outside a run."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import Enum, StrEnum

from kdeploy_gui.model.event import InstrumentState
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.readiness import ReadyMark


@dataclass(frozen=True, slots=True)
class EnvironmentCheck:
    """A look at one machine that changed nothing there.

    `failure` is set when it could not be reached or trusted. `ready` is the answer now; `because` says, one fact an
    entry, why it is not (or what the mark rests on). `mark` is the newest stored one, None if it never was READY.
    `guest` is what its hypervisor says it is doing, empty where it has none.
    """

    environment: str
    ready: bool
    because: tuple[str, ...] = ()
    facts: Facts | None = None
    mark: ReadyMark | None = None
    failure: Failure | None = None
    guest: str = ""


@dataclass(frozen=True, slots=True)
class InstrumentLook:
    """How all instruments of one environment were found at one moment; `failure` is set when it was not reached."""

    environment: str
    time: datetime
    instruments: tuple[InstrumentState, ...] = ()
    failure: Failure | None = None


class CheckPart(StrEnum):
    """What is tried one after the other on the way to a machine; nothing is sent before the host key is the one meant.

    The value is what people call it.
    """

    ADDRESS = "address"
    PORT = "port"
    HOST_KEY = "host key"
    LOGIN = "login"
    FACTS = "facts"


class CheckOutcome(Enum):
    """How one part of the way went."""

    OK = "ok"
    FAILED = "failed"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, slots=True)
class CheckStep:
    """One part of the way to a machine. `offered` is set with the host key, `failure` where it failed."""

    part: CheckPart
    outcome: CheckOutcome
    text: str = ""
    failure: Failure | None = None
    offered: HostKey | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: `ok` None means that it does not apply here."""

    subject: str
    ok: bool | None
    text: str
    remedy: str = ""
