"""What a guest uses is shown while it runs and somebody looks, and goes when either ends."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QModelIndex
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.guest import GuestFigures
from kdeploy_gui.ui.detail.pane import FACTS, LOG, DetailPane
from kdeploy_gui.ui.detail.usage import described
from kdeploy_gui.ui.session import Session

if TYPE_CHECKING:
    import libvirt

MIB = 1 << 20
BEFORE = GuestFigures(
    at=10.0, cpu_seconds=4.0, cores=2, memory=1024 * MIB, disk_read=MIB, disk_written=0, received=512, sent=0
)
NOW = GuestFigures(
    at=14.0, cpu_seconds=6.0, cores=2, memory=1024 * MIB, memory_used=300 * MIB, disk_read=9 * MIB, received=512, sent=4
)
SOON = 20_000


def words(now: GuestFigures, before: GuestFigures | None) -> list[str]:
    return [": ".join(each.cells[:2]) for each in described(now, before, datetime.now(UTC))]


def test_shares_and_rates_need_two_looks_at_the_same_start() -> None:
    assert words(NOW, BEFORE) == [
        "Guest CPU: 25 % of 2 cores",
        "Guest memory: 300 MiB of 1.0 GiB",
        "Guest disk: read 9.0 MiB, 2.0 MiB/s; written 0 B, 0 B/s",
        "Guest network: received 512 B, 0 B/s; sent 4 B, 1 B/s",
    ]
    first = ["Guest CPU: 2 cores", "Guest memory: 1.0 GiB", "Guest disk: read 1.0 MiB; written 0 B"]
    assert words(BEFORE, None)[:3] == first
    assert words(BEFORE, NOW)[:3] == first, "it was started again in between"


@pytest.fixture
def domain() -> Iterator[libvirt.virDomain]:
    """The running guest of libvirt's test driver, which is this process's own."""
    module = pytest.importorskip("libvirt")
    connection = module.open("test:///default")
    found = connection.lookupByName("test")
    if not found.isActive():
        found.create()
    yield found
    if not found.isActive():
        found.create()
    connection.close()


def shown(pane: DetailPane) -> list[str]:
    model = pane.facts.model
    return [str(model.data(model.index(row, 0))) for row in range(model.rowCount(QModelIndex()))]


def test_a_guest_is_measured_while_it_runs_and_is_looked_at(
    pane: DetailPane, demo: Session, domain: libvirt.virDomain, qtbot: QtBot
) -> None:
    guest = Environment(name="vm", host="127.0.0.1", port=1, kind=Kind.QEMU, uri="test:///default", domain="test")
    assert demo.services.inventory.add(guest) == ()
    demo.machines.reload()
    qtbot.waitUntil(lambda: demo.machines.guests.state("vm") is not None, timeout=SOON)
    pane.show_environment(0, "vm")
    assert "Guest memory" not in shown(pane)
    pane.tabs.setCurrentIndex(FACTS)
    qtbot.waitUntil(lambda: "Guest memory" in shown(pane), timeout=SOON)
    assert shown(pane)[0] == "Guest CPU"
    with qtbot.waitSignal(pane.usage.changed, timeout=SOON):
        pane.usage._clock.timeout.emit()
    assert " % of " in pane.usage.facts[0].value

    domain.destroy()
    qtbot.waitUntil(lambda: "Guest memory" not in shown(pane), timeout=SOON)
    domain.create()
    qtbot.waitUntil(lambda: "Guest memory" in shown(pane), timeout=SOON)
    pane.tabs.setCurrentIndex(LOG)
    assert not pane.usage._clock.isActive()
    pane.tabs.setCurrentIndex(FACTS)
    assert pane.usage._clock.isActive()
    pane.hide()
    assert not pane.usage._clock.isActive()
