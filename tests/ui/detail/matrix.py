"""Instruments as a run told of them and as a look found them: one spent, one proven, one absent, one unknown."""

from __future__ import annotations

from datetime import timedelta

from kdeploy_gui.model.check import InstrumentLook
from kdeploy_gui.model.event import InstrumentState
from kdeploy_gui.model.instrument import Instrument, Reading, Where
from kdeploy_gui.model.stage import Stage
from kdeploy_gui.ui.detail.instrument_rows import Row, rows, told
from tests.ui.log.story import START, Story

CONFIG = "/proc/config.gz"
CATALOGUE = (
    Instrument(name="kasan", title="KASAN", finds="memory errors", config=("KASAN",)),
    Instrument(name="lockdep", title="lockdep", config=("PROVE_LOCKING",)),
    Instrument(name="ftrace", title="ftrace", config=("FUNCTION_TRACER",)),
    Instrument(name="kcsan", title="KCSAN", config=("KCSAN",)),
    Instrument(name="coccinelle", title="Coccinelle", where=Where.WORKSTATION),
)
SPENT = InstrumentState(
    "kasan",
    "wanted",
    built_in="yes",
    reachable="yes",
    on="no",
    proven="no",
    note="it has reported once",
    state="spent",
    remedy="reboot",
    boot_id="b1",
    evidence=(Reading("dmesg", "BUG: KASAN"), Reading(CONFIG, "CONFIG_KASAN=y, CONFIG_KASAN_GENERIC=y")),
)
FTRACE = InstrumentState(
    "ftrace",
    "required",
    built_in="yes",
    reachable="yes",
    on="yes",
    proven="yes",
    state="proven",
    boot_id="b1",
    evidence=(
        Reading("proof: hits", "12 functions"),
        Reading("/sys/kernel/tracing", "tracefs"),
        Reading("/proc/kallsyms", "register_ftrace_function"),
    ),
)
ABSENT = InstrumentState(
    "kcsan",
    "off",
    built_in="no",
    reachable="no",
    on="no",
    proven="no",
    note="this kernel is built without it",
    state="absent",
    boot_id="b1",
    evidence=(Reading(CONFIG, "CONFIG_KCSAN=n"),),
)
UNKNOWN = InstrumentState("lockdep", "wanted", boot_id="b1", evidence=(Reading("/proc/lockdep_stats", "denied", True),))
TOOL = InstrumentState("coccinelle", "off", reachable="no", on="no", proven="no", state="off", note="spatch is missing")
PLAN = "net-smoke"


def look(*states: InstrumentState, later: float = 60.0) -> InstrumentLook:
    """What a look found, so many seconds after the run."""
    return InstrumentLook("vm", START + timedelta(seconds=later), states)


def ran(*states: InstrumentState) -> Story:
    """A run that told of these."""
    story = Story()
    for each in states:
        story.tell(each, Stage.INSTRUMENTATION)
    return story


def asked_and_found() -> tuple[Row, ...]:
    """A whole matrix."""
    return rows(CATALOGUE, told(ran(SPENT, FTRACE).events), look(ABSENT, TOOL, UNKNOWN), PLAN)
