"""Guests of libvirt are listed and taken into the lab, by keyboard alone; what hinders that is said there."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QApplication, QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.guest import GuestSeen, GuestState, GuestStatus
from kdeploy_gui.ui.environment_form.guests import GuestsPage
from kdeploy_gui.ui.environment_form.proposals import guest_proposals
from kdeploy_gui.ui.session import Session
from tests.ui.answers import Answers

Show = Callable[[QWidget], None]
Role = Qt.ItemDataRole
ODD = "<b>odd Guest"
DOMAIN = (
    "<domain type='test'><name>{name}</name><uuid>{uuid}</uuid><memory>8192</memory>"
    "<os><type arch='x86_64'>hvm</type></os></domain>"
)


def test_names_are_free_ones_and_known_guests_keep_theirs() -> None:
    seen = [GuestSeen(name, GuestStatus(GuestState.OFF), persistent=name != "b") for name in ("b", "a", "c")]
    lab = [
        Environment(name="rack", host="", kind=Kind.QEMU, domain="a"),
        Environment(name="b", host="192.0.2.1"),
        Environment(name="other", host="", kind=Kind.QEMU, uri="qemu:///system", domain="c"),
    ]
    found = guest_proposals("qemu:///session", seen, lab)
    assert [(each.name, each.becomes, each.remark) for each in found] == [
        ("rack", "In the lab already as rack", ""),
        ("b-2", "b-2", "Transient: libvirt forgets it once it is off"),
        ("c", "c", ""),
    ]


@pytest.fixture
def hypervisor(tmp_path: Path) -> str:
    """A libvirt of three guests, one of which has a name that no lab file could have."""
    pytest.importorskip("libvirt")
    names = ("kd-debug", "kd-plain", ODD.replace("<", "&lt;"))
    node = tmp_path / "node.xml"
    node.write_text(f"<node>{''.join(DOMAIN.format(name=name, uuid=uuid4()) for name in names)}</node>")
    return f"test://{node}"


@pytest.fixture
def page(session: Session, qtbot: QtBot, show: Show) -> GuestsPage:
    qtbot.waitUntil(lambda: session.machines.loaded)
    shown = GuestsPage(session)
    show(shown)
    shown.activateWindow()
    qtbot.waitUntil(shown.isActiveWindow)
    shown.focus_first()
    return shown


def type_uri(page: GuestsPage, uri: str) -> None:
    page.uri.setEditText("")
    QTest.keyClicks(page.uri, uri)
    QTest.keyClick(page.uri, Qt.Key.Key_Return)


def look(page: GuestsPage, uri: str, qtbot: QtBot) -> None:
    type_uri(page, uri)
    qtbot.waitUntil(page.table.isVisible)


def cells(page: GuestsPage, row: int) -> list[str]:
    return [page.guests.data(page.guests.index(row, column)) for column in range(page.guests.columnCount())]


def walk_to(page: GuestsPage, wanted: QWidget) -> None:
    """Press Tab until the focus is there."""
    for _ in range(30):
        focus = QApplication.focusWidget()
        assert focus is not None
        if focus is wanted:
            return
        QTest.keyClick(focus, Qt.Key.Key_Tab)
    raise AssertionError(f"Tab does not lead to {wanted}")


def test_guests_are_added_by_keyboard_alone(
    page: GuestsPage, session: Session, hypervisor: str, qtbot: QtBot, settings_file: Callable[[], str]
) -> None:
    assert page.uri.hasFocus()
    assert not page.look.isEnabled()
    assert "qemu+ssh://user@host/system" in page.empty.text
    look(page, hypervisor, qtbot)
    QAbstractItemModelTester(page.guests, QAbstractItemModelTester.FailureReportingMode.Fatal)
    assert cells(page, 0) == [ODD, "Running", "b-odd-guest", "x86_64", ""]
    assert page.table.isColumnHidden(4), "nothing is to be remarked"
    assert page.table.hasFocus()
    assert page.add.toolTip() == "Tick a guest first"
    QTest.keyClick(page.table, Qt.Key.Key_Down)
    QTest.keyClick(page.table, Qt.Key.Key_Space)
    assert page.guests.data(page.guests.index(1, 0), Role.AccessibleTextRole) == "kd-debug, chosen"
    walk_to(page, page.login.text("user"))
    QTest.keyClick(page.login.text("user"), Qt.Key.Key_A, Qt.KeyboardModifier.ControlModifier)
    QTest.keyClicks(page.login.text("user"), "lab")
    walk_to(page, page.login.text("tags"))
    QTest.keyClicks(page.login.text("tags"), "vm  x86")
    walk_to(page, page.add)
    assert page.add.text() == "Add 1 environment"
    with qtbot.waitSignal(page.done):
        QTest.keyClick(page.add, Qt.Key.Key_Space)
    assert session.services.inventory.get("kd-debug") == Environment(
        name="kd-debug", host="", kind=Kind.QEMU, uri=hypervisor, domain="kd-debug", user="lab", tags=("vm", "x86")
    )
    assert hypervisor in settings_file()


@pytest.fixture
def settings_file(session: Session) -> Callable[[], str]:
    """The window's settings as they are stored."""

    def read() -> str:
        session.settings.sync()
        return Path(session.settings.fileName()).read_text()

    return read


