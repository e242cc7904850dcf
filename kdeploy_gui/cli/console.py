"""`kdeploy console`: a machine's serial console in this terminal."""

from __future__ import annotations

import select
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from kdeploy_gui.cli.environments import known
from kdeploy_gui.cli.follow import termination_interrupts
from kdeploy_gui.cli.options import EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output
from kdeploy_gui.cli.session import services
from kdeploy_gui.cli.terminal import Inbox, in_words, interact
from kdeploy_gui.cli.text import OutputText, local_time
from kdeploy_gui.model.console import Link, Piece
from kdeploy_gui.model.event import timestamp
from kdeploy_gui.model.visible import visible

if TYPE_CHECKING:
    from kdeploy_gui.app import Services

BACKLOG = 2048
"""Bytes of what was printed before that are shown first."""
LOG = 16 * 1024 * 1024
"""Bytes that --log prints at most."""


@click.command()
@click.argument("name")
@click.option("--read-only", is_flag=True, help="Take no keys but ~. and ~?; Ctrl-C ends, too.")
@click.option("--follow", is_flag=True, help="Print plain text to the end of time or Ctrl-C; needs no terminal.")
@click.option("--log", is_flag=True, help="Print what was recorded, with times, and end.")
@command_options(on_plan_error=EXIT_FAILED)
def console(output: Output, /, name: str, read_only: bool, follow: bool, log: bool) -> int:
    """Open NAME's serial console, as the lab file names it under [environment.console]; guests have their domain's.

    Keys go to the machine. At the beginning of a line a tilde is for kdeploy, as in ssh: ~. ends, ~~ types one tilde,
    ~? lists these keys. What the machine prints may colour and move the cursor; titles, clipboard and questions to the
    terminal are left out. Everything is recorded while anybody listens. Where another kdeploy has the console open,
    keys and text go through that one; a console that ends is opened again.
    """
    if sum((read_only, follow, log)) > 1:
        raise click.UsageError("--read-only, --follow and --log exclude each other")
    if not (follow or log) and not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise click.UsageError("stdin and stdout are no terminal: use --follow or --log")
    with services(output) as opened:
        environment = known(opened, name)
        if log:
            _print_log(output, opened, name)
            return 0
        with termination_interrupts(), Inbox() as inbox:
            session = opened.consoles.open(environment, inbox.hear, inbox.tell)
            try:
                if follow:
                    _follow(output, inbox)
                else:
                    before = opened.consoles.recorded(name, BACKLOG)
                    interact(inbox, before, None if read_only else session.write)
            finally:
                session.close().result()
    return 0


def _follow(output: Output, inbox: Inbox) -> None:
    """Plain text to stdout, how the way is to stderr, until Ctrl-C, or where no way leads to it."""
    text = OutputText()
    with suppress(KeyboardInterrupt):
        while True:
            select.select([inbox], [], [])
            for each in inbox.take():
                if isinstance(each, Piece):
                    click.echo(text.add(each.data), nl=False)
                    sys.stdout.flush()
                else:
                    output.note(in_words(each))
                    if each.link is Link.NONE:
                        return


def _print_log(output: Output, opened: Services, name: str) -> None:
    pieces = opened.consoles.recorded(name, LOG)
    if output.json:
        rows = [{"time": timestamp(each.time), "text": _decoded(each.data)} for each in pieces]
        output.document({"environment": name, "folder": str(opened.consoles.place(name)), "output": rows})
        return
    for moment, line in _lines(pieces):
        output.say(f"{moment}  {line}")
    if not pieces:
        output.note(f"Nothing was recorded yet: `kdeploy console {name}` and runs record what it prints.")


def _lines(pieces: tuple[Piece, ...]) -> Iterator[tuple[str, str]]:
    """Whole lines, each with the time at which it began."""
    held, began = b"", ""
    for piece in pieces:
        *whole, rest = piece.data.split(b"\n")
        for line in whole:
            yield began if held else local_time(piece.time), visible(_decoded((held + line).strip(b"\r")))
            held = b""
        began = began if held else local_time(piece.time)
        held += rest
    if held:
        yield began, visible(_decoded(held.strip(b"\r")))


def _decoded(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
