"""Readiness validation: every check runs; READY is bound to this boot, this kernel and this manifest."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

from kdeploy_gui.engine.checks import readiness_checks, refusal, with_reason, with_remedy, words_of
from kdeploy_gui.engine.context import Context
from kdeploy_gui.engine.probes import probe, probe_checks
from kdeploy_gui.errors import ReadinessError
from kdeploy_gui.model.event import CheckDone, FactFound, InstrumentState
from kdeploy_gui.model.plan import Want
from kdeploy_gui.model.readiness import DEPLOYED_NOT_READY
from kdeploy_gui.model.run import fold


async def run(context: Context) -> None:
    """Look at the machine again and mark it READY. Raises ReadinessError that names every failed check."""
    target = await context.target()
    if context.plan.takes_back:
        await context.mark(False, f"run {context.plan.takes_back} was taken back by run {context.run}")
        return
    manifest = context.manifest()
    boot_id = context.known.boot_id
    query = replace(context.query, health=True, programs=(), folders=(), options=())
    facts = await context.look(replace(query, files=tuple(each.path for each in manifest)))
    for name, value in facts.health.warnings() if facts.health else ():
        context.emit(FactFound(name, value))
    limits = context.plan.validation
    checks = (
        *readiness_checks(limits, boot_id, facts, manifest),
        *probe_checks(limits, await probe(target, limits, facts)),
        *await _instruments(context),
    )
    remedies, name = context.ports.remedies, context.environment.name
    checks = tuple(with_remedy(each, remedies, name) for each in checks)
    for number, check in enumerate(checks, 1):
        context.emit(check)
        context.progress(number, len(checks), "checks", check.check)
    failed = [each for each in checks if not each.ok]
    if failed:
        await context.mark(False, "; ".join(map(words_of, failed)))
        again = ReadinessError("E-CHECK-AGAIN", "", run=str(context.plan.validates or context.run))
        raise refusal(
            failed,
            f"{len(failed)} of {len(checks)} checks failed",
            on_target=DEPLOYED_NOT_READY,
            then=remedies.remedy(again, name),
        )
    run = context.plan.validates
    whose = f", and the files are those of run {run}" if run else ""
    await context.mark(True, f"all {len(checks)} checks passed in run {context.run}{whose}")


async def _instruments(context: Context) -> tuple[CheckDone, ...]:
    """Whether what was seen working still is on: by the stage before, or by the run that is validated again."""
    again = context.plan.validates
    before = await _rows_of(context, again) if again else _found(context)
    if not before:
        return ()
    target = await context.target()
    now = await context.ports.instruments.detect(target, list(before))
    if again:
        context.findings.update(now)
    return tuple(
        with_reason(
            CheckDone(
                f"instrument {name}",
                now[name].state.is_on,
                state if now[name].state.is_on else f"{now[name].state}: {now[name].note}",
                "on, as it was found",
            ),
            "E-CHECK-INSTRUMENT",
            now[name].shown or "nothing of it could be read",
        )
        for name, state in before.items()
        if state
    )


def _found(context: Context) -> Mapping[str, str]:
    return {name: each.state.value for name, each in context.findings.items() if each.state.is_on}


async def _rows_of(context: Context, run: int) -> Mapping[str, str]:
    """The instruments that a run looked at; with a state those that worked, or had to."""
    events = await asyncio.to_thread(context.ports.log.events, run)
    rows = fold(events).environments[context.environment.name].instruments
    return {name: each.state if _counts(each) else "" for name, each in rows.items()}


def _counts(row: InstrumentState) -> bool:
    return row.on == "yes" or row.wanted == Want.REQUIRED.value
