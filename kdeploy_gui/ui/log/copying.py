"""Lines of a log as text for the clipboard, with all of the long ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kdeploy_gui.ui.log.ansi import clean
from kdeploy_gui.ui.log.document import LogDocument
from kdeploy_gui.ui.log.painting import clock
from kdeploy_gui.ui.log.rows import Header


def copied(document: LogDocument, first: int, last: int, *, raw: bool) -> Callable[[], str]:
    """What makes the text of rows `first` to `last`, on any thread, whatever happens to the document meanwhile.

    Unless it is `raw` each stage has a line that names run, environment and stage, and each line its time and source.
    """
    places = [document.address(row) for row in range(first, last + 1)]
    return lambda: "\n".join(_lines(document, places, raw))


def _lines(document: LogDocument, places: list[tuple[int, int, int]], raw: bool) -> Iterator[str]:
    named = -1
    for address in places:
        found = document.row_at(address)
        if not raw and address[0] != named:
            named = address[0]
            yield title(document, named)
        if isinstance(found, Header):
            if raw or found.said:
                yield f"{found.title}  {found.said}".rstrip()
            continue
        begin, end = document.bounds(address)
        text = clean(document.read(begin, end - begin).removesuffix(b"\n")).text if found.hidden else found.text
        yield text if raw else f"{clock(found.time)}  {found.source:8} {text}"


def title(document: LogDocument, group: int) -> str:
    """Run, environment and stage, for whoever gets the text."""
    stage = document.groups[group].stage
    label = f", {group + 1} {stage.label}" if stage else ""
    return f"{document.environment}, run {document.run}{label}"
