"""What libraries have to say, on stderr: their warnings with -v only, their errors always, but then in one line."""

from __future__ import annotations

import logging

from kdeploy_gui.model.visible import visible, visible_lines


class _Line(logging.Formatter):
    """The message alone, without traceback."""

    def format(self, record: logging.LogRecord) -> str:
        first, _, _ = record.getMessage().partition("\n")
        return visible(f"{record.name}: {first} (-v shows more)")


class _Whole(logging.Formatter):
    """Everything, harmless for the terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return visible_lines(super().format(record))


def listen(verbose: bool) -> None:
    """Attach the one handler of this program."""
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING if verbose else logging.ERROR)
    handler.setFormatter(_Whole("%(name)s: %(message)s") if verbose else _Line())
    logging.getLogger().addHandler(handler)
    logging.captureWarnings(True)