def test_what_the_lab_has_already_is_told_and_cannot_be_ticked(
    page: GuestsPage, session: Session, hypervisor: str, qtbot: QtBot, answers: Answers, tmp_path: Path
) -> None:
    known = Environment(name="mine", host="192.0.2.1", kind=Kind.QEMU, uri=hypervisor, domain="kd-debug")
    assert session.services.inventory.add(known) == ()
    session.machines.reload()
    qtbot.waitUntil(lambda: session.machines.get("mine") is not None)
    look(page, hypervisor, qtbot)
    model = page.guests
    assert cells(page, 1)[2] == "In the lab already as mine"
    assert page.count.text() == "3 guests, 2 new"
    assert not model.setData(model.index(1, 0), Qt.CheckState.Checked, Role.CheckStateRole)
    assert model.data(model.index(1, 0), Role.AccessibleTextRole) == "kd-debug, in the lab already"
    assert not model.data(model.index(0, 1), Role.DecorationRole).isNull()
    page.all.click()
    assert model.chosen == {"b-odd-guest", "kd-plain"}
    answers.paths.append(tmp_path / "key")
    page.login.browse.click()
    qtbot.waitUntil(lambda: page.login.text("identity_file").text() == str(tmp_path / "key"))
    page.login.group.setEditText("rack-1/vms")
    page.login.text("port").setText("2222")
    with qtbot.waitSignal(page.done):
        page.add.click()
    added = session.services.inventory.get("b-odd-guest")
    assert (added.domain, added.port, added.group) == (ODD, 2222, "rack-1/vms")
    assert added.identity_file == str(tmp_path / "key")
    qtbot.waitUntil(lambda: not page.all.isEnabled())
    assert page.all.toolTip() == "No guest is new"
    assert not model.chosen


def test_mistakes_stand_at_their_fields_and_nothing_is_written(
    page: GuestsPage, session: Session, hypervisor: str, qtbot: QtBot
) -> None:
    look(page, hypervisor, qtbot)
    page.all.click()
    page.login.text("user").setText("two words")
    page.login.text("port").setText("none")
    page.add.click()
    rows = page.login.rows
    qtbot.waitUntil(lambda: "User must be" in rows["user"].problem.text)
    assert len(rows["user"].problem.text.splitlines()) == 1, "once, however many guests have it"
    assert rows["port"].problem.text.startswith("Port")
    assert not page.footer.say.isVisible()
    assert not session.services.lab_file.exists()
    page.login.text("user").setText("lab")
    assert rows["user"].problem.isHidden()
    page.login.text("port").setText("22")
    session.services.lab_file.write_text("[[environment]\n")
    page.add.click()
    qtbot.waitUntil(lambda: "not valid TOML" in page.footer.say.text)
    page.login.text("user").setText("root")
    assert page.footer.say.isHidden()


