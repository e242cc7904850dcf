"""Consoles in one process: opened once for all who listen, again whenever they end, closed with the last listener."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest

from kdeploy_gui.clock import SystemClock
from kdeploy_gui.defaults import CONSOLE_PAUSES
from kdeploy_gui.engine.consoles import ConsoleHub, Listening
from kdeploy_gui.environments.memory_console import MemoryConsole, MemoryConsoles
from kdeploy_gui.errors import NetworkError, PlanError
from kdeploy_gui.model.console import Link, LinkState, Piece
from kdeploy_gui.model.environment import Environment
from tests.engine.steps import until
from tests.rehearsal import JumpingClock

A = Environment(name="a", host="a.invalid")


class HaltingClock(JumpingClock):
    """Sleeps end only when they are told to."""

    def __init__(self) -> None:
        super().__init__()
        self.sleeping = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.sleeping.clear()
        await self.sleeping.wait()


@dataclass
class Ear:
    """Somebody who listens."""

    data: bytes = b""
    states: list[LinkState] = field(default_factory=list)

    def hear(self, piece: Piece) -> None:
        self.data += piece.data

    def tell(self, state: LinkState) -> None:
        self.states.append(state)

    @property
    def links(self) -> list[Link]:
        return [each.link for each in self.states]

    def at(self, hub: ConsoleHub) -> Listening:
        return hub.listen(A, self.hear, self.tell)


async def opened(consoles: MemoryConsoles, count: int = 1) -> None:
    await until(lambda: len(consoles.opened["a"]) == count, f"{count} openings")


async def test_all_listeners_share_one_console_and_the_last_one_closes_it() -> None:
    consoles = MemoryConsoles()
    hub = ConsoleHub(consoles, SystemClock())
    one, two = Ear(), Ear()
    first = one.at(hub)
    await until(lambda: one.links == [Link.OPENING, Link.OPEN], "the console to be open")
    second = two.at(hub)
    assert two.states == [LinkState(Link.OPEN, "memory")]
    consoles.opened["a"][0].print(b"login: ")
    await until(lambda: one.data == two.data == b"login: ", "both to hear it")
    await second.write(b"root\n")
    assert consoles.opened["a"][0].typed == b"root\n"
    await first.close()
    consoles.opened["a"][0].print(b"more")
    await until(lambda: two.data.endswith(b"more"), "the rest to be heard")
    assert not one.data.endswith(b"more")
    await second.close()
    assert consoles.opened["a"][0].ended == "closed here"
    assert len(consoles.opened["a"]) == 1


async def test_a_console_that_ends_is_opened_again_with_growing_pauses() -> None:
    consoles = MemoryConsoles()
    clock = JumpingClock()
    consoles.failures["a"] = [NetworkError("E-CONSOLE-TCP", "connection refused") for _ in range(8)]
    hub, ear = ConsoleHub(consoles, clock), Ear()
    listening = ear.at(hub)
    await opened(consoles)
    assert clock.waits == [*CONSOLE_PAUSES, CONSOLE_PAUSES[-1]]
    assert ear.states[2] == LinkState(Link.OPENING, "connection refused")
    assert ear.states[3] == LinkState(Link.WAITING, "connection refused; trying again in 0.5 s")
    await until(lambda: ear.links[-1] is Link.OPEN, "it to be open")
    clock.elapsed += 60
    consoles.opened["a"][0].break_off("the server closed the connection")
    await opened(consoles, 2)
    assert clock.waits[-1] == CONSOLE_PAUSES[0]
    await listening.close()


async def test_what_is_typed_while_it_is_not_open_is_refused() -> None:
    consoles = MemoryConsoles()
    consoles.failures["a"] = [NetworkError("E-CONSOLE-TCP", "connection refused")]
    hub, ear = ConsoleHub(consoles, HaltingClock()), Ear()
    listening = ear.at(hub)
    await until(lambda: ear.links[-1] is Link.WAITING, "it to wait")
    with pytest.raises(NetworkError) as caught:
        await listening.write(b"x")
    assert caught.value.code == "E-CONSOLE-LOST"
    assert "connection refused" in caught.value.message
    await listening.close()


async def test_a_machine_that_was_switched_on_is_not_waited_for() -> None:
    consoles = MemoryConsoles()
    consoles.failures["a"] = [NetworkError("E-CONSOLE-TCP", "shut off")]
    hub, ear = ConsoleHub(consoles, HaltingClock()), Ear()
    listening = ear.at(hub)
    await until(lambda: ear.links[-1] is Link.WAITING, "it to wait")
    listening.hurry()
    await opened(consoles)
    await listening.close()


async def test_one_that_is_switched_on_while_it_is_looked_at_is_not_waited_for_either() -> None:
    looking = asyncio.Event()

    class SlowConsoles(MemoryConsoles):
        async def open(self, environment: Environment) -> MemoryConsole:
            if self.failures["a"]:
                await looking.wait()
            return await super().open(environment)

    consoles = SlowConsoles()
    consoles.failures["a"] = [NetworkError("E-CONSOLE-TCP", "shut off")]
    hub, ear = ConsoleHub(consoles, HaltingClock()), Ear()
    listening = ear.at(hub)
    await asyncio.sleep(0)
    listening.hurry()
    looking.set()
    await opened(consoles)
    await listening.close()


async def test_what_no_way_leads_to_is_told_once_and_not_tried_again() -> None:
    consoles = MemoryConsoles()
    consoles.failures["a"] = [PlanError("E-CONSOLE-NONE", "names no console")]
    hub, ear = ConsoleHub(consoles, JumpingClock()), Ear()
    listening = ear.at(hub)
    await until(lambda: ear.links == [Link.OPENING, Link.NONE], "the refusal")
    late = Ear()
    second = late.at(hub)
    assert late.states == [LinkState(Link.NONE, "names no console")]
    await listening.close()
    await second.close()
    assert not consoles.opened["a"]


async def test_closing_all_ends_every_console() -> None:
    consoles = MemoryConsoles()
    hub, ear = ConsoleHub(consoles, SystemClock()), Ear()
    listening = ear.at(hub)
    await opened(consoles)
    await hub.close()
    assert consoles.opened["a"][0].ended == "closed here"
    await listening.close()
