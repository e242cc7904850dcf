"""Logs are read, searched and filtered off the UI thread, and grow."""

from __future__ import annotations

import pytest
from pytestqt.qtbot import QtBot

from kdeploy_gui.model.event import EnvironmentFinished, StageStarted
from kdeploy_gui.model.stage import Stage, Status
from kdeploy_gui.ui.log import loader as module
from kdeploy_gui.ui.log import scan
from kdeploy_gui.ui.log.document import LogDocument
from kdeploy_gui.ui.log.loader import LogLoader, Search
from kdeploy_gui.ui.session import Session
from tests.ui.log.story import Story, failed_story, texts


def load(story: Story, session: Session, qtbot: QtBot) -> LogLoader:
    loader = LogLoader(LogDocument(story.read, "vm-kasan", 118), session.bridge, session.bridge)
    loader.take(story.events)
    qtbot.waitUntil(lambda: loader.loaded and not loader.busy)
    return loader


def searched(loader: LogLoader, text: str, qtbot: QtBot) -> Search:
    loader.look_for(text)
    search = loader.search
    assert search is not None
    qtbot.waitUntil(lambda: search.complete)
    return search


def test_a_loaded_log_is_the_one_read_at_once(session: Session, qtbot: QtBot) -> None:
    story = failed_story()

    assert texts(load(story, session, qtbot).document) == texts(story.document())


def test_a_log_grows_with_its_run(session: Session, qtbot: QtBot) -> None:
    story = Story()
    story.tell(StageStarted(), Stage.DEPENDENCIES)
    loader = load(story, session, qtbot)
    search = searched(loader, "kasan", qtbot)
    assert len(search) == 0
    for number in range(30):
        story.output(f"line {number}\nKASAN half".encode(), Stage.DEPENDENCIES)
        loader.take(story.events)
    story.tell(EnvironmentFinished(Status.CANCELLED, False))
    loader.take(story.events)
    qtbot.waitUntil(lambda: not loader.busy and search.complete)

    assert texts(loader.document) == texts(story.document())
    assert len(search) == 30
    assert [loader.document.row_at(search.address(number)).text for number in (0, 29)] == [  # type: ignore[union-attr]
        "KASAN halfline 1",
        "KASAN half",
    ]
    assert [search.number_of(search.address(number)) for number in range(30)] == list(range(30))
    with pytest.raises(IndexError):
        search.address(30)


def test_the_last_lines_come_first(session: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TAIL", 100)
    story = Story()
    story.tell(StageStarted(), Stage.DEPENDENCIES)
    story.output(b"".join(b"line %d\n" % number for number in range(1000)), Stage.DEPENDENCIES)
    loader = LogLoader(LogDocument(story.read), session.bridge, session.bridge)
    seen: list[tuple[int, str]] = []
    loader.changed.connect(lambda: seen.append((len(loader.document), texts(loader.document)[-1])))
    loader.take(story.events)
    qtbot.waitUntil(lambda: loader.loaded and not loader.busy)

    assert any(1 < rows < 20 and last == "line 999" for rows, last in seen)
    assert len(loader.document) == 1001


def test_a_search_goes_through_everything_in_steps(
    session: Session, qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STEP", 1000)
    monkeypatch.setattr(scan, "CHUNK", 300)
    story = Story()
    story.tell(StageStarted(), Stage.DEPENDENCIES)
    story.output(b"".join(b"line %d\n" % number for number in range(1000)), Stage.DEPENDENCIES)
    loader = load(story, session, qtbot)
    told: list[int] = []
    loader.searched.connect(lambda: told.append(len(loader.search or ())))

    assert len(searched(loader, "LINE 9", qtbot)) == 111
    assert told == sorted(told)
    assert len(set(told)) > 2
    assert len(searched(loader, "done", qtbot)) == 0
    loader.look_for("")
    assert loader.search is None


def test_problems_only_goes_on_with_the_run(session: Session, qtbot: QtBot) -> None:
    story = failed_story()
    loader = load(story, session, qtbot)
    loader.show_problems(True)
    qtbot.waitUntil(lambda: not loader.busy)
    assert "all quiet" not in texts(loader.document)
    assert "BUG: KASAN: slab-use-after-free" in texts(loader.document)

    story.output(b"E: more\nfine\n", Stage.INSTRUMENTATION)
    loader.take(story.events)
    qtbot.waitUntil(lambda: not loader.busy)
    assert "E: more" in texts(loader.document)
    assert "fine" not in texts(loader.document)

    loader.show_problems(False)
    assert texts(loader.document) == texts(story.document())
