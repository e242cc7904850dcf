"""Notifications reach a real session bus, as they are; where nobody shows them nothing fails."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from kdeploy_gui.app.desktop import Desktop
from kdeploy_gui.engine.thread import EngineThread
from tests.lab.notifications import Notifications, SessionBus

TITLE, TEXT = "Run <1> failed: a & b\x1b[31m", "<b>board</b> & more\nsecond \u202eline"
PLAIN = "<b>board</b> & more\nsecond \\u202eline"


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    engine = EngineThread()
    yield Desktop(engine)
    engine.close()


@pytest.mark.parametrize(
    ("abilities", "text"),
    [(("body",), PLAIN), (("body", "body-markup"), "&lt;b&gt;board&lt;/b&gt; &amp; more\nsecond \\u202eline")],
    ids=["plain service", "service that reads markup"],
)
def test_text_is_shown_as_it_is(
    desktop: Desktop, session_bus: SessionBus, abilities: tuple[str, ...], text: str
) -> None:
    with Notifications(session_bus, abilities) as service:
        assert desktop.tell(TITLE, TEXT).result(20)
    (shown,) = service.shown
    assert (shown.application, shown.title) == ("kdeploy", "Run <1> failed: a & b\\x1b[31m")
    assert shown.text == text
    assert shown.signature == "susssasa{sv}i"
    assert shown.hints == {"desktop-entry": ("s", "kdeploy")}


def test_a_service_that_refuses(desktop: Desktop, session_bus: SessionBus) -> None:
    with Notifications(session_bus, refuses=True) as service:
        assert not desktop.tell(TITLE, TEXT).result(20)
    assert not service.shown


def test_a_bus_without_a_service(desktop: Desktop, session_bus: SessionBus) -> None:
    assert not desktop.tell(TITLE, TEXT).result(20)


@pytest.mark.parametrize("address", ["", "disabled:", "unix:path=/nowhere", "tcp:host=localhost,port=1", "x"])
def test_a_session_without_a_bus(desktop: Desktop, monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    assert not desktop.tell(TITLE, TEXT).result(20)


def test_the_usual_place_of_the_bus_is_known(
    desktop: Desktop, session_bus: SessionBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(session_bus.folder))
    with Notifications(session_bus) as service:
        assert desktop.tell(TITLE, TEXT).result(20)
    assert len(service.shown) == 1
