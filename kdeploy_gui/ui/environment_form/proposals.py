"""Hosts of ssh and guests of libvirt against the lab: which are new, and what each would become. Without Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from kdeploy_gui.model.environment import OWN_HYPERVISOR, Environment, guests_of
from kdeploy_gui.model.guest import GuestSeen
from kdeploy_gui.model.ssh_host import SshHost


@dataclass(frozen=True, slots=True)
class Proposal:
    """A host and its environment; `known` is the environment of the lab that is the same machine already."""

    alias: str
    environment: Environment
    known: str = ""
    left_out: tuple[str, ...] = ()

    @property
    def remark(self) -> str:
        """What the user should know before choosing it."""
        if self.known:
            return f"In the lab already as {self.known}"
        return "; ".join(f"Without {each}" for each in self.left_out)


@dataclass(frozen=True, slots=True)
class GuestProposal:
    """A guest and the name of its environment; `known`: the lab has it already, under that name."""

    guest: GuestSeen
    name: str
    known: bool = False

    @property
    def remark(self) -> str:
        """What the user should know before choosing it."""
        return "" if self.guest.persistent else "Transient: libvirt forgets it once it is off"

    @property
    def becomes(self) -> str:
        """The environment that it becomes, or is."""
        return f"In the lab already as {self.name}" if self.known else self.name


def guest_proposals(uri: str, seen: Sequence[GuestSeen], lab: Sequence[Environment]) -> tuple[GuestProposal, ...]:
    """What could be added of the guests that were seen at `uri`."""
    new = guests_of([each.name for each in seen], Environment(name="", host="", uri=uri), lab)
    names = {each.domain: each.name for each in new}
    known = {each.domain: each.name for each in lab if each.hypervisor == (uri or OWN_HYPERVISOR)}
    return tuple(
        GuestProposal(each, known.get(each.name) or names[each.name], each.name in known)
        for each in sorted(seen, key=lambda each: each.name)
    )


def proposals(hosts: Sequence[SshHost], lab: Sequence[Environment]) -> tuple[Proposal, ...]:
    """What could be added. Names that the lab gives to other machines get a number; jump hosts keep their way."""
    by_address = {_place(each): each.name for each in lab}
    taken = {each.name for each in lab}
    names: dict[str, str] = {}
    for host in hosts:
        known = by_address.get(_place(host.environment), "")
        name = known or _free(host.environment.name, taken)
        taken.add(name)
        names[host.environment.name] = name
    return tuple(
        Proposal(
            host.alias,
            replace(
                host.environment,
                name=names[host.environment.name],
                jump=names.get(host.environment.jump, host.environment.jump),
            ),
            by_address.get(_place(host.environment), ""),
            host.left_out,
        )
        for host in hosts
    )


def with_jump_hosts(chosen: Iterable[str], offered: Sequence[Proposal]) -> set[str]:
    """The chosen names and those of the new hosts on the way to them."""
    by_name = {each.environment.name: each for each in offered if not each.known}
    wanted: set[str] = set()
    left = list(chosen)
    while left:
        name = left.pop()
        if name in by_name and name not in wanted:
            wanted.add(name)
            left.append(by_name[name].environment.jump)
    return wanted


def _place(environment: Environment) -> tuple[str, int, str]:
    return environment.host.lower(), environment.port, environment.jump


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}-{number}"
    return free
