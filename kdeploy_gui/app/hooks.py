"""A command of the lab's own that is run when an environment becomes READY, or no longer is."""

from __future__ import annotations

import logging
import os
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.ports import ReadinessLog

HOOK_TIMEOUT = 30.0
"""Seconds for one call of the command."""
log = logging.getLogger(__name__)


class HookedReadiness:
    """The `ReadinessLog` port that runs a command after a mark has changed between READY and not.

    `command` gives it as the lab file has it now, empty: none. It is split as a shell splits it and runs without one,
    in `folder`, with KDEPLOY_ENVIRONMENT, KDEPLOY_READY (yes or no), KDEPLOY_BECAUSE and KDEPLOY_RUN. That it fails is
    told in the program's log and changes nothing.
    """

    def __init__(self, inner: ReadinessLog, command: Callable[[], str], folder: Path) -> None:
        self._inner = inner
        self._command = command
        self._folder = folder

    def latest(self, environment: str) -> ReadyMark | None:
        """See `ReadinessLog.latest`."""
        return self._inner.latest(environment)

    def changes(self, environment: str, most: int) -> tuple[ReadyMark, ...]:
        """See `ReadinessLog.changes`."""
        return self._inner.changes(environment, most)

    def mark(self, mark: ReadyMark) -> None:
        """See `ReadinessLog.mark`."""
        before = self._inner.latest(mark.environment)
        self._inner.mark(mark)
        if (before is not None and before.ready) != mark.ready:
            self._run(mark)

    def _run(self, mark: ReadyMark) -> None:
        words = shlex.split(self._command())
        if not words:
            return
        told = {
            "KDEPLOY_ENVIRONMENT": mark.environment,
            "KDEPLOY_READY": "yes" if mark.ready else "no",
            "KDEPLOY_BECAUSE": mark.because.replace("\0", ""),
            "KDEPLOY_RUN": str(mark.run),
        }
        try:
            done = subprocess.run(
                words,
                cwd=self._folder if self._folder.is_dir() else None,
                env={**os.environ, **told},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=HOOK_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            log.warning("the hook for %s could not be run: %s", mark.environment, error)
            return
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace").strip()[-500:]
            log.warning("the hook for %s ended with status %d: %s", mark.environment, done.returncode, said)
