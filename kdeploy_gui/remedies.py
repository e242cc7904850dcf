"""What to do about an error: texts from `resources/remedies/*.toml`, one table per code."""

from __future__ import annotations

import shlex
import string
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from kdeploy_gui import resources
from kdeploy_gui.errors import KdeployError

FOLDER = resources.ROOT / "remedies"
TRUST = "trust"
"""Stands in templates for the command that pins the key of the machine that an error is about."""
LAB = "lab"
"""The placeholder for ` --lab FILE`, empty where the usual lab file is meant."""


class _Filler(string.Formatter):
    """`{name}` from the values, `{name!q}` quoted for a shell; a name without a value becomes `<name>`."""

    def get_field(self, field_name: str, args: Any, kwargs: Mapping[str, Any]) -> tuple[str, str]:
        gap = "" if field_name == LAB else f"<{field_name}>"
        return str(kwargs.get(field_name) or gap), field_name

    def convert_field(self, value: str, conversion: str | None) -> str:
        return shlex.quote(value) if conversion == "q" and not value.startswith("<") else value

    def format_field(self, value: str, format_spec: str) -> str:
        return value


def placeholders(template: str) -> frozenset[str]:
    """The names that a template asks for."""
    return frozenset(name for _, name, _, _ in string.Formatter().parse(template) if name)


@dataclass(frozen=True, slots=True)
class RemedyTexts:
    """The remedies of one folder; the port `Remedies`. `values` hold for all of them."""

    templates: Mapping[str, str]
    values: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path = FOLDER) -> RemedyTexts:
        """Read every TOML file of a folder. Raises ValueError where a code stands twice or has no remedy."""
        templates: dict[str, str] = {}
        for file in sorted(folder.glob("*.toml")):
            for code, table in tomllib.loads(file.read_text(encoding="utf-8")).items():
                text = table.get("remedy") if isinstance(table, dict) else None
                if code in templates or not isinstance(text, str):
                    raise ValueError(f"{file.name}: [{code}] stands twice or has no remedy")
                templates[code] = text.strip()
        return cls(templates)

    def for_lab(self, lab_file: Path) -> RemedyTexts:
        """The same remedies with commands that work on this lab file."""
        return replace(self, values={**self.values, LAB: f" --lab {shlex.quote(str(lab_file))}"})

    def remedy(self, error: KdeployError, environment: str) -> str:
        """The remedy for an error at an environment or a jump host before it; empty where its code has none."""
        by_address = "@" in error.hop
        command = f"kdeploy env trust {shlex.quote(environment if by_address else error.hop or environment)}"
        values = {
            **error.details,
            "path": error.path,
            "environment": error.hop or environment,
            TRUST: f"{command} --jump-host" if by_address else command,
        }
        return self.text(error.code, values)

    def text(self, code: str, values: Mapping[str, str]) -> str:
        """The remedy for a code; a value that is missing or empty shows as `<name>`."""
        return _Filler().vformat(self.templates.get(code, ""), (), {**self.values, **values})


@cache
def bundled() -> RemedyTexts:
    """The remedies that come with the program."""
    return RemedyTexts.read()
