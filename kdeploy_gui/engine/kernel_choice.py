"""Which kernel a plan needs a machine to boot, and with which parameters: decided, not done."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.exclusions import kernels_for
from kdeploy_gui.engine.kernels import CMDLINE, running_image
from kdeploy_gui.errors import Evidence, PlanError, TargetError
from kdeploy_gui.model.environment import Environment, Kernel
from kdeploy_gui.model.guest import BootSource, DirectBoot
from kdeploy_gui.model.instrument import Finding, State
from kdeploy_gui.model.kernel import missing_words
from kdeploy_gui.model.kernel_params import lacking
from kdeploy_gui.model.plan import Instrumentation, Want
from kdeploy_gui.ports import Target

NOT_READY = "The files are deployed; the environment is not READY."


@dataclass(frozen=True, slots=True)
class Change:
    """A kernel to be booted with `params`; `lacking` are those that miss now.

    One that is not `required` is for instruments that are only wanted.
    """

    kernel: Kernel
    params: tuple[str, ...] = ()
    lacking: tuple[str, ...] = ()
    required: bool = True

    @property
    def words(self) -> str:
        """The kernel and what is new on its command line, for people."""
        return f"{self.kernel.name} with {' '.join(self.lacking)}" if self.lacking else self.kernel.name


async def change_due(
    ports: Ports, environment: Environment, settings: Instrumentation, target: Target, found: Mapping[str, Finding]
) -> Change | None:
    """The boot that a plan needs; None: none, or none that the plan allows. Changes nothing.

    Raises TargetError E-KERNEL-PARAMS and PlanError E-KERNEL-NONE where parameters miss that no boot can bring.
    """
    misses = await _lacking(target, settings.kernel_params)
    if misses and not settings.may_reboot:
        message = f"the command line of its kernel lacks {' '.join(misses)}, and the plan allows no reboot"
        raise TargetError("E-KERNEL-PARAMS", message, on_target=NOT_READY, parameters=" ".join(misses))
    brings = kernel_that_brings(environment, found, settings.wants) if settings.may_reboot else None
    if brings is None and not misses:
        return None
    if not environment.is_guest:
        kernel = await _of_board(environment, target)
        if brings is not None and (kernel is None or kernel.image != brings.image):
            return _to(brings, settings, misses)
        return _change(environment, kernel, settings, misses)
    source = await ports.guests.boot_source(environment)
    if brings is not None and (source.running is None or source.running.image != brings.image):
        return _to(brings, settings, misses)
    others = [each.name for each in ports.instruments.all() if settings.wants.get(each.name, Want.OFF) is Want.OFF]
    return _change(environment, kernel_now(environment, source, others), settings, misses)


def _to(kernel: Kernel, settings: Instrumentation, misses: tuple[str, ...]) -> Change:
    return Change(kernel, settings.kernel_params, misses, required=Want.REQUIRED in settings.wants.values())


def _change(
    environment: Environment, kernel: Kernel | None, settings: Instrumentation, misses: tuple[str, ...]
) -> Change | None:
    if not misses:
        return None
    if kernel is None:
        message = f"{environment.name} {_why_none(environment)}, so it cannot be given {' '.join(misses)}"
        raise PlanError("E-KERNEL-NONE", message, on_target=NOT_READY, parameters=" ".join(misses))
    return Change(kernel, settings.kernel_params, misses)


def _why_none(environment: Environment) -> str:
    if not environment.is_guest:
        return "runs a kernel that the lab file does not name"
    if environment.kernels:
        names = ", ".join(each.name for each in environment.kernels)
        return (
            f"has a boot loader of its own, and kernels of instruments alone ({names}) that the plan does not ask for"
        )
    return "has a boot loader of its own, and no kernel in the lab file"


async def _lacking(target: Target, params: Sequence[str]) -> tuple[str, ...]:
    if not params:
        return ()
    done = await target.execute(CMDLINE)
    if done.status:
        evidence = Evidence(CMDLINE.script, done.status, done.error_text)
        message = "the command line of its kernel cannot be read"
        raise TargetError("E-COMMAND", message, evidence=evidence, on_target=NOT_READY)
    return lacking(params, done.text)


def kernel_that_brings(
    environment: Environment, found: Mapping[str, Finding], wants: Mapping[str, Want]
) -> Kernel | None:
    """The kernel with most of what is required and absent; where nothing is required, of what is wanted.

    A kernel is taken to have the instruments that it is named after. Pure.
    """
    asked = {name: wants.get(name, Want.OFF) for name in found}
    want = Want.REQUIRED if Want.REQUIRED in asked.values() else Want.WANTED
    absent = [name for name, each in found.items() if each.state is State.ABSENT and asked[name] is want]
    counts = {each.name: sum(each in kernels_for(environment, name) for name in absent) for each in environment.kernels}
    best = max(environment.kernels, key=lambda each: counts[each.name], default=None)
    return best if best is not None and counts[best.name] else None


def kernel_now(environment: Environment, source: BootSource, others: Iterable[str]) -> Kernel | None:
    """The kernel that a guest runs, as its lab entry has it, else as it is defined. Pure.

    One with a boot loader of its own gets the first of its lab entry that is not named after one of the `others`,
    instruments that nobody asks for.
    """
    running = source.running
    if running is None:
        foreign = {each.name for name in others for each in kernels_for(environment, name)}
        return next((each for each in environment.kernels if each.name not in foreign), None)
    named = [each for each in environment.kernels if running.is_of(each)]
    exact = (each for each in named if not missing_words(each.cmdline, running.cmdline))
    return next(iter([*exact, *named]), None) or _unnamed(running, source.defined)


def _unnamed(running: DirectBoot, defined: DirectBoot | None) -> Kernel:
    """What runs; with the line of its definition where that has the same image."""
    line = defined.cmdline if defined is not None and running.is_of(defined) else running.cmdline
    return Kernel(running.image, running.image, running.initrd, line)


async def _of_board(environment: Environment, target: Target) -> Kernel | None:
    """The kernel of its lab entry that a board runs."""
    if not environment.kernels:
        return None
    images = tuple(dict.fromkeys(each.image for each in environment.kernels))
    image = await running_image(target, images)
    return next((each for each in environment.kernels if each.image == image), None)
