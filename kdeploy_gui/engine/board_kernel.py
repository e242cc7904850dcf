"""Another kernel for a board, from files on it: by kexec, GRUB or extlinux.conf, proven and taken back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kdeploy_gui.engine import boot_ways, power
from kdeploy_gui.engine.boot import connected
from kdeploy_gui.engine.boot_ways import Armed
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.kernels import Running, running_image, running_on
from kdeploy_gui.engine.reboot import leave, other_boot, refuse_workstation
from kdeploy_gui.errors import KdeployError, TargetError
from kdeploy_gui.model.environment import Environment, Kernel, PowerAction
from kdeploy_gui.model.event import Body, StageProgress
from kdeploy_gui.model.kernel import KernelBooted, merged, missing_words, same_boot_image
from kdeploy_gui.ports import Target

LEFT = "What its boot loader had is put back with the next switch of kernels or `kdeploy power NAME reboot`."
POWER_CYCLE = "Not known. A power cycle returns to the kernel that it boots by itself."


@dataclass(kw_only=True)
class BoardSwitch:
    """One change of the kernel of one board; `tell` hears how far it is.

    Whoever has a connection to the board lets go of it before, and finds another boot after it.
    """

    ports: Ports
    environment: Environment
    tell: Callable[[Body], None] = field(default=lambda body: None)

    async def boot(self, kernel: Kernel, params: Sequence[str] = ()) -> KernelBooted:
        """Leave the running kernel for another one and prove that it was booted; image and initrd are paths there.

        Raises TargetError E-POWER-SELF and E-POWER-BOOT before anything changes, E-KERNEL-BOOT where it does not come
        up or is not what was ordered: then it is switched off and on where there are commands for that, and that leads
        back. Raises E-BOOT-KEPT where what its boot loader had cannot be put back.
        """
        started = self.ports.clock.monotonic()
        before = await self._look()
        refuse_workstation(self.environment, before.facts)
        await self._forget_interrupted()
        cmdline = merged(kernel.cmdline or before.cmdline, params, before.cmdline)
        armed = await self._leave(kernel, cmdline)
        now = await self._arrived(kernel, armed, before)
        why = _not_ordered(armed, cmdline, now)
        if why or (_is_same(before, now) and not await self._runs(kernel)):
            why = why or "nothing tells what runs from the kernel before"
            error = TargetError("E-KERNEL-BOOT", why, kernel=kernel.name)
            raise await self._taken_back(kernel, armed, error, before, now)
        seconds = round(self.ports.clock.monotonic() - started, 3)
        name, facts, old = self.environment.name, now.facts, before.facts.kernel_release
        return KernelBooted(name, kernel.name, facts.kernel_release, facts.kernel_build, now.cmdline, seconds, old)

    async def _forget_interrupted(self) -> None:
        for file in await self._put_back():
            self._say(f"put back {file}, which a switch of kernels that was interrupted had left")

    async def _put_back(self) -> list[str]:
        """The files of boot loaders that have their own lines again. Raises TargetError E-BOOT-KEPT."""
        async with connected(self.ports.connector, self.environment) as target:
            return [file for way in boot_ways.BOOT_LOADERS if (file := await boot_ways.put_back(target, way))]

    async def _look(self) -> Running:
        async with connected(self.ports.connector, self.environment) as target:
            return await running_on(target)

    async def _runs(self, kernel: Kernel) -> bool:
        """Whether the image is the one that runs, as far as images tell."""
        async with connected(self.ports.connector, self.environment) as target:
            return await running_image(target, (kernel.image,)) == kernel.image

    async def _leave(self, kernel: Kernel, cmdline: str) -> Armed:
        """Prepare it and go; where that is cut short, what its boot loader had is put back."""
        async with connected(self.ports.connector, self.environment) as target:
            try:
                return await self._gone(target, kernel, cmdline)
            except KdeployError as error:
                if not await self._leave_behind():
                    error.on_target = LEFT
                raise
            except asyncio.CancelledError:
                await asyncio.shield(asyncio.ensure_future(self._leave_behind()))
                raise

    async def _gone(self, target: Target, kernel: Kernel, cmdline: str) -> Armed:
        armed = await boot_ways.arm(target, self.environment, kernel, cmdline)
        await power.drop_mark(self.ports, self.environment, "another kernel was booted by kdeploy")
        self._say(armed.way.note.format(kernel.name))
        if armed.way is not boot_ways.KEXEC:
            await leave(target, self.environment)
        return armed

    async def _arrived(self, kernel: Kernel, armed: Armed, before: Running) -> Running:
        """What runs after it left; what its boot loader had is put back first of all."""
        try:
            now = await self._other_boot(before)
            if armed.way is not boot_ways.KEXEC:
                await self._put_back()
        except asyncio.CancelledError:
            if armed.way is not boot_ways.KEXEC:
                await asyncio.shield(asyncio.ensure_future(self._leave_behind()))
            raise
        except KdeployError as error:
            if error.code == "E-BOOT-KEPT":
                raise
            raise await self._taken_back(kernel, armed, error, before) from error
        return now

    async def _other_boot(self, before: Running) -> Running:
        """What runs once it is another boot. Raises NetworkError E-BOOT after the time that a boot may take."""
        await other_boot(self.ports, self.environment, before.facts.boot_id)
        return await self._look()

    async def _taken_back(
        self, kernel: Kernel, armed: Armed, error: KdeployError, before: Running, now: Running | None = None
    ) -> TargetError:
        """Go back to the kernel that it boots by itself; the error that tells both."""
        now = now or await self._still_there()
        if now is not None and _is_same(before, now):
            state = f"It is back on the kernel before, {now.facts.kernel_release}."
        elif now is None and armed.way.lasting:
            state = _at_the_console(armed)
        elif self.environment.power.lacks(PowerAction.RESET):
            state = POWER_CYCLE
        else:
            state = await self._reset(now or before)
        message = f"{self.environment.name} did not come up with the kernel {kernel.name}: {error.message}"
        return TargetError("E-KERNEL-BOOT", message, on_target=state, evidence=error.evidence, kernel=kernel.name)

    async def _still_there(self) -> Running | None:
        """What runs where it answers after all, with what its boot loader had put back."""
        try:
            await self._put_back()
            return await self._look()
        except KdeployError:
            return None

    async def _reset(self, last: Running) -> str:
        self._say("going back to the kernel that it boots by itself")
        try:
            await power.switch(self.ports, self.environment, PowerAction.RESET)
            now = await self._other_boot(last)
            await self._put_back()
        except KdeployError as lost:
            return f"{POWER_CYCLE} Trying that failed: {lost.message}"
        return f"It was switched off and on, and runs {now.facts.kernel_release}."

    async def _leave_behind(self) -> bool:
        """Nobody waits any more: whether what its boot loader had could be put back at once."""
        try:
            await self._put_back()
        except KdeployError as error:
            self._say(f"{LEFT} {error.message}")
            return False
        return True

    def _say(self, note: str) -> None:
        self.tell(StageProgress(0, 0, "", note))


def _not_ordered(armed: Armed, cmdline: str, now: Running) -> str:
    """What is other than it was ordered, empty: nothing. Pure."""
    if missing := missing_words(cmdline, now.cmdline):
        return f"its command line lacks {' '.join(missing)}"
    if not same_boot_image(armed.image, now.cmdline):
        return f"its boot loader has loaded another image than {armed.image}"
    return ""


def _is_same(before: Running, now: Running) -> bool:
    """Whether nothing tells what runs from what ran. Pure."""
    was, is_now = before.facts, now.facts
    kernels = (was.kernel_release, was.kernel_build), (is_now.kernel_release, is_now.kernel_build)
    return kernels[0] == kernels[1] and before.cmdline == now.cmdline


def _at_the_console(armed: Armed) -> str:
    return (
        f"Not known. It boots that kernel until somebody chooses {armed.label} in the menu of its boot loader, at its "
        f"console. The next switch of kernels then puts {armed.file} back; by hand: `mv {armed.kept} {armed.file}`."
    )
