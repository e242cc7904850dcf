"""Instruments that no single kernel can have, and kernels that environments have for them. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from kdeploy_gui.model.environment import Environment, Kernel
from kdeploy_gui.model.instrument import Instrument
from kdeploy_gui.model.plan import Instrumentation, Want
from kdeploy_gui.model.problem import Problem


def kernels_for(environment: Environment, instrument: str) -> tuple[Kernel, ...]:
    """The kernels of an environment that are named after an instrument."""
    return tuple(each for each in environment.kernels if instrument in each.name.lower())


def conflicts(
    instrumentation: Instrumentation, catalogue: Sequence[Instrument], environments: Sequence[Environment]
) -> Iterator[Problem]:
    """What a plan requires of one kernel that none can give, with the kernels that could each give a part."""
    required = [each for each in catalogue if instrumentation.wants.get(each.name) is Want.REQUIRED]
    for one, other in combinations(required, 2):
        reason = one.excludes.get(other.name) or other.excludes.get(one.name)
        if reason:
            message = f"no kernel can have both {one.title} and {other.title} ({reason})"
            advice = f"require one of them, and the other in a plan of its own{_kernels(one, other, environments)}"
            yield Problem(f"{message}: {advice}", f"instrumentation.{other.name}")


def _kernels(one: Instrument, other: Instrument, environments: Sequence[Environment]) -> str:
    found = [
        f"{environment.name} has kernel '{kernel.name}'"
        for environment in environments
        for instrument in (one, other)
        for kernel in kernels_for(environment, instrument.name)
    ]
    return f"; {', '.join(found)}" if found else ""
