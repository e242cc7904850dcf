"""What a command prints, and how: one object that knows --json, --quiet and -v."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdeploy_gui.model.event import Json, to_json
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.problem import Problem
from kdeploy_gui.model.visible import visible, visible_lines

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True)
class Output:
    """The options that every command has, and printing that obeys them.

    Raises BrokenPipeError when the reader of stdout has gone.
    """

    json: bool = False
    lab: Path | None = None
    quiet: bool = False
    verbose: bool = False

    def document(self, document: Mapping[str, object]) -> None:
        """The answer of a command for machines: one JSON document."""
        click.echo(json.dumps(to_json(document), indent=2))

    def say(self, text: str = "") -> None:
        """A line of the answer for people."""
        if not self.quiet:
            click.echo(visible_lines(text))

    def note(self, text: str) -> None:
        """Something beside the answer: stderr."""
        if not self.quiet:
            click.echo(visible_lines(text), err=True)

    def problems(self, problems: Iterable[Problem]) -> None:
        """Mistakes in a plan or lab file, all of them."""
        found = list(problems)
        if self.json:
            self.document({"problems": found})
            return
        for each in found:
            click.echo(f"error: {visible(str(each))}", err=True)

    def failure(self, failure: Failure) -> None:
        """One failure of a command (those of a run stand in its summary)."""
        if self.json:
            self.document({"error": failure})
        else:
            click.echo("\n".join(describe(failure)), err=True)


def describe(failure: Failure) -> list[str]:
    """A failure in plain lines: what, where, what is on the target, what to do, evidence."""
    lines = [f"error: {failure.code} ({failure.category}): {visible(failure.message)}"]
    lines += [f"  {label + ':':<15}{visible(text)}" for label, text in rows(failure)]
    return lines


def rows(failure: Failure) -> list[tuple[str, str]]:
    """The labelled parts of a failure that apply, without code and message; texts are raw."""
    where = ", ".join(part for part in (failure.where.environment, failure.where.stage, failure.where.path) if part)
    evidence = failure.evidence
    status = "" if evidence.exit_status is None else f" ended with status {evidence.exit_status}"
    parts = [
        ("where", where),
        ("on the target", failure.on_target),
        ("what to do", failure.remedy),
        ("command", f"{evidence.command}{status}" if evidence.command else ""),
        ("it said", evidence.stderr.strip()),
        ("its console", evidence.console),
    ]
    return [(label, text) for label, text in parts if text]


def fields(value: DataclassInstance) -> dict[str, object]:
    """A frozen value's fields, for a document that adds to them."""
    return {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}


def json_line(value: Mapping[str, Json]) -> str:
    """One object on one line, ASCII only: terminals and line readers survive it."""
    return json.dumps(value, separators=(",", ":"))


def let_go_of_stdout() -> None:
    """After a broken pipe: what is still printed goes nowhere, and the interpreter's last flush cannot fail."""
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, sys.stdout.fileno())
    os.close(null)
