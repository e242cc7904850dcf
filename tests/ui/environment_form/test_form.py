"""The form: nothing is written before Save, mistakes stand at their fields, and the test shows what it finds."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QGuiApplication, QWheelEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QAbstractButton, QApplication, QWidget
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.check import CheckPart
from kdeploy_gui.model.environment import Become, Console, ConsoleProtocol, Environment, Kernel, Kind, Power
from kdeploy_gui.ui.environment_form.form import EnvironmentForm
from kdeploy_gui.ui.session import Session
from kdeploy_gui.ui.states import Condition
from kdeploy_gui.ui.widgets import IconButton, PlainLabel
from tests.ui.answers import Answers

Board = Callable[[str], Environment]
Show = Callable[[QWidget], None]
OK, FAILED, NOT_TRIED = Condition.OK, Condition.FAILED, Condition.NOT_TRIED


def press(qtbot: QtBot, button: QAbstractButton) -> None:
    assert button.isEnabled(), button.toolTip()
    QTest.mouseClick(button, Qt.MouseButton.LeftButton)


def form_of(session: Session, show: Show, name: str = "") -> EnvironmentForm:
    form = EnvironmentForm(session, name)
    show(form)
    return form


def fill(form: EnvironmentForm, **texts: str) -> None:
    for key, text in texts.items():
        form.fields.text(key).setText(text)


def conditions(form: EnvironmentForm) -> list[Condition]:
    return [line.condition for line in form.test.lines.values()]


def wait_for_test(form: EnvironmentForm, qtbot: QtBot, expected: list[Condition]) -> None:
    qtbot.waitUntil(lambda: not form.test.is_running and conditions(form) == expected)


def told(form: EnvironmentForm, key: str, qtbot: QtBot, part: str) -> None:
    qtbot.waitUntil(lambda: part in form.fields.rows[key].problem.text)


def test_a_machine_is_tested_pinned_and_added(demo: Session, qtbot: QtBot, board: Board, show: Show) -> None:
    good = board("board-1")
    form = form_of(demo, show)
    assert "Give a name" in form.save.toolTip()
    assert not form.test.button.isEnabled()
    before = demo.services.lab_file.read_text()
    fill(form, name="fresh", host=good.host, port=str(good.port), identity_file=good.identity_file, tags="a  b")
    form.fields.group.setEditText("rack-9/left")
    press(qtbot, form.test.button)
    wait_for_test(form, qtbot, [OK, OK, FAILED, NOT_TRIED, NOT_TRIED])
    assert form.key.offered is not None
    assert form.key.offered.fingerprint == good.host_keys[0]
    assert form.fields.environment().host_keys == ()
    press(qtbot, form.key.findChildren(IconButton)[0])
    assert QGuiApplication.clipboard().text() == f"ssh-keygen -lvf {form.key.offered.file}"
    press(qtbot, form.key.button)
    assert form.fields.environment().host_keys == good.host_keys
    wait_for_test(form, qtbot, [OK] * 5)
    assert form.key.state.accessibleName() == "Host key is pinned"
    assert not form.key.button.isVisible()
    assert "(publickey)" in form.test.lines[CheckPart.LOGIN].text.text()
    assert demo.services.lab_file.read_text() == before
    with qtbot.waitSignal(form.done):
        press(qtbot, form.save)
    qtbot.waitUntil(lambda: demo.machines.get("fresh") is not None)
    saved = demo.machines.get("fresh")
    assert saved is not None
    assert (saved.group, saved.tags, saved.host_keys) == ("rack-9/left", ("a", "b"), good.host_keys)


def test_mistakes_stand_at_the_fields_that_were_filled_in(
    demo: Session, qtbot: QtBot, board: Board, show: Show
) -> None:
    board("board-1")
    form = form_of(demo, show)
    fill(form, name="Bad <b>Name</b>\x1b[31m")
    told(form, "name", qtbot, "Name must be 1 to 64 of a-z")
    assert "\x1b" not in form.fields.rows["name"].problem.text
    assert form.fields.rows["host"].problem.isHidden()
    fill(form, name="")
    told(form, "name", qtbot, "Name is missing")
    fill(form, name="Bad <b>Name</b>\x1b[31m")
    told(form, "name", qtbot, "Name must be 1 to 64 of a-z")
    assert not form.save.isEnabled()
    assert form.save.toolTip().startswith("<qt>Name must be 1 to 64 of a-z")
    assert "&lt;b&gt;Name" in form.save.toolTip()
    fill(form, name="board-1-x", host="two words", port="99999999999")
    told(form, "host", qtbot, "Address must be a host name or an address")
    told(form, "port", qtbot, "1")
    fill(form, host="h", port="22", credential="\x07")
    told(form, "credential", qtbot, "control characters")
    assert form.fields.rows["credential"].isVisible()
    fill(form, credential="", user="")
    told(form, "user", qtbot, "a user's name")
    fill(form, user="root")
    qtbot.waitUntil(form.save.isEnabled)
    assert all(row.problem.isHidden() for row in form.fields.rows.values())


def test_an_edit_writes_what_differs_and_keeps_what_others_wrote(
    demo: Session, qtbot: QtBot, board: Board, show: Show
) -> None:
    board("board-1")
    lab = demo.services.lab_file
    text = lab.read_text().replace('name = "board-2', '# the slow one\nname = "board-2', 1)
    lab.write_text(text)
    name = board("board-2").name
    form = form_of(demo, show, name)
    assert not form.save.isEnabled()
    assert form.save.toolTip() == "Nothing has changed"
    fill(form, name="renamed", host="localhost")
    form.fields.kind.setCurrentIndex(form.fields.kind.findData(Kind.QEMU))
    lab.write_text(text.replace("# the slow one", "# the slow one, says jo"))
    qtbot.waitUntil(form.save.isEnabled)
    with qtbot.waitSignal(form.done):
        press(qtbot, form.save)
    after = lab.read_text()
    assert '# the slow one, says jo\nname = "renamed"' in after
    assert demo.services.inventory.get("renamed").kind is Kind.QEMU


def test_a_guest_whose_address_libvirt_tells_keeps_its_domain(demo: Session, qtbot: QtBot, show: Show) -> None:
    guest = Environment(name="vm", host="", kind=Kind.QEMU, uri="test:///default", domain="test")
    assert demo.services.inventory.add(guest) == ()
    form = form_of(demo, show, "vm")
    assert form.test.isEnabled()
    fill(form, user="lab")
    qtbot.waitUntil(form.save.isEnabled)
    with qtbot.waitSignal(form.done):
        press(qtbot, form.save)
    assert demo.services.inventory.get("vm") == replace(guest, user="lab")


def test_the_same_field_changed_by_hand_meanwhile_is_not_overwritten(
    demo: Session, qtbot: QtBot, board: Board, show: Show
) -> None:
    known = board("board-1")
    form = form_of(demo, show, known.name)
    assert demo.services.inventory.update(known.name, replace(known, user="theirs")) == ()
    fill(form, user="mine")
    told(form, "user", qtbot, 'it is "theirs" there now')
    assert not form.save.isEnabled()
    assert demo.services.inventory.get(known.name).user == "theirs"


def test_what_only_saving_finds_is_shown_everywhere(demo: Session, qtbot: QtBot, board: Board, show: Show) -> None:
    board("board-1")
    form = form_of(demo, show)
    fill(form, name="late", host="h")
    qtbot.waitUntil(form.save.isEnabled)
    assert demo.services.inventory.add(Environment(name="late", host="h")) == ()
    press(qtbot, form.save)
    told(form, "name", qtbot, "is taken already")
    assert not form.save.isEnabled()
    demo.services.lab_file.write_text("[[environment]\n")
    fill(form, name="later")
    qtbot.waitUntil(lambda: "not valid TOML" in form.footer.say.text.replace("Not", "not"))


def test_leaving_asks_once_and_only_when_something_would_be_lost(
    demo: Session, qtbot: QtBot, board: Board, show: Show, answers: Answers
) -> None:
    form = form_of(demo, show, board("board-1").name)
    with qtbot.waitSignal(form.done):
        press(qtbot, form.cancel)
    assert not answers.asked
    form = form_of(demo, show, board("board-1").name)
    left: list[bool] = []
    form.done.connect(lambda: left.append(True))
    fill(form, host="other")
    answers.yes.extend([False, True])
    press(qtbot, form.cancel)
    qtbot.waitUntil(lambda: len(answers.asked) == 1)
    assert not left
    assert form.unsaved
    press(qtbot, form.cancel)
    qtbot.waitUntil(lambda: left == [True])
    assert demo.services.inventory.get(board("board-1").name).host != "other"


def test_another_key_is_shown_beside_the_pinned_one_and_replaced_deliberately(
    demo: Session, qtbot: QtBot, board: Board, show: Show, answers: Answers
) -> None:
    changed = board("reflashed")
    form = form_of(demo, show, changed.name)
    press(qtbot, form.test.button)
    wait_for_test(form, qtbot, [OK, OK, FAILED, NOT_TRIED, NOT_TRIED])
    names = [each.accessibleName() for each in form.key.findChildren(PlainLabel)]
    assert form.key.offered is not None
    assert f"Pinned: {changed.host_keys[0]}" in names
    assert f"Offered now, ED25519: {form.key.offered.fingerprint}" in names
    assert form.key.keys.token == "failbg"
    answers.yes.extend([False, True])
    press(qtbot, form.key.button)
    qtbot.waitUntil(lambda: len(answers.asked) == 1)
    assert form.fields.pins.keys == changed.host_keys
    assert answers.asked[0].danger
    assert any(changed.host_keys[0] in each for each in answers.asked[0].details)
    press(qtbot, form.key.button)
    qtbot.waitUntil(lambda: form.fields.pins.keys == (form.key.offered.fingerprint,) if form.key.offered else False)
    wait_for_test(form, qtbot, [OK] * 5)


def test_a_removed_pin_is_a_change_like_any_other(demo: Session, qtbot: QtBot, board: Board, show: Show) -> None:
    form = form_of(demo, show, board("board-1").name)
    press(qtbot, form.fields.pins.findChildren(IconButton)[0])
    assert form.fields.environment().host_keys == ()
    assert form.unsaved
    assert not form._test_again.isActive(), "nobody has asked for a test yet"


@pytest.fixture
def silent() -> Iterator[int]:
    """The port of a server that never answers."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield server.getsockname()[1]


