"""Another kernel for a board that has kexec, from files that are on the board; a power cycle leads back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from kdeploy_gui import defaults, resources
from kdeploy_gui.engine import power
from kdeploy_gui.engine.boot import is_down
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.reboot import refuse_workstation
from kdeploy_gui.errors import KdeployError, NetworkError, TargetError
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.environment import Environment, Kernel, PowerAction
from kdeploy_gui.model.event import Body, StageProgress
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.kernel import KernelBooted, merged, missing_words

CMDLINE = Command("cat /proc/cmdline", title="command line")
POWER_CYCLE = "Not known. A power cycle returns to the kernel that it boots by itself."


@dataclass(kw_only=True)
class KexecSwitch:
    """One change of the kernel of one board; `tell` hears how far it is.

    Whoever has a connection to the board lets go of it before, and finds another boot after it.
    """

    ports: Ports
    environment: Environment
    tell: Callable[[Body], None] = field(default=lambda body: None)

    async def boot(self, kernel: Kernel, params: Sequence[str] = ()) -> KernelBooted:
        """Leave the running kernel for another one and prove that it was booted; image and initrd are paths there.

        Raises TargetError E-POWER-SELF and E-POWER-BOOT before anything changes, E-KERNEL-BOOT where it does not come
        up or is not what was ordered: then it is switched off and on where there are commands for that.
        """
        started = self.ports.clock.monotonic()
        before, running = await self._look()
        cmdline = merged(kernel.cmdline or running, params, running)
        await self._load(kernel, cmdline)
        await power.drop_mark(self.ports, self.environment, "another kernel was booted by kdeploy")
        self._say(f"booting the kernel {kernel.name}")
        try:
            facts, now = await self._other_boot(before.boot_id)
            if missing := missing_words(cmdline, now):
                raise TargetError("E-KERNEL-BOOT", f"its command line lacks {' '.join(missing)}", kernel=kernel.name)
        except KdeployError as error:
            raise await self._taken_back(kernel, error, before) from error
        seconds = round(self.ports.clock.monotonic() - started, 3)
        name, old = self.environment.name, before.kernel_release
        return KernelBooted(name, kernel.name, facts.kernel_release, facts.kernel_build, now, seconds, old)

    async def _look(self) -> tuple[Facts, str]:
        target = await self.ports.connector.connect(self.environment)
        try:
            facts = await target.facts(FactsQuery())
            refuse_workstation(self.environment, facts)
            return facts, (await target.execute(CMDLINE)).text.strip()
        finally:
            await target.close()

    async def _load(self, kernel: Kernel, cmdline: str) -> None:
        arguments = (kernel.image, kernel.initrd, cmdline)
        target = await self.ports.connector.connect(self.environment)
        try:
            done = await target.execute(Command(resources.text("remote/kexec.sh"), arguments, title="kexec"))
        finally:
            await target.close()
        answer, _, why = done.text.strip().partition("\t")
        if answer != "loaded":
            message = f"{self.environment.name} cannot boot {kernel.name} by itself: {why or done.error_text}"
            raise TargetError("E-POWER-BOOT", message, on_target="Nothing was changed.", kernel=kernel.name)

    async def _other_boot(self, before: str) -> tuple[Facts, str]:
        """What runs once it is another boot. Raises NetworkError E-BOOT after the time that a boot may take."""
        clock, limit = self.ports.clock, self.environment.boot_timeout or defaults.BOOT_TIMEOUT
        end, last = clock.monotonic() + limit, "it still runs what it ran"
        while clock.monotonic() < end:
            await clock.sleep(defaults.BOOT_POLL)
            try:
                facts, cmdline = await self._look()
            except NetworkError as error:
                if not is_down(error):
                    raise
                last = error.message
                continue
            if facts.boot_id != before:
                return facts, cmdline
        raise NetworkError("E-BOOT", f"no other boot within {limit:.0f} s: {last}", limit=f"{limit:.0f}")

    async def _taken_back(self, kernel: Kernel, error: KdeployError, before: Facts) -> TargetError:
        state = POWER_CYCLE
        if not self.environment.power.lacks(PowerAction.RESET):
            self._say("going back to the kernel that it boots by itself")
            try:
                await power.switch(self.ports, self.environment, PowerAction.RESET)
                facts, _ = await self._other_boot(before.boot_id)
                state = f"It was switched off and on, and runs {facts.kernel_release}."
            except KdeployError as lost:
                state = f"{POWER_CYCLE} Trying that failed: {lost.message}"
        message = f"{self.environment.name} did not come up with the kernel {kernel.name}: {error.message}"
        return TargetError("E-KERNEL-BOOT", message, on_target=state, evidence=error.evidence, kernel=kernel.name)

    def _say(self, note: str) -> None:
        self.tell(StageProgress(0, 0, "", note))