def test_a_hypervisor_without_guests(page: GuestsPage, qtbot: QtBot, tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    node = tmp_path / "node.xml"
    node.write_text("<node/>")
    type_uri(page, f"test://{node}")
    qtbot.waitUntil(lambda: page.empty.title == "No guests there")
    assert f"libvirt at test://{node} answers" in page.empty.text
    assert page.empty.isVisible()
    assert page.look.isVisible()


def test_what_libvirt_says_is_shown_with_what_to_do(page: GuestsPage, qtbot: QtBot, tmp_path: Path) -> None:
    pytest.importorskip("libvirt")
    type_uri(page, f"qemu:///session?socket={tmp_path / 'none'}")
    qtbot.waitUntil(page.trouble.isVisible)
    assert "does not answer: Failed to connect socket" in page.trouble.what.text()
    assert "(E-LIBVIRT)" in page.trouble.what.text()
    assert page.trouble.remedy.text().startswith("Start libvirt")
    assert page.look.isVisible()
    assert page.uri.hasFocus()


def test_without_libvirt_it_is_said_how_to_install_it(
    page: GuestsPage, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "libvirt", None)
    type_uri(page, "qemu:///system")
    qtbot.waitUntil(page.trouble.isVisible)
    assert "(E-LIBVIRT-MISSING)" in page.trouble.what.text()
    assert "pip install 'kdeploy[libvirt]'" in page.trouble.remedy.text()


@pytest.fixture
def silent(tmp_path: Path) -> Iterator[str]:
    """A libvirt that lets one in and then says nothing."""
    pytest.importorskip("libvirt")
    with closing(socket.socket(socket.AF_UNIX)) as server:
        server.bind(str(tmp_path / "silent"))
        server.listen()
        yield f"qemu:///session?socket={tmp_path / 'silent'}"


@pytest.mark.parametrize("by", ["button", "escape", "leaving"])
def test_a_look_that_takes_long_can_be_stopped(
    page: GuestsPage, session: Session, silent: str, hypervisor: str, qtbot: QtBot, by: str
) -> None:
    type_uri(page, silent)
    qtbot.waitUntil(page.stop.isVisible)
    assert page.empty.title == "Asking libvirt"
    assert not page.look.isVisible()
    page._clock.timeout.emit()
    assert page.empty.text == f"{silent}, for 1 s. Given up after 30 s."
    if by == "leaving":
        with qtbot.waitSignal(page.done):
            page.cancel.click()
    elif by == "escape":
        QTest.keyClick(page, Qt.Key.Key_Escape)
    else:
        page.stop.click()
    qtbot.waitUntil(lambda: not session.bridge.busy)
    assert page.look.isVisible()
    assert not page.stop.isVisible()
    look(page, hypervisor, qtbot)
    assert len(page.guests.offered) == 3


def test_guests_that_are_seen_later_keep_the_ticks(page: GuestsPage, hypervisor: str, qtbot: QtBot) -> None:
    look(page, hypervisor, qtbot)
    page.all.click()
    page.guests.set_offered(page.guests.offered[:2])
    assert page.guests.chosen == {"b-odd-guest", "kd-debug"}
    assert all(each.isVisible() for each in page.regions())


def test_what_is_listed_is_what_the_uri_leads_to(page: GuestsPage, hypervisor: str, qtbot: QtBot) -> None:
    look(page, hypervisor, qtbot)
    page.all.click()
    QTest.keyClicks(page.uri, "x")
    assert page.empty.isVisible()
    assert not page.guests.offered
    assert not page.add.isEnabled()
    assert page.count.text() == ""
