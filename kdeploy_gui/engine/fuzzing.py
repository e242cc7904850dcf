"""A fuzzing set-up for machines of the lab: its configuration, and what they and this workstation lack for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from kdeploy_gui import resources
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.fuzz_rules import Look, forwards, memory, of_build, root, same_build
from kdeploy_gui.errors import KdeployError, PlanError
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.facts import FactsQuery
from kdeploy_gui.model.fuzzing import FuzzRequest, FuzzSetup, KernelBuild, Precondition, Sandbox, SmokeTest
from kdeploy_gui.ports import Fuzzer

INSTRUMENT = "syzkaller"
"""The catalogue's entry that names the kernel options."""
QEMU = "qemu"
"""The type of machines that syz-manager boots itself."""
NAMESPACES = ("NAMESPACES", "UTS_NS", "PID_NS", "NET_NS", "USER_NS")
"""Options that test programs need which are kept in namespaces."""
ANSWERED = 60.0
"""Seconds for what a machine is asked."""


@dataclass(frozen=True, slots=True)
class FuzzPreparing:
    """Prepares set-ups; nothing changes on the machines."""

    ports: Ports
    fuzzer: Fuzzer

    async def prepare(self, environments: Sequence[Environment], request: FuzzRequest) -> FuzzSetup:
        """The set-up of these machines; one that cannot be reached leaves its preconditions unknown.

        Raises what `Fuzzer.configuration` raises, and E-SYZ-ARCH where nobody tells the architecture.
        """
        kind = self.fuzzer.way(environments, request)
        place = await asyncio.to_thread(self.fuzzer.place, request)
        looks = await asyncio.gather(*(self._look(each) for each in environments)) if kind != QEMU else []
        machine = await self._machine(environments[0], looks, request.arch)
        text = await asyncio.to_thread(self.fuzzer.configuration, environments, request, machine)
        build = await asyncio.to_thread(self.fuzzer.build, request)
        found = [*await self.fuzzer.here(environments, request, machine), of_build(build)]
        for look in looks:
            found += self._of_board(look, request, build)
        if kind == QEMU:
            found += self._of_guest(environments[0], request, build)
        return FuzzSetup(type=kind, target=machine, syzkaller=place, text=text, preconditions=tuple(found))

    async def smoke(
        self,
        environments: Sequence[Environment],
        setup: FuzzSetup,
        config: Path,
        seconds: float,
        output: Callable[[bytes], None],
    ) -> SmokeTest:
        """Have syz-manager test the set-up. Boards are locked meanwhile, so that no run goes to them."""
        async with AsyncExitStack() as locks:
            for name in sorted(each.name for each in environments if setup.type != QEMU):
                waits = partial(_tell_waiting, output, name)
                await locks.enter_async_context(self.ports.locks.hold(name, 0, waits))
            return await self.fuzzer.smoke(config, setup.syzkaller, seconds, output)

    async def _look(self, environment: Environment) -> Look:
        config, options = self._options()
        try:
            async with asyncio.timeout(ANSWERED):
                target = await self.ports.connector.connect(environment)
                try:
                    facts = await target.facts(FactsQuery(options=(*config, *options, *NAMESPACES)))
                    done = await target.execute(
                        Command(resources.text("remote/forwarding.sh"), title="settings of sshd")
                    )
                finally:
                    await target.close()
        except KdeployError as error:
            return Look(environment, why=error.message)
        except TimeoutError:
            return Look(environment, why=f"it did not answer within {ANSWERED:.0f} s")
        return Look(environment, facts, done.text.strip().lower())

    def _options(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        entry = next(each for each in self.ports.instruments.all() if each.name == INSTRUMENT)
        return entry.config, entry.options

    async def _machine(self, environment: Environment, looks: Sequence[Look], named: str) -> str:
        """What the machines are, `named` or not. Raises PlanError where nobody tells, or where they differ."""
        machines = {named, *(each.facts.machine for each in looks if each.facts is not None)}
        why = "; ".join(f"{each.environment.name}: {each.why}" for each in looks if each.why)
        if not looks and not named:
            try:
                machines = {(await self.ports.guests.boot_source(environment)).arch} if environment.is_guest else set()
            except KdeployError as error:
                why = error.message
        machines -= {""}
        if len(machines) > 1:
            found = ", ".join(sorted(machines))
            raise PlanError("E-SYZ-MIX", f"one set-up has one architecture, and these are several: {found}")
        if not machines:
            because = f" ({why})" if why else ""
            raise PlanError("E-SYZ-ARCH", f"nobody tells which architecture {environment.name} is{because}")
        return machines.pop()

    def _of_board(self, look: Look, request: FuzzRequest, build: KernelBuild | None) -> Iterator[Precondition]:
        name, facts = look.environment.name, look.facts
        reached = None if facts is None else True
        yield Precondition(environment=name, subject="reached", met=reached, text=look.why or look.environment.address)
        release = f"the kernel that it runs, {facts.kernel_release}" if facts is not None else ""
        options = facts.options if facts is not None else None
        because = look.why if facts is None else "its kernel's configuration cannot be read"
        yield from self._of_options(name, request, options, release, because)
        yield from (same_build(look, build), root(look), forwards(look), memory(look))

    def _of_guest(
        self, environment: Environment, request: FuzzRequest, build: KernelBuild | None
    ) -> Iterator[Precondition]:
        """A guest that syz-manager boots is not the one that runs now: only the build tells of its kernel."""
        because = "no --kernel-obj names the build of the kernel, whose .config would tell"
        if build is not None:
            because = f"there is no .config in {request.kernel_obj}"
        options = build.options if build is not None else None
        yield from self._of_options(environment.name, request, options, f"{request.kernel_obj}/.config", because)
        why = "a kernel image does not tell its build id: take both from one build"
        yield same_build(Look(environment, why=why), build)

    def _of_options(
        self, name: str, request: FuzzRequest, options: frozenset[str] | None, source: str, because: str
    ) -> Iterator[Precondition]:
        config, more = self._options()
        inside = NAMESPACES if request.sandbox is Sandbox.NAMESPACE else ()
        for option in dict.fromkeys((*config, *inside, *more)):
            met = None if options is None else option in options
            yield Precondition(
                environment=name,
                subject=f"CONFIG_{option}",
                met=met,
                text=because if met is None else f"{'set' if met else 'not set'} in {source}",
                remedy="boot a kernel that is built with it" if met is False else "",
                required=option in inside or (option in config and (request.cover or not option.startswith("KCOV"))),
            )


def _tell_waiting(output: Callable[[bytes], None], name: str, holder: str) -> None:
    output(f"{name} is {holder}, which is waited for\n".encode())
