"""Another kernel for a machine, booted by its name, proven to be the one that runs, and taken back where it is not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from kdeploy_gui import defaults, resources
from kdeploy_gui.engine.boot import Boot
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.power import drop_mark
from kdeploy_gui.errors import ArtifactError, GuestError, KdeployError, NetworkError, PlanError
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.environment import Environment, Kernel
from kdeploy_gui.model.event import Body, StageProgress
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.guest import BootSource, DirectBoot
from kdeploy_gui.model.kernel import (
    HEAD_BYTES,
    KernelBooted,
    KernelImage,
    differences,
    image_of,
    merged,
    missing_words,
)
from kdeploy_gui.model.problem import did_you_mean
from kdeploy_gui.ports import Content, Target

UNCHANGED = "Nothing was changed: it runs what it ran."
CMDLINE = Command("cat /proc/cmdline", title="command line")


def kernel_of(environment: Environment, name: str) -> Kernel:
    """The kernel of that name. Raises PlanError E-KERNEL-UNKNOWN."""
    for each in environment.kernels:
        if each.name == name:
            return each
    names = [each.name for each in environment.kernels]
    message = f"{environment.name} has no kernel '{name}' in the lab file{did_you_mean(name, names)}"
    raise PlanError("E-KERNEL-UNKNOWN", message, on_target=UNCHANGED, kernel=name)


@dataclass(frozen=True, slots=True)
class Running:
    """A kernel that runs."""

    facts: Facts
    cmdline: str


@dataclass(kw_only=True)
class KernelSwitch:
    """One change of the kernel of one guest; `tell` hears how far it is, `console` has its last lines.

    Whoever has a connection to the guest lets go of it before, and finds another boot after it.
    """

    ports: Ports
    environment: Environment
    tell: Callable[[Body], None] = field(default=lambda body: None)
    console: Callable[[], str] = field(default=lambda: "")

    async def boot(self, kernel: Kernel, params: Sequence[str] = ()) -> KernelBooted:
        """Boot a kernel with further parameters and prove that it runs; its definition stays as it is.

        Raises GuestError E-KERNEL-IMAGE before anything changes, E-KERNEL-BOOT where it does not come up or is not
        what was ordered: then the guest is back on what it ran before, or it says that it is not.
        """
        clock, guests = self.ports.clock, self.ports.guests
        started = clock.monotonic()
        source = await guests.boot_source(self.environment)
        image = await self._fitting(kernel, source)
        was_down = (await guests.status(self.environment)).state.is_down
        before = None if was_down else await self._before()
        known = before.cmdline if before else source.defined.cmdline if source.defined else ""
        cmdline = merged(kernel.cmdline or known, params, known)
        try:
            await self._switch_off()
            self._say(f"booting the kernel {kernel.name}")
            try:
                await guests.boot(self.environment, DirectBoot(kernel.image, kernel.initrd, cmdline))
                now = await self._proven(image, cmdline, before)
            except KdeployError as error:
                raise await self._taken_back(kernel, error, source, was_down=was_down) from error
        except asyncio.CancelledError:
            if not was_down:
                await asyncio.shield(asyncio.ensure_future(self._leave_running(source)))
            raise
        facts, seconds = now.facts, round(clock.monotonic() - started, 3)
        old = before.facts.kernel_release if before else ""
        return KernelBooted(
            self.environment.name, kernel.name, facts.kernel_release, facts.kernel_build, now.cmdline, seconds, old
        )

    async def _fitting(self, kernel: Kernel, source: BootSource) -> KernelImage:
        """The image, as far as it can be looked at from here. Raises GuestError E-KERNEL-IMAGE."""
        if urlsplit(self.environment.uri).hostname:
            return KernelImage("")
        try:
            for path in filter(None, (kernel.image, kernel.initrd)):
                head = await asyncio.to_thread(_head, self.ports.content, path)
                if path == kernel.image:
                    image = image_of(head)
        except ArtifactError as error:
            if error.code == "E-SOURCE-UNREADABLE" and source.running is not None and source.running.is_of(kernel):
                return KernelImage("")
            raise image_error(error.message, error.path) from error
        if image is None:
            raise image_error(f"{kernel.image} is no kernel image", kernel.image)
        if not image.fits(source.arch):
            message = f"{kernel.image} is a kernel for {image.arch}, {self.environment.domain} is {source.arch}"
            raise image_error(message, kernel.image)
        return image

    async def _before(self) -> Running | None:
        """What runs now; None where nobody answers, so that a kernel that hangs can be left, too."""
        try:
            return await self._look(await self.ports.connector.connect(self.environment))
        except (NetworkError, GuestError):
            return None

    async def _look(self, target: Target) -> Running:
        try:
            return await running_on(target)
        finally:
            await target.close()

    async def _switch_off(self) -> None:
        guests = self.ports.guests
        await drop_mark(self.ports, self.environment, "another kernel was booted by kdeploy")
        self._say("shutting down")
        if not await guests.shut_down(self.environment, defaults.SHUTDOWN_TIMEOUT):
            self._say("it does not shut down: the plug is pulled")
            await guests.force_off(self.environment)

    async def _proven(self, image: KernelImage, cmdline: str, before: Running | None) -> Running:
        now = await self._come_up()
        facts = now.facts
        found = list(differences(image, facts.kernel_release, facts.kernel_build, missing_words(cmdline, now.cmdline)))
        if before is not None and before.facts.boot_id == facts.boot_id:
            found.append("it was not booted at all (same boot id)")
        if found:
            raise GuestError("E-KERNEL-BOOT", "; ".join(found), kernel="")
        return now

    async def _come_up(self) -> Running:
        ports = self.ports
        boot = Boot(
            environment=self.environment,
            connector=ports.connector,
            power=ports.power,
            guests=ports.guests,
            clock=ports.clock,
            emit=self.tell,
            output=lambda data: None,
        )
        return await self._look(await boot.come_up())

    async def _taken_back(
        self, kernel: Kernel, error: KdeployError, source: BootSource, *, was_down: bool
    ) -> GuestError:
        """Go back to what ran before; the error that tells both."""
        evidence = replace(error.evidence, console=self.console())
        self._say("going back to the kernel before")
        try:
            state = await self._go_back(source, was_down=was_down)
        except KdeployError as lost:
            state = f"It is not back on the kernel before: {lost.message}"
        message = f"{self.environment.name} did not come up with the kernel {kernel.name}: {error.message}"
        return GuestError("E-KERNEL-BOOT", message, on_target=state, evidence=evidence, kernel=kernel.name)

    async def _leave_running(self, source: BootSource) -> None:
        """Nobody waits any more: the guest runs when we go, if with what it ran before."""
        guests, environment = self.ports.guests, self.environment
        if (await guests.status(environment)).state.is_down:
            await self._start(source)

    async def _start(self, source: BootSource) -> None:
        if source.running is not None and source.running != source.defined:
            await self.ports.guests.boot(self.environment, source.running)
        else:
            await self.ports.guests.start(self.environment)

    async def _go_back(self, source: BootSource, *, was_down: bool) -> str:
        guests, environment = self.ports.guests, self.environment
        await guests.force_off(environment)
        if was_down:
            return "It is shut off, as it was before."
        await self._start(source)
        now = await self._come_up()
        return f"It is back on the kernel before, {now.facts.kernel_release}."

    def _say(self, note: str) -> None:
        self.tell(StageProgress(0, 0, "", note))


async def running_on(target: Target) -> Running:
    """The kernel that a machine runs."""
    facts = await target.facts(FactsQuery())
    return Running(facts, (await target.execute(CMDLINE)).text.strip())


async def running_image(target: Target, images: tuple[str, ...]) -> str:
    """Which of these images, files on the machine, is the one that runs; empty: none, or that cannot be told."""
    done = await target.execute(Command(resources.text("remote/running_kernel.sh"), images, title="running kernel"))
    return done.text.removesuffix("\n")


def image_error(message: str, path: str) -> GuestError:
    """A kernel that cannot be booted there."""
    return GuestError("E-KERNEL-IMAGE", message, path=path, on_target=UNCHANGED)


def _head(content: Content, path: str) -> bytes:
    return next(content.read(path), b"")[:HEAD_BYTES]
