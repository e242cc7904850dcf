"""Changes of the lab file that can be taken back: removing, moving and tagging environments."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from kdeploy_gui.errors import KdeployError, PlanError
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.model.visible import visible
from kdeploy_gui.ui.session import Session

Change = tuple[Environment, Environment]
"""An environment before and after."""


class LabChanges:
    """Changes the lab file at once and offers the way back."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def remove(self, names: Sequence[str]) -> None:
        """Take environments out. Raises PlanError, LocalError; those that went before can be put back."""
        session, inventory = self._session, self._session.services.inventory
        ordered = _users_first(names, session.machines.environments)
        backs: list[Callable[[], None]] = []

        def take_out() -> KdeployError | None:
            try:
                for name in ordered:
                    removed = inventory.remove(name)
                    backs.append(partial(inventory.restore, removed))
            except KdeployError as error:
                return error
            return None

        refused = await session.bridge.ask(take_out)
        session.machines.reload()
        if backs:
            session.undo.offer(f"Removed {_told(ordered[: len(backs)])}", lambda: self._put_back(backs))
        if refused is not None:
            raise refused

    async def move(self, names: Iterable[str], group: str) -> None:
        """Move environments to a group. Raises PlanError, LocalError."""
        found = [each for name in names if (each := self._session.machines.get(name)) is not None]
        changes = [(each, replace(each, group=group)) for each in found if each.group != group]
        told = _told([each.name for each, _ in changes])
        problems = await self.write(changes, f"Moved {told} {f'to {visible(group)}' if group else 'out of groups'}")
        if problems:
            raise PlanError("E-LAB", "\n".join(map(str, problems)))

    async def tag(self, environments: Sequence[Environment], common: Sequence[str]) -> tuple[Problem, ...]:
        """Give environments these tags instead of those they have in common; returns why not. Raises LocalError."""
        before = common_tags(environments)
        changes = []
        for each in environments:
            own = [tag for tag in each.tags if tag not in before or tag in common]
            tags = (*own, *(tag for tag in common if tag not in own))
            if tags != each.tags:
                changes.append((each, replace(each, tags=tags)))
        return await self.write(changes, f"Changed the tags of {_told([each.name for each, _ in changes])}")

    async def write(self, changes: Sequence[Change], said: str) -> tuple[Problem, ...]:
        """Write changes up to the first that is refused; returns why it was. Raises LocalError."""
        session = self._session
        done: list[Change] = []

        def write() -> tuple[Problem, ...] | KdeployError:
            try:
                for before, after in changes:
                    problems = session.services.inventory.update(before.name, after, before)
                    if problems:
                        return problems
                    done.append((before, after))
            except KdeployError as error:
                return error
            return ()

        refused = await session.bridge.ask(write)
        session.machines.reload()
        if done:
            session.undo.offer(said, lambda: self._write_back(done))
        if isinstance(refused, KdeployError):
            raise refused
        return refused

    def _put_back(self, backs: Sequence[Callable[[], None]]) -> None:
        def put_back() -> None:
            for back in reversed(backs):
                back()

        self._session.bridge.spawn(self._then_read(put_back), name="put environments back")

    def _write_back(self, done: Sequence[Change]) -> None:
        def write() -> None:
            for before, after in reversed(done):
                problems = self._session.services.inventory.update(after.name, before, after)
                if problems:
                    raise PlanError("E-LAB", "\n".join(map(str, problems)))

        self._session.bridge.spawn(self._then_read(write), name="take a change of the lab file back")

    async def _then_read(self, work: Callable[[], None]) -> None:
        try:
            await self._session.bridge.ask(work)
        finally:
            self._session.machines.reload()


def common_tags(environments: Sequence[Environment]) -> tuple[str, ...]:
    """Tags that all of them have, in the order of the first."""
    first = environments[0].tags if environments else ()
    return tuple(tag for tag in first if all(tag in each.tags for each in environments))


def _told(names: Sequence[str]) -> str:
    return visible(names[0]) if len(names) == 1 else f"{len(names)} environments"


def _users_first(names: Iterable[str], environments: Iterable[Environment]) -> list[str]:
    """Machines that jump over others before those: none may stay behind without its jump host."""
    jumps = {each.name: each.jump for each in environments}

    def depth(name: str) -> int:
        hops = 0
        while (name := jumps.get(name, "")) and hops < len(jumps):
            hops += 1
        return hops

    return sorted(names, key=depth, reverse=True)
