"""Fuzzing set-ups for front ends: prepared, written and tested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from kdeploy_gui.app.inventory import Inventory
from kdeploy_gui.documents.whole_file import write_whole
from kdeploy_gui.engine.fuzzing import FuzzPreparing
from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.errors import LocalError, PlanError
from kdeploy_gui.model.fuzzing import FuzzRequest, FuzzSetup, SmokeTest

LARGEST = 1 << 20
"""Bytes of a file that kdeploy could have written."""


class Fuzzing:
    """Fuzzing of the machines of one lab; verbs may be called from any thread but the engine's."""

    def __init__(self, preparing: FuzzPreparing, inventory: Inventory, engine: EngineThread) -> None:
        self._preparing = preparing
        self._inventory = inventory
        self._engine = engine

    def set_up(self, names: Sequence[str], request: FuzzRequest, *, force: bool = False) -> FuzzSetup:
        """Write the configuration of syz-manager for these environments.

        Raises PlanError E-LAB-UNKNOWN, E-SYZ-FILE for a file that kdeploy did not write, or that was changed since,
        unless with `force`, what `FuzzPreparing.prepare` raises, and LocalError E-WRITE. Nothing is written then.
        """
        environments = [self._inventory.get(each) for each in dict.fromkeys(names)]
        self._check_file(request.file, force)
        setup = self._engine.ask(self._preparing.prepare(environments, request))
        self._check_file(request.file, force)
        try:
            for folder in (request.workdir, request.file.parent):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_whole(request.file, setup.text.encode(), 0o600)
        except OSError as error:
            path = str(error.filename or request.file)
            raise LocalError("E-WRITE", f"{path} cannot be written: {error.strerror}", path=path) from error
        return setup

    def smoke(
        self, names: Sequence[str], setup: FuzzSetup, config: Path, seconds: float, output: Callable[[bytes], None]
    ) -> SmokeTest:
        """Have syz-manager test what `set_up` wrote; `output` hears it on the engine's thread. Raises LocalError.

        An exception in the waiting thread, such as KeyboardInterrupt, ends it.
        """
        environments = [self._inventory.get(each) for each in dict.fromkeys(names)]
        return self._engine.see_through(self._preparing.smoke(environments, setup, config, seconds, output))

    def _check_file(self, path: Path, force: bool) -> None:
        if force:
            return
        try:
            with path.open("rb") as file:
                text = file.read(LARGEST).decode(errors="replace")
        except FileNotFoundError:
            return
        except OSError as error:
            raise LocalError("E-WRITE", f"{path} cannot be read: {error.strerror}", path=str(path)) from error
        if not self._preparing.fuzzer.is_ours(text):
            message = f"{path} is there, and kdeploy did not write it, or it was changed since"
            raise PlanError("E-SYZ-FILE", message, path=str(path))
