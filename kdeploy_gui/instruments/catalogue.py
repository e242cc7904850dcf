"""The instrument catalogue: one TOML file per instrument below `resources/instruments/`."""

from __future__ import annotations

import tomllib
from pathlib import Path

from kdeploy_gui.model.instrument import Instrument
from kdeploy_gui.resources import ROOT


class Catalogue:
    """The `Instruments` port over a folder of TOML files (`order`, `title`, `aliases`, `detect`)."""

    def __init__(self, folder: Path = ROOT / "instruments") -> None:
        tables = {path.stem: tomllib.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.toml")}
        self._entries = tuple(
            Instrument(
                name=name,
                title=table["title"],
                aliases=tuple(table.get("aliases", ())),
                detect=table.get("detect", ""),
            )
            for name, table in sorted(tables.items(), key=lambda each: each[1]["order"])
        )

    def all(self) -> tuple[Instrument, ...]:
        """See `Instruments.all`."""
        return self._entries

    def canonical(self, name: str) -> str:
        """See `Instruments.canonical`."""
        return next((each.name for each in self._entries if name in (each.name, *each.aliases)), "")