@pytest.fixture
def hostile() -> Iterator[int]:
    """The port of a server that is none of SSH and answers with what no label should obey."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    with suppress(OSError), connection:
                        connection.recv(100)
                        connection.sendall(b"<img src=x>\x1b[2J\xe2\x80\xaeevil " + b"x" * 4000 + b"\n")

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join(30)


def test_a_test_can_be_stopped_and_the_next_one_is_not_mixed_with_it(
    demo: Session, qtbot: QtBot, board: Board, show: Show, silent: int
) -> None:
    good = board("board-1")
    form = form_of(demo, show, good.name)
    fill(form, port=str(silent))
    press(qtbot, form.test.button)
    qtbot.waitUntil(lambda: form.test.lines[CheckPart.PORT].condition is Condition.CHECKING)
    assert not form.test.button.isVisible()
    press(qtbot, form.test.stop)
    assert conditions(form) == [OK, *[NOT_TRIED] * 4]
    assert form.test.button.isVisible()
    press(qtbot, form.test.button)
    qtbot.waitUntil(lambda: form.test.lines[CheckPart.PORT].condition is Condition.CHECKING)
    fill(form, port=str(good.port))
    assert not form.test.is_running
    wait_for_test(form, qtbot, [OK] * 5)
    fill(form, port="0")
    form._test_again.timeout.emit()
    assert not form.test.is_running


def test_what_a_server_says_is_shown_harmlessly_and_with_its_remedy(
    demo: Session, qtbot: QtBot, board: Board, show: Show, hostile: int
) -> None:
    good = board("board-1")
    form = form_of(demo, show, good.name)
    fill(form, port=str(hostile))
    press(qtbot, form.test.button)
    wait_for_test(form, qtbot, [OK, FAILED, NOT_TRIED, NOT_TRIED, NOT_TRIED])
    line = form.test.lines[CheckPart.PORT]
    assert "<img src=x>" in line.text.text()
    assert "\x1b" not in line.text.text() + line.accessibleName()
    assert line.remedy.isVisible()


def test_a_key_file_is_chosen_and_the_page_can_be_walked(
    demo: Session, qtbot: QtBot, board: Board, show: Show, answers: Answers, tmp_path: Path
) -> None:
    form = form_of(demo, show, board("board-1").name)
    answers.paths.extend([tmp_path / "key", None])
    press(qtbot, form.fields.browse)
    qtbot.waitUntil(lambda: form.fields.environment().identity_file == str(tmp_path / "key"))
    press(qtbot, form.fields.browse)
    qtbot.waitUntil(lambda: not answers.paths)
    assert not form.fields.rows["jump"].isVisible()
    login = form.sections.folded["Login"]
    assert login.button.accessibleName() == "Login, folded: Nothing set"
    press(qtbot, login.button)
    assert form.fields.rows["jump"].isVisible()
    assert login.button.accessibleName() == "Login, open"
    form.fields.become.setCurrentIndex(1)
    assert form.fields.environment().become is Become.SUDO
    assert "sudo" in form.fields.become.toolTip()
    form.focus_first()
    assert form.fields.text("host").hasFocus()
    assert all(each.isVisible() for each in form.regions())
    unnamed = [each for row in form.fields.rows.values() for each in [row.field] if not each.accessibleName()]
    assert not unnamed


def test_a_form_that_opens_before_the_lab_was_read_fills_itself(session: Session, qtbot: QtBot, show: Show) -> None:
    assert session.services.inventory.add(Environment(name="a", host="h", jump="gone", group="g")) != ()
    assert session.services.inventory.add(Environment(name="a", host="h", credential="entry")) == ()
    session.machines.environments = ()
    form = form_of(session, show, "a")
    qtbot.waitUntil(lambda: form.fields.environment().host == "h")
    assert not form.unsaved
    assert form.fields.rows["credential"].isVisible()


def test_power_and_boot_are_edited_and_their_comments_stay(
    demo: Session, qtbot: QtBot, board: Board, show: Show
) -> None:
    name = board("board-1").name
    lab = demo.services.lab_file
    entry = f'name = "{name}"'
    form = form_of(demo, show, name)
    assert form.fields.rows["power.on"].isHidden()
    for key, text in (("power.on", "pdu 'x"), ("boot_timeout", "soon")):
        form.fields.text(key).setText(text)
    told(form, "power.on", qtbot, "Power on must be a program with its arguments, but has no closing quotation")
    told(form, "boot_timeout", qtbot, "Boot time must be a duration such as 90s or 5m")
    assert form.fields.rows["power.on"].isVisible()
    for key, text in (("power.on", "pdu 3 on"), ("power.off", "pdu 3 off"), ("boot_timeout", "5m")):
        form.fields.text(key).setText(text)
    form.fields.autostart.setCurrentIndex(1)
    qtbot.waitUntil(form.save.isEnabled)
    with qtbot.waitSignal(form.done):
        press(qtbot, form.save)
    saved = demo.services.inventory.get(name)
    assert (saved.power, saved.autostart, saved.boot_timeout) == (Power("pdu 3 on", "pdu 3 off"), True, 300.0)
    text = lab.read_text()
    assert entry in text
    lab.write_text(text.replace('off = "pdu 3 off"', 'off = "pdu 3 off" # the red plug'))
    demo.machines.reload()
    form = form_of(demo, show, name)
    form.show_environment(demo.services.inventory.get(name))
    assert form.fields.rows["power.on"].isVisible()
    assert not form.unsaved
    form.fields.text("power.reset").setText("pdu 3 cycle")
    form.fields.text("boot_timeout").setText("")
    qtbot.waitUntil(form.save.isEnabled)
    with qtbot.waitSignal(form.done):
        press(qtbot, form.save)
    saved = demo.services.inventory.get(name)
    assert (saved.power.reset, saved.boot_timeout) == ("pdu 3 cycle", 0.0)
    assert 'off = "pdu 3 off" # the red plug' in lab.read_text()


GUEST = """\
# Ours.
[[environment]]
name = "vm"  # the debug one
kind = "qemu"
uri = "qemu:///system"
domain = "kd-debug"
host_ca = ["{key}"]
roots = ["/opt"]
monitor = "2m"
[environment.console]
tcp = "ser2net.lab:4001"  # port 1
protocol = "raw"
[[environment.kernel]]
name = "kasan"  # slow
image = "/srv/bzImage"
"""


def shown_rows(form: EnvironmentForm) -> set[str]:
    return {key for key, row in form.fields.rows.items() if row.isVisible()}


def test_a_guest_is_edited_and_what_the_form_does_not_know_stays(
    session: Session, qtbot: QtBot, show: Show, tmp_path: Path
) -> None:
    key = "SHA256:" + "A" * 43
    text = GUEST.format(key=key)
    lab = session.services.lab_file
    lab.write_text(text)
    session.machines.reload()
    qtbot.waitUntil(lambda: session.machines.get("vm") is not None)
    form = form_of(session, show, "vm")
    assert {"uri", "domain", "snapshot", "console", "console.tcp", "console.protocol", "monitor"} <= shown_rows(form)
    assert not {"console.command", "power.on", "credential"} & shown_rows(form)
    assert form.fields.text("host").placeholderText() == "libvirt tells it"
    assert form.fields.kernels.text() == "kasan"
    press(qtbot, form.sections.folded["Readiness"].button)
    assert form.sections.folded["Readiness"].button.accessibleName() == "Readiness, folded: looked at every 2m"
    assert "kernel" in shown_rows(form)
    assert "power.on" not in shown_rows(form), "its hypervisor switches it"

    form.fields.uri.setEditText("qemu+ssh://lab@hv/system")
    fill(form, domain="kd-other", monitor="30s")
    form.fields.snapshot.setCurrentIndex(form.fields.snapshot.findData("never"))
    form.fields.autostart.setCurrentIndex(1)
    form.fields.console.setCurrentIndex(form.fields.console.findData("command"))
    qtbot.waitUntil(lambda: form.save.toolTip() == "Command is missing")
    fill(form, **{"console.command": "picocom -q 'x"})
    told(form, "console.command", qtbot, "Command must be a program with its arguments, but has no closing quotation")
    fill(form, **{"console.command": "picocom -q /dev/ttyUSB0"})
    qtbot.waitUntil(form.save.isEnabled)
    with qtbot.waitSignal(form.done):
        press(qtbot, form.save)

    after = lab.read_text()
    assert "# Ours.\n" in after
    assert 'name = "vm"  # the debug one\n' in after
    assert '[[environment.kernel]]\nname = "kasan"  # slow\nimage = "/srv/bzImage"\n' in after
    assert session.services.inventory.get("vm") == Environment(
        name="vm",
        host="",
        kind=Kind.QEMU,
        uri="qemu+ssh://lab@hv/system",
        domain="kd-other",
        host_ca=(key,),
        roots=("/opt",),
        snapshot="never",
        autostart=True,
        monitor=30.0,
        console=Console("picocom -q /dev/ttyUSB0"),
        kernels=(Kernel("kasan", "/srv/bzImage"),),
    )


def test_the_console_of_a_board_and_what_is_wrong_with_it(
    demo: Session, qtbot: QtBot, board: Board, show: Show
) -> None:
    name = board("board-1").name
    form = form_of(demo, show, name)
    console = form.sections.folded["Serial console"]
    assert not {"uri", "domain", "snapshot", "console"} & shown_rows(form)
    assert console.button.accessibleName() == "Serial console, folded: Nothing set"
    press(qtbot, console.button)
    assert form.fields.console.currentText() == "None"
    form.fields.console.setCurrentIndex(form.fields.console.findData("tcp"))
    assert {"console.tcp", "console.protocol"} <= shown_rows(form)
    fill(form, **{"console.tcp": "ser2net.lab"})
    told(form, "console.tcp", qtbot, "Host and port must be host:port")
    fill(form, **{"console.tcp": "ser2net.lab:4001", "monitor": "now and then"})
    told(form, "monitor", qtbot, "Looked at must be a duration such as 90s or 5m")
    assert form.fields.rows["monitor"].isVisible(), "a mistake opens its section"
    fill(form, monitor="")
    form.fields.protocol.setCurrentIndex(form.fields.protocol.findData(ConsoleProtocol.RFC2217))
    qtbot.waitUntil(form.save.isEnabled)
    with qtbot.waitSignal(form.done):
        press(qtbot, form.save)
    saved = demo.services.inventory.get(name)
    assert saved.console == Console(tcp="ser2net.lab:4001", protocol=ConsoleProtocol.RFC2217)
    assert 'tcp = "ser2net.lab:4001"\nprotocol = "rfc2217"' in demo.services.lab_file.read_text()


def test_scrolling_changes_no_field_under_the_pointer(session: Session, qtbot: QtBot, show: Show) -> None:
    qtbot.waitUntil(lambda: session.machines.loaded)
    form = form_of(session, show)
    middle = QPointF(form.fields.kind.rect().center())
    down = QWheelEvent(
        middle,
        QPointF(form.fields.kind.mapToGlobal(middle.toPoint())),
        QPoint(),
        QPoint(0, -120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    )
    QApplication.sendEvent(form.fields.kind, down)
    assert form.fields.kind.currentIndex() == 0
    assert not down.isAccepted(), "it goes on to the page"


def test_a_new_guest_needs_an_address_or_a_domain(session: Session, qtbot: QtBot, show: Show) -> None:
    qtbot.waitUntil(lambda: session.machines.loaded)
    form = form_of(session, show)
    fill(form, name="vm", host="x")
    form.fields.kind.setCurrentIndex(form.fields.kind.findData(Kind.QEMU))
    assert {"uri", "domain", "snapshot"} <= shown_rows(form)
    fill(form, host="")
    told(form, "host", qtbot, "Address is missing: give one, or the guest's domain in libvirt")
    fill(form, domain="kd-new", become_credential="lab-sudo")
    form.fields.legacy.setCurrentIndex(1)
    qtbot.waitUntil(form.save.isEnabled)
    assert form.fields.console.itemText(0) == "That of its domain"
    summary = form.sections.folded["Login"].summary.text()
    assert summary == "sudo password lab-sudo, old algorithms"
    with qtbot.waitSignal(form.done):
        press(qtbot, form.save)
    wanted = Environment(name="vm", host="", kind=Kind.QEMU, domain="kd-new", become_credential="lab-sudo", legacy=True)
    assert session.services.inventory.get("vm") == wanted
