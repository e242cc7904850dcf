"""The kernel that a plan's instruments and parameters need, booted in the middle of a run."""

from __future__ import annotations

from collections.abc import Mapping

from kdeploy_gui.engine.board_kernel import BoardSwitch
from kdeploy_gui.engine.context import Context
from kdeploy_gui.engine.kernel_choice import NOT_READY, Change, change_due
from kdeploy_gui.engine.kernels import KernelSwitch
from kdeploy_gui.errors import GuestError, TargetError
from kdeploy_gui.model.event import FactFound
from kdeploy_gui.model.instrument import Finding
from kdeploy_gui.model.kernel import KernelBooted


async def change_kernel(context: Context, found: Mapping[str, Finding]) -> bool:
    """Boot the kernel that brings what is absent and the parameters that miss, where the plan allows a reboot.

    What was done before is done again in it. Raises as `change_due`, `KernelSwitch.boot` and `BoardSwitch.boot` where
    that was required; where it was only wanted, the run goes on as it was and says why.
    """
    target = await context.target()
    change = await change_due(context.ports, context.environment, context.plan.instrumentation, target, found)
    if change is None:
        return False
    await context.disconnect()
    try:
        booted = await _boot(context, change)
    except (GuestError, TargetError) as error:
        if change.lacking:
            error.message += f" (it was to run {change.words})"
        context.emit(FactFound("warning_kernel", f"{error.message}. {error.on_target}"))
        if change.required:
            raise
        if change.lacking:
            await change_kernel(context, {})
    else:
        context.emit(FactFound("kernel_booted", f"{booted.release} ({change.words}), booted by this run"))
    await context.target()
    await context.catch_up()
    return True


async def _boot(context: Context, change: Change) -> KernelBooted:
    """Boot it; a board that cannot leave its kernel is told what is to be done by hand. Raises TargetError."""
    ports, environment = context.ports, context.environment
    if environment.is_guest:
        last_lines = context.console.last_lines
        switch = KernelSwitch(ports=ports, environment=environment, tell=context.emit, console=last_lines)
        return await switch.boot(change.kernel, change.params)
    board = BoardSwitch(ports=ports, environment=environment, tell=context.emit)
    try:
        return await board.boot(change.kernel, change.params)
    except TargetError as error:
        if error.code == "E-POWER-BOOT":
            error.on_target = NOT_READY
        if error.code != "E-POWER-BOOT" or not change.lacking:
            raise
        parameters = " ".join(change.lacking)
        raise TargetError("E-KERNEL-KEXEC", error.message, on_target=NOT_READY, parameters=parameters) from error
