"""SSH connections that are used again: one to a jump host for all machines behind it, and those just let go of."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import asyncssh

from kdeploy_gui import defaults
from kdeploy_gui.environments.shell_facts import Unmoving
from kdeploy_gui.environments.ssh_connect import Hop
from kdeploy_gui.environments.ssh_trust import Tell, untold
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.environment import Environment

Way = tuple[Environment, ...]
"""The jump hosts and the machine behind them, with all their settings: other settings are another way."""
Dial = Callable[[Hop, Tell], Awaitable[asyncssh.SSHClientConnection]]


@dataclass(eq=False, slots=True)
class _Link:
    """A connection, and the way that leads to it."""

    way: Way
    connection: asyncssh.SSHClientConnection
    through: _Shared | None
    expiry: asyncio.TimerHandle | None = None
    unmoving: Unmoving = field(default_factory=Unmoving)

    async def answers(self) -> bool:
        """Whether the other end is there and runs commands."""
        try:
            async with asyncio.timeout(defaults.ALIVE_TIMEOUT):
                await self.connection.run(":")
        except (OSError, asyncssh.Error, TimeoutError):
            return False
        return True


@dataclass(eq=False, slots=True)
class _Shared:
    """A connection to a jump host, or the attempt to make one, and how many use it."""

    opening: asyncio.Task[_Link]
    users: int = 0
    expiry: asyncio.TimerHandle | None = None

    @property
    def is_usable(self) -> bool:
        """Whether it goes on, or may soon."""
        if not self.opening.done():
            return True
        if self.opening.cancelled() or self.opening.exception() is not None:
            return False
        return not self.opening.result().connection.is_closed()


@dataclass(eq=False, slots=True)
class Lease:
    """A connection for one user alone, and what is known of the machine behind it.

    `is_sound` is for its user to clear: it is then not used again.
    """

    connection: asyncssh.SSHClientConnection
    _release: Callable[[Lease], None]
    unmoving: Unmoving
    is_sound: bool = True
    _is_over: bool = field(default=False, init=False)

    def end(self) -> None:
        """Let go of it; more than once does no harm."""
        if not self._is_over:
            self._is_over = True
            self._release(self)


class Connections:
    """Connections by the way that leads to them, kept `keep` seconds after their last use."""

    def __init__(self, dial: Dial, keep: float) -> None:
        self._dial = dial
        self._keep = keep
        self._kept: dict[Way, _Link] = {}
        self._shared: dict[Way, _Shared] = {}

    async def lease(self, way: Way) -> Lease:
        """A connection that was kept and still answers, or a new one. Raises KdeployError."""
        self._forget_others(way)
        link = self._kept.pop(way, None)
        if link is not None:
            _stop(link.expiry)
            try:
                if await link.answers():
                    return self._leased(link)
            except BaseException:
                self._drop(link)
                raise
            self._drop(link)
        return await self.new(way)

    async def new(self, way: Way, tell: Tell = untold) -> Lease:
        """A new connection; `tell` each part of the last hop. Raises KdeployError."""
        return self._leased(await self._open(way, tell))

    @asynccontextmanager
    async def hop(self, way: Way) -> AsyncIterator[Hop]:
        """The last hop of a way while somebody looks at it, the jump hosts before it logged in. Raises KdeployError."""
        through = await self._enter(way)
        try:
            yield _hop(way, through)
        finally:
            self._leave(through)

    async def close(self) -> None:
        """Close what was kept; what is in use is closed by its users."""
        self._keep = 0.0
        for link in self._kept.values():
            _stop(link.expiry)
            self._drop(link)
        self._kept.clear()
        for shared in [each for each in self._shared.values() if not each.users]:
            self._forget(shared)

    async def _open(self, way: Way, tell: Tell = untold) -> _Link:
        through = await self._enter(way)
        try:
            return _Link(way, await self._dial(_hop(way, through), tell), through)
        except BaseException:
            self._leave(through)
            raise

    async def _enter(self, way: Way) -> _Shared | None:
        """Have the jump host before the end of a way. Raises KdeployError that names it."""
        before = way[:-1]
        if not before:
            return None
        shared = self._shared.get(before)
        self._forget_others(before)
        if shared is None or not shared.is_usable:
            shared = self._shared[before] = _Shared(_observed(self._open(before)))
        elif not shared.users:
            shared.opening = _observed(self._confirmed(shared.opening.result()))
        _stop(shared.expiry)
        shared.users += 1
        try:
            await asyncio.shield(shared.opening)
        except BaseException as error:
            self._leave(shared)
            if isinstance(error, KdeployError):
                raise _at_jump_host(error, way) from error
            raise
        return shared

    async def _confirmed(self, link: _Link) -> _Link:
        """A connection that nobody used for a while, or a new one where it does not answer."""
        try:
            if await link.answers():
                return link
        except BaseException:
            self._drop(link)
            raise
        self._drop(link)
        return await self._open(link.way)

    def _forget_others(self, way: Way) -> None:
        """End what was kept of a machine whose settings are others now."""
        for other in [each for each in self._kept if each[-1].name == way[-1].name and each != way]:
            link = self._kept.pop(other)
            _stop(link.expiry)
            self._drop(link)
        for known, shared in tuple(self._shared.items()):
            if known[-1].name == way[-1].name and known != way and not shared.users:
                self._forget(shared)

    def _leave(self, shared: _Shared | None) -> None:
        if shared is None:
            return
        shared.users -= 1
        if shared.users:
            return
        if self._keep and shared.is_usable and shared.opening.done():
            shared.expiry = asyncio.get_running_loop().call_later(self._keep, self._forget, shared)
        else:
            self._forget(shared)

    def _forget(self, shared: _Shared) -> None:
        """End a connection to a jump host that nobody uses any more."""
        self._shared = {way: each for way, each in self._shared.items() if each is not shared}
        _stop(shared.expiry)
        shared.opening.cancel()
        if shared.opening.done() and not shared.opening.cancelled() and shared.opening.exception() is None:
            self._drop(shared.opening.result())

    def _leased(self, link: _Link) -> Lease:
        return Lease(link.connection, lambda lease: self._returned(link, lease), link.unmoving)

    def _returned(self, link: _Link, lease: Lease) -> None:
        if not self._keep or not lease.is_sound or link.connection.is_closed() or link.way in self._kept:
            self._drop(link)
            return
        self._kept[link.way] = link
        link.expiry = asyncio.get_running_loop().call_later(self._keep, self._expire, link)

    def _expire(self, link: _Link) -> None:
        del self._kept[link.way]
        self._drop(link)

    def _drop(self, link: _Link) -> None:
        link.connection.abort()
        self._leave(link.through)


def _observed(opening: Coroutine[None, None, _Link]) -> asyncio.Task[_Link]:
    """A task whose failure nobody need ask for."""
    task = asyncio.ensure_future(opening)
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    return task


def _hop(way: Way, through: _Shared | None) -> Hop:
    return Hop(way[-1], through.opening.result().connection if through is not None else None, way[:-1])


def _stop(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()


def _at_jump_host(error: KdeployError, way: Way) -> KdeployError:
    """The error of a jump host, for one of those who wanted to go through it."""
    if error.hop:
        return error
    gateway = way[-2].name or way[-2].address
    message = f"at the jump host {gateway}: {error.message}"
    told = type(error)(
        error.code, message, path=error.path, on_target=error.on_target, evidence=error.evidence, **error.details
    )
    told.hop = gateway
    return told
