"""The `Instruments` port: the catalogue's entries, looked for, proven and switched on machines."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

from kdeploy_gui import resources
from kdeploy_gui.errors import TargetError
from kdeploy_gui.instruments.detection import after_proof, finding, packages
from kdeploy_gui.instruments.entries import FOLDER, load
from kdeploy_gui.instruments.evidence import Seen, question, seen_in
from kdeploy_gui.instruments.helper import compiler, kcov_helper
from kdeploy_gui.instruments.proving import Proof, judged
from kdeploy_gui.instruments.switching import left_in, switched_in, throwing, undoing
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.instrument import Finding, Instrument, State, Switched, Where
from kdeploy_gui.ports import Target

DETECTION = "instrument detection"
PROOF_TIMEOUT = 300.0
"""Seconds for one proof: ftrace's took 150 s on a kernel with KASAN and lockdep in an emulated machine."""


class Catalogue:
    """See `Instruments`. Entries come from a folder of TOML files."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._entries = load(folder)

    def all(self) -> tuple[Instrument, ...]:
        """See `Instruments.all`."""
        return self._entries

    def canonical(self, name: str) -> str:
        """See `Instruments.canonical`."""
        return next((each.name for each in self._entries if name in (each.name, *each.aliases)), "")

    async def detect(self, target: Target, names: Sequence[str]) -> Mapping[str, Finding]:
        """See `Instruments.detect`."""
        chosen = self._chosen(names)
        if not chosen:
            return {}
        seen = await self._look(target, chosen)
        return {each.name: finding(each, seen) for each in chosen}

    async def _look(self, target: Target, chosen: Sequence[Instrument]) -> Seen | None:
        arguments = (question(chosen),)
        script = resources.text("remote/kernel_config.sh") + resources.text("remote/evidence.sh")
        done = await target.execute(Command(script, arguments, title=DETECTION))
        return seen_in(done, await asyncio.to_thread(_tools_here, chosen))

    async def prove(self, target: Target, found: Finding, machine: str) -> Finding:
        """See `Instruments.prove`."""
        (instrument,) = self._chosen([found.instrument])
        if found.state is not State.ACTIVE or not instrument.proof or instrument.where is Where.WORKSTATION:
            return found
        script = resources.text("remote/proofs/common.sh") + resources.text(f"remote/proofs/{instrument.proof}.sh")
        arguments = (await asyncio.to_thread(kcov_helper, machine),) if instrument.proof == "kcov" else ()
        title = f"proof of {instrument.title}"
        try:
            done = await target.execute(Command(script, arguments, title=title, timeout=PROOF_TIMEOUT, gentle=True))
            proof = judged(instrument.proof, done)
        except TargetError as error:
            proof = Proof(None, error.message)
        known = {"machine": machine, "packages": packages(instrument), "title": instrument.title}
        if proof.cause == "no_helper":
            proof = Proof(
                None, f"no compiler for {machine} here" if not compiler(machine) else "no helper", cause="no_helper"
            )
        return after_proof(instrument, found, proof, known)

    def curable(self, found: Finding) -> bool:
        """See `Instruments.curable`."""
        (instrument,) = self._chosen([found.instrument])
        return any(each.cures == found.cause for each in instrument.switches)

    async def switch(
        self, target: Target, found: Sequence[Finding], *, mounts_only: bool = False
    ) -> tuple[Switched, ...]:
        """See `Instruments.switch`."""
        wanted = {
            each.path: each
            for one in found
            for instrument in self._chosen([one.instrument])
            for each in instrument.switches
            if each.cures == one.cause and (each.mount or not mounts_only)
        }
        if not wanted:
            return ()
        script = resources.text("remote/switch.sh")
        done = await target.execute(
            Command(script, throwing(wanted.values()), title="switching instruments", gentle=True)
        )
        return switched_in(done, wanted, found[0].boot_id)

    async def take_back(self, target: Target, switched: Sequence[Switched]) -> Mapping[str, str]:
        """See `Instruments.take_back`."""
        if not switched:
            return {}
        script = resources.text("remote/switch.sh")
        done = await target.execute(Command(script, undoing(switched), title="switching instruments back", gentle=True))
        return left_in(done, switched)

    def _chosen(self, names: Sequence[str]) -> tuple[Instrument, ...]:
        return tuple(each for each in self._entries if each.name in names)


def _tools_here(instruments: Sequence[Instrument]) -> Mapping[str, str]:
    """Commands of this workstation, by name; those that are missing with nothing."""
    names = [tool for each in instruments if each.where is Where.WORKSTATION for tool in each.look.tools]
    return {name: shutil.which(name) or "" for name in names}
