"""Coverage of kernels for front ends."""

from __future__ import annotations

from concurrent.futures import Future
from dataclasses import replace

from kdeploy_gui.app.inventory import Inventory
from kdeploy_gui.engine.coverage import CoverageCollecting, Tell, unheard
from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.model.coverage import Coverage, CoverageRequest
from kdeploy_gui.model.environment import Environment


class Coverages:
    """Coverage of the machines of one lab; `tell` hears on the engine's thread how far it is."""

    def __init__(self, collecting: CoverageCollecting, inventory: Inventory, engine: EngineThread) -> None:
        self._collecting = collecting
        self._inventory = inventory
        self._engine = engine

    def collect(self, name: str, request: CoverageRequest, tell: Tell = unheard) -> Coverage:
        """Collect from a machine. Raises what `CoverageCollecting.run` raises, and PlanError E-LAB-UNKNOWN.

        An exception in the waiting thread, such as KeyboardInterrupt, ends it.
        """
        environment = self._inventory.get(name)
        return self._engine.see_through(replace(self._collecting, tell=tell).run(environment, request))

    def start(self, environment: Environment, request: CoverageRequest, tell: Tell) -> Future[Coverage]:
        """The same for a window: cancelling the future ends it."""
        return self._engine.start(replace(self._collecting, tell=tell).run(environment, request))
