"""Checks of source trees for front ends."""

from __future__ import annotations

from dataclasses import replace

from kdeploy_gui.engine.source_check import SourceChecking, Tell, unheard
from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.model.source_check import CheckRequest, SourceReport


class SourceChecks:
    """Semantic patches on this workstation; verbs may be called from any thread but the engine's."""

    def __init__(self, checking: SourceChecking, engine: EngineThread) -> None:
        self._checking = checking
        self._engine = engine

    def run(self, request: CheckRequest, tell: Tell = unheard) -> SourceReport:
        """Run semantic patches over a source tree; `tell` hears on the engine's thread how far they are.

        An exception in the waiting thread, such as KeyboardInterrupt, ends them at once. Raises what
        `SourceChecking.run` raises.
        """
        return self._engine.see_through(replace(self._checking, tell=tell).run(request))
