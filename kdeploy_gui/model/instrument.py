"""Kernel instruments as the catalogue describes them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """One catalogue entry. `detect` is a shell script that prints `built_in`, `reachable`, `on` and `note` lines
    (`key<TAB>value`), empty where this version cannot tell; `aliases` are old names that plans may still use."""

    name: str
    title: str
    aliases: tuple[str, ...] = ()
    detect: str = ""
