"""What becomes of a guest is seen in the window, whoever did it."""

from __future__ import annotations

import time
from functools import partial

import pytest
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.guest import GuestState
from kdeploy_gui.ui.detail.pane import FACTS
from kdeploy_gui.ui.environment_form.guests import GuestsPage
from kdeploy_gui.ui.main_window import MainWindow
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from tests.lab.libvirtd import Domain, Libvirtd

pytestmark = [pytest.mark.guest, pytest.mark.timeout(600)]
SOON = 60_000


def condition(session: Session, name: str) -> Condition:
    return session.machines.condition(name)[0]


def test_the_window_follows_what_others_do_with_a_guest(
    session: Session, libvirtd: Libvirtd, tiny_domain: Domain, qtbot: QtBot
) -> None:
    guest = libvirtd.environment(tiny_domain)
    libvirtd.reset(tiny_domain)
    domain = libvirtd.connect().lookupByName(tiny_domain.name)
    session.services.inventory.add(guest)
    session.machines.reload()
    qtbot.waitUntil(lambda: condition(session, guest.name) is Condition.SHUT_OFF, timeout=SOON)

    domain.create()
    qtbot.waitUntil(lambda: condition(session, guest.name) is Condition.CHECKING, timeout=SOON)
    domain.suspend()
    qtbot.waitUntil(lambda: condition(session, guest.name) is Condition.NOT_READY, timeout=SOON)
    assert "paused" in session.machines.condition(guest.name)[1]
    with qtbot.waitSignal(session.machines.guests.changed, timeout=SOON) as heard:
        asked = time.monotonic()
        domain.destroy()
    seen = time.monotonic()

    assert heard.args is not None
    assert heard.args[0] == guest.name
    assert heard.args[1].state is GuestState.OFF
    assert condition(session, guest.name) is Condition.SHUT_OFF
    assert seen - asked < SOON / 1000


def test_the_window_hears_of_changes_without_looking(
    session: Session, libvirtd: Libvirtd, tiny_domain: Domain, qtbot: QtBot
) -> None:
    guest = libvirtd.environment(tiny_domain)
    libvirtd.reset(tiny_domain)
    session.services.inventory.add(guest)
    session.machines.reload()
    qtbot.waitUntil(lambda: condition(session, guest.name) is Condition.SHUT_OFF, timeout=SOON)
    session.machines.guests._clock.stop()
    qtbot.waitUntil(lambda: not session.machines.guests._asking, timeout=SOON)

    domain = libvirtd.connect().lookupByName(tiny_domain.name)
    for change, state in (
        (domain.create, GuestState.RUNNING),
        (domain.suspend, GuestState.PAUSED),
        (domain.destroy, GuestState.OFF),
    ):
        change()
        qtbot.waitUntil(partial(is_told, session, guest.name, state), timeout=SOON)


def is_told(session: Session, name: str, state: GuestState) -> bool:
    status = session.machines.guests.state(name)
    return status is not None and status.state is state


def test_a_real_guest_is_taken_into_the_lab_and_measured(
    session: Session, libvirtd: Libvirtd, tiny_domain: Domain, qtbot: QtBot
) -> None:
    libvirtd.reset(tiny_domain)
    window = MainWindow(session)
    qtbot.addWidget(window)
    window.show()
    qtbot.waitUntil(lambda: session.machines.loaded, timeout=SOON)
    session.commands.run("environment.guests")
    page = window.current()
    assert isinstance(page, GuestsPage)
    page.uri.setEditText(libvirtd.uri)
    page.look.click()
    qtbot.waitUntil(page.table.isVisible, timeout=SOON)
    rows = {each.guest.name: each for each in page.guests.offered}
    assert rows[tiny_domain.name].guest.status.state is GuestState.OFF
    page.guests.choose_all(True)
    page.add.click()
    qtbot.waitUntil(lambda: session.machines.get(rows[tiny_domain.name].name) is not None, timeout=SOON)

    libvirtd.connect().lookupByName(tiny_domain.name).create()
    detail = window.fleet.fleet.detail
    detail.show_environment(0, rows[tiny_domain.name].name)
    detail.show()
    detail.wanted.emit()
    detail.tabs.setCurrentIndex(FACTS)
    qtbot.waitUntil(lambda: any("% of 1 core" in each.value for each in detail.usage.facts), timeout=60_000)
    facts = {each.name: each.value for each in detail.usage.facts}
    assert int(facts["guest_cpu"].split()[0]) > 0, "it boots"
    assert facts["guest_memory"].endswith("MiB")
    assert "read " in facts["guest_disk"]
    libvirtd.reset(tiny_domain)
    qtbot.waitUntil(lambda: not detail.usage.facts, timeout=SOON)


def test_a_guest_of_a_libvirt_that_is_gone_is_what_the_network_says(
    session: Session, libvirtd: Libvirtd, tiny_domain: Domain, qtbot: QtBot
) -> None:
    libvirtd.reset(tiny_domain)
    guest = libvirtd.environment(tiny_domain)
    session.services.inventory.add(guest)
    session.machines.reload()
    qtbot.waitUntil(lambda: session.machines.guests.state(guest.name) is not None, timeout=SOON)

    libvirtd.kill()
    try:
        qtbot.waitUntil(lambda: session.machines.guests.state(guest.name) is None, timeout=60_000)
        qtbot.waitUntil(lambda: not session.machines.is_checking(guest.name), timeout=60_000)
        assert condition(session, guest.name) in {Condition.FAILED, Condition.UNREACHABLE}
    finally:
        libvirtd.start()
