"""One failure as text that can be sent to somebody."""

from __future__ import annotations

import platform

from kdeploy_gui import __version__
from kdeploy_gui.model.event import timestamp
from kdeploy_gui.model.visible import visible, visible_lines
from kdeploy_gui.ui.errors.causes import Cause


def report(cause: Cause) -> str:
    """Everything the detail page shows, as plain text."""
    record, failure = cause.newest, cause.newest.failure
    evidence = failure.evidence
    lines = [
        f"{visible(failure.code)} ({failure.category.value}): {visible(failure.message)}",
        f"environment:   {visible(', '.join(cause.environments))}",
        f"run:           {record.run} ({visible(record.plan)}), {timestamp(record.time)}",
        f"seen:          {len(cause.records)} times, in runs {', '.join(map(str, cause.runs))}",
        f"stage:         {visible(failure.where.stage) or '-'}, attempt {record.attempts}",
        f"path:          {visible(failure.where.path) or '-'}",
        f"on the target: {visible_lines(failure.on_target) or '-'}",
        f"what to do:    {visible_lines(failure.remedy) or '-'}",
    ]
    if evidence.command:
        lines.append(f"command:       {visible(evidence.command)}")
    if evidence.exit_status is not None:
        lines.append(f"exit status:   {evidence.exit_status}")
    if evidence.stderr:
        lines.append(f"evidence:\n{visible_lines(evidence.stderr)}")
    if evidence.console:
        lines.append(f"last lines of the serial console:\n{visible_lines(evidence.console)}")
    lines.append(f"kdeploy {__version__}, Python {platform.python_version()}, {platform.platform()}")
    return "\n".join(lines)
