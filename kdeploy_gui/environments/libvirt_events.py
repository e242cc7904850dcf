"""An event loop for libvirt, in a thread of its own.

libvirt's default one shares GLib's main context with Qt, and the two together end the process.
"""

from __future__ import annotations

import itertools
import os
import select
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

_EVENTS = ((1, select.POLLIN), (2, select.POLLOUT), (4, select.POLLERR | select.POLLNVAL), (8, select.POLLHUP))
"""virEventHandleType and the same for poll()."""


@dataclass(slots=True)
class _Handle:
    fd: int
    events: int
    call: Any
    opaque: Any


@dataclass(slots=True)
class _Timer:
    pause: int
    """Milliseconds; negative: it stands still."""
    due: float
    call: Any
    opaque: Any


class EventLoop:
    """What `libvirt.virEventRegisterImpl` wants. Its verbs are called from any thread, also with locks of libvirt held.

    So nothing of libvirt is called while `_lock` is held, and what libvirt lets go of is freed by the loop alone.
    """

    def __init__(self, libvirt: Any) -> None:
        self._libvirt = libvirt
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._handles: dict[int, _Handle] = {}
        self._timers: dict[int, _Timer] = {}
        self._let_go: list[Any] = []
        self._woken, self._waker = os.pipe()
        for each in (self._woken, self._waker):
            os.set_blocking(each, False)
        libvirt.virEventRegisterImpl(
            self._add_handle,
            self._update_handle,
            self._remove_handle,
            self._add_timer,
            self._update_timer,
            self._remove_timer,
        )
        threading.Thread(target=self._run, name="libvirt events", daemon=True).start()

    def _add_handle(self, fd: int, events: int, call: Any, opaque: Any) -> int:
        return self._add(self._handles, _Handle(fd, events, call, opaque))

    def _update_handle(self, number: int, events: int) -> None:
        with self._lock:
            if number in self._handles:
                self._handles[number].events = events
        self._wake()

    def _remove_handle(self, number: int) -> int:
        return self._remove(self._handles, number)

    def _add_timer(self, pause: int, call: Any, opaque: Any) -> int:
        return self._add(self._timers, _Timer(pause, time.monotonic() + pause / 1000, call, opaque))

    def _update_timer(self, number: int, pause: int) -> None:
        with self._lock:
            if number in self._timers:
                self._timers[number].pause = pause
                self._timers[number].due = time.monotonic() + pause / 1000
        self._wake()

    def _remove_timer(self, number: int) -> int:
        return self._remove(self._timers, number)

    def _add(self, known: dict[int, Any], what: _Handle | _Timer) -> int:
        with self._lock:
            number = next(self._numbers)
            known[number] = what
        self._wake()
        return number

    def _remove(self, known: dict[int, Any], number: int) -> int:
        with self._lock:
            gone = known.pop(number, None)
            if gone is None:
                return -1
            self._let_go.append(gone.opaque)
        self._wake()
        return 0

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # full: it is awake
            os.write(self._waker, b"1")

    def _run(self) -> None:
        while True:
            self._turn()

    def _turn(self) -> None:
        with self._lock:
            let_go, self._let_go = self._let_go, []
            handles = {number: (each, each.events) for number, each in self._handles.items() if each.events}
            due = [each.due for each in self._timers.values() if each.pause >= 0]
        for each in let_go:
            self._libvirt.virEventInvokeFreeCallback(each)
        happened = self._waited(handles.values(), due)
        for number, (handle, wanted) in handles.items():
            found = happened.get(handle.fd, 0)
            events = sum(ours for ours, polled in _EVENTS if found & polled) & (wanted | 4 | 8)
            if events and number in self._handles:
                handle.call(number, handle.fd, events, handle.opaque)
        now = time.monotonic()
        with self._lock:
            over = {number: each for number, each in self._timers.items() if each.pause >= 0 and each.due <= now}
            for timer in over.values():
                timer.due = now + timer.pause / 1000
        for number, timer in over.items():
            if number in self._timers:
                timer.call(number, timer.opaque)

    def _waited(self, handles: Any, due: list[float]) -> dict[int, int]:
        """What poll() found, by file descriptor, before the first timer is due."""
        masks = {self._woken: select.POLLIN}
        for handle, events in handles:
            wanted = sum(polled for ours, polled in _EVENTS[:2] if events & ours)
            masks[handle.fd] = masks.get(handle.fd, 0) | wanted
        poll = select.poll()
        for fd, mask in masks.items():
            poll.register(fd, mask)
        wait = max(0.0, min(due) - time.monotonic()) * 1000 if due else None
        happened = dict(poll.poll(wait))
        if self._woken in happened:
            with suppress(BlockingIOError):
                os.read(self._woken, 4096)
        return happened
