"""The labelled corpus: what a console said, and which reports are in it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path

from kdeploy_gui.engine.splats.recogniser import Recogniser
from kdeploy_gui.model.splat import Splat

HERE = Path(__file__).parent
RECORDINGS = HERE / "recordings"


@dataclass(frozen=True, slots=True)
class Case:
    """A text and the fields of its reports that are told."""

    name: str
    text: bytes
    splats: tuple[dict[str, object], ...]


def load() -> list[Case]:
    """Every case of every file."""
    return [
        Case(f"{file.stem}: {table['name']}", table["text"].encode(), tuple(table.get("splat", ())))
        for file in sorted((HERE / "corpus").glob("*.toml"))
        for table in tomllib.loads(file.read_text(encoding="utf-8"))["case"]
    ]


CASES = load()


def recording(name: str) -> bytes:
    """The console of a real kernel."""
    return (RECORDINGS / f"{name}.log").read_bytes()


def splats_in(data: bytes, *, emulated: bool = False) -> list[Splat]:
    """All reports of a text that ends here."""
    recogniser = Recogniser(emulated)
    return recogniser.feed(data) + recogniser.settle()
