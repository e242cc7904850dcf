"""Readiness validation: every check runs; READY is bound to this boot, this kernel and this manifest."""

from __future__ import annotations

from dataclasses import replace

from kdeploy_gui.engine.checks import readiness_checks
from kdeploy_gui.engine.context import Context
from kdeploy_gui.errors import ReadinessError
from kdeploy_gui.model.event import FactFound


async def run(context: Context) -> None:
    """Look at the machine again and mark it READY. Raises ReadinessError that names every failed check."""
    target = await context.target()
    if context.plan.takes_back:
        await context.mark(False, f"run {context.plan.takes_back} was taken back by run {context.run}")
        return
    manifest = context.manifest()
    boot_id = context.known.boot_id
    facts = await context.look(replace(context.query, health=True, programs=(), folders=(), options=()))
    for name, value in facts.health.warnings() if facts.health else ():
        context.emit(FactFound(name, value))
    states = await target.survey([each.path for each in manifest])
    checks = readiness_checks(context.plan.validation, boot_id, facts, manifest, states)
    for number, check in enumerate(checks, 1):
        context.emit(check)
        context.progress(number, len(checks), "checks", check.check)
    failed = [f"{each.check}: {each.value}, allowed {each.limit}" for each in checks if not each.ok]
    if failed:
        await context.mark(False, "; ".join(failed))
        raise ReadinessError(
            "E-CHECK",
            f"{len(failed)} of {len(checks)} checks failed: {'; '.join(failed)}",
            on_target="The files are deployed; the environment is not READY.",
            checks="; ".join(failed),
        )
    await context.mark(True, f"all {len(checks)} checks passed in run {context.run}")
