"""Importing: what ssh knows becomes environments, each host once, with the hosts on the way to it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtTest import QAbstractItemModelTester, QTest
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.ssh_host import SshHost
from kdeploy_gui.ui.environment_form.commands import add_commands
from kdeploy_gui.ui.environment_form.importing import ImportPage
from kdeploy_gui.ui.environment_form.proposals import proposals, with_jump_hosts
from kdeploy_gui.ui.session import Place, Session, Where
from tests.ui.answers import Answers

Show = Callable[[QWidget], None]
CONFIG = """\
Host gate
  HostName 192.0.2.1
Host inner
  HostName 10.0.0.1
  ProxyJump gate
Host <b>odd</b>
  HostName 10.0.0.2
  ProxyCommand nc %h %p
Host taken
  HostName 192.0.2.9
"""


def host(name: str, address: str, jump: str = "") -> SshHost:
    return SshHost(name, Environment(name=name, host=address, jump=jump))


def test_names_jump_hosts_and_known_machines() -> None:
    lab = [Environment(name="rack", host="192.0.2.1"), Environment(name="inner", host="other")]
    found = proposals([host("gate", "192.0.2.1"), host("inner", "10.0.0.1", "gate")], lab)
    assert [(each.environment.name, each.environment.jump, each.known) for each in found] == [
        ("rack", "", "rack"),
        ("inner-2", "rack", ""),
    ]
    assert found[0].remark == "In the lab already as rack"
    assert with_jump_hosts(["inner-2"], found) == {"inner-2"}


def test_hosts_on_the_way_come_along_even_in_a_circle() -> None:
    found = proposals([host("a", "1", "b"), host("b", "2", "a"), host("c", "3", "a")], [])
    assert with_jump_hosts(["c"], found) == {"a", "b", "c"}


@pytest.fixture
def page(session: Session, qtbot: QtBot, show: Show, tmp_path: Path) -> ImportPage:
    config = tmp_path / "config"
    config.write_text(CONFIG)
    session.services.inventory.ssh_config = config
    assert session.services.inventory.add(Environment(name="mine", host="192.0.2.9")) == ()
    session.machines.reload()
    qtbot.waitUntil(lambda: session.machines.get("mine") is not None)
    shown = ImportPage(session)
    show(shown)
    qtbot.waitUntil(lambda: shown.hosts.rowCount() == 4)
    return shown


def test_ticks_take_the_way_along_and_give_it_back(page: ImportPage, qtbot: QtBot) -> None:
    model = page.hosts
    QAbstractItemModelTester(model, QAbstractItemModelTester.FailureReportingMode.Fatal)
    assert not page.add.isEnabled()
    assert page.add.toolTip() == "Tick a host first"
    page.focus_first()
    page.table.setCurrentIndex(model.index(1, 0))
    QTest.keyClick(page.table, Qt.Key.Key_Space)
    assert model.chosen == {"inner", "gate"}
    assert page.add.text() == "Add 2 environments"
    assert model.data(model.index(1, 0), Qt.ItemDataRole.AccessibleTextRole) == "inner, chosen"
    page.table.setCurrentIndex(model.index(0, 0))
    QTest.keyClick(page.table, Qt.Key.Key_Space)
    assert model.chosen == set()
    assert not model.setData(model.index(3, 0), Qt.CheckState.Checked, Qt.ItemDataRole.CheckStateRole)
    assert model.data(model.index(3, 6)) == "In the lab already as mine"
    assert model.data(model.index(3, 0), Qt.ItemDataRole.AccessibleTextRole) == "taken, in the lab already"
    assert model.data(model.index(2, 6)).startswith("Without ProxyCommand")
    page.all.click()
    assert model.chosen == {"gate", "inner", "b-odd-b"}
    page.all.click()
    assert model.chosen == set()


def test_the_chosen_become_environments(page: ImportPage, session: Session, qtbot: QtBot) -> None:
    page.hosts.setData(page.hosts.index(1, 0), Qt.CheckState.Checked, Qt.ItemDataRole.CheckStateRole)
    with qtbot.waitSignal(page.done):
        QTest.mouseClick(page.add, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: session.machines.get("inner") is not None)
    inner = session.machines.get("inner")
    assert inner is not None
    assert (inner.host, inner.jump) == ("10.0.0.1", "gate")
    assert all(each.isVisible() for each in page.regions())


def test_what_cannot_be_added_is_said_and_nothing_is_written(page: ImportPage, session: Session, qtbot: QtBot) -> None:
    page.all.click()
    text = "[[environment]\n"
    session.services.lab_file.write_text(text)
    QTest.mouseClick(page.add, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "not valid TOML" in page.footer.say.text)
    assert session.services.lab_file.read_text() == text


def test_no_hosts_and_a_file_that_cannot_be_read(
    session: Session, qtbot: QtBot, show: Show, tmp_path: Path, answers: Answers
) -> None:
    session.services.inventory.ssh_config = tmp_path / "none"
    page = ImportPage(session)
    show(page)
    qtbot.waitUntil(page.empty.isVisible)
    assert not page.all.isEnabled()
    session.services.inventory.ssh_config = tmp_path
    page.close()
    show(ImportPage(session))
    qtbot.waitUntil(lambda: "E-SSH-CONFIG" in [each.code for each in answers.failures])


def test_commands_go_to_the_pages_of_what_is_selected(session: Session) -> None:
    add_commands(session)
    places: list[Place] = []
    session.navigator.moved.connect(places.append)
    assert session.commands.why_not("environment.edit") == "Select an environment first"
    session.machines.select(["a", "b"])
    assert session.commands.why_not("environment.trust") == "Select one environment only"
    session.machines.select(["a"])
    for name in ("edit", "trust", "add", "import"):
        session.commands.run(f"environment.{name}")
    assert places == [Place(Where.FORM, name="a"), Place(Where.TRUST, name="a"), Place(Where.FORM), Place(Where.IMPORT)]
