"""`kdeploy coverage`: what gcov counted in a machine's kernel, copied here, and as pages where its build is here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.live import Live
from rich.text import Text

from kdeploy_gui.cli.asking import unlock
from kdeploy_gui.cli.environments import known
from kdeploy_gui.cli.follow import termination_interrupts
from kdeploy_gui.cli.look import Screen
from kdeploy_gui.cli.options import EXIT_CANCELLED, command_options
from kdeploy_gui.cli.output import Output, fields
from kdeploy_gui.cli.session import services
from kdeploy_gui.cli.text import count
from kdeploy_gui.model.coverage import Coverage, CoverageProgress, CoverageRequest
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.visible import visible

FOLDER = click.Path(path_type=Path, file_okay=False)


@click.command()
@click.argument("name")
@click.option(
    "--out", type=FOLDER, default="coverage", show_default=True, metavar="DIR", help="A folder in it is made."
)
@click.option("--build-tree", type=FOLDER, metavar="DIR", help="Where the kernel was built: lcov makes a report.")
@click.option("--gcov", default="gcov", show_default=True, metavar="PROGRAM", help="Of the GCC that built the kernel.")
@click.option("--reset", is_flag=True, help="Set all counters to zero after they are stored here.")
@command_options(on_interrupt=EXIT_CANCELLED)
def coverage(output: Output, /, name: str, out: Path, build_tree: Path | None, gcov: str, reset: bool) -> int:
    """Copy what gcov counted in the kernel of NAME since it booted, or since a reset, into a new folder of DIR.

    The folder mirrors /sys/kernel/debug/gcov below gcda/; about.json says of which boot and build it is. With
    --build-tree it gets a report, too: the kernel that runs must be the one that was built there. Where debugfs is not
    mounted it is while that takes. Counters are only reset with --reset: whoever else measures there loses theirs.

    Exit status 0: collected, with its report if one was asked for; 1: not, or without the report; 2: there can be none;
    5: Ctrl-C. A folder that has its name is whole.
    """
    request = CoverageRequest(out=out, build_tree=build_tree, gcov=gcov, reset=reset)
    with termination_interrupts(), services(output) as opened:
        unlock(output, opened, [known(opened, name)])
        with _progress(output) as tell:
            found = opened.coverage.collect(name, request, tell)
    if output.json:
        output.document(_document(found))
    else:
        _say(output, found)
    return 0


def _document(found: Coverage) -> dict[str, object]:
    data, report = found.data, found.report
    return {
        "data": {**fields(data), "folder": str(data.folder)},
        "report": {**fields(report), "page": str(report.page)} if report is not None else None,
        "reset": found.reset,
    }


def _say(output: Output, found: Coverage) -> None:
    data, report = found.data, found.report
    origin = data.origin
    output.say(f"{count(data.files, 'file')} of counters ({size(data.bytes)}) of boot {origin.boot_id[:8]}")
    output.say(f"  kernel: {origin.kernel_release} {origin.kernel_build}")
    output.say(f"  folder: {data.folder}")
    if data.unread:
        output.say(f"  {count(data.unread, 'file')} could not be read there")
    if found.reset:
        output.say("  all counters there were set to zero after that")
    if report is not None:
        output.say(f"  ran:    {report.words}")
        if report.without_notes:
            output.say(
                f"  without .gcno in the build tree, so not in the report: {count(report.without_notes, 'file')}"
            )
        output.say(f"  report: {report.page}")


@contextmanager
def _progress(output: Output) -> Iterator[Callable[[CoverageProgress], None]]:
    """What hears of the progress: one line that is redrawn on a terminal, elsewhere a line for each step."""
    screen = Screen(sys.stderr)
    told = CoverageProgress("")
    if output.quiet or output.json or not screen.live:

        def note(progress: CoverageProgress) -> None:
            nonlocal told
            if progress.step != told.step and not output.json:
                output.note(f"{progress.step} ...")
            told = progress

        yield note
        return

    def take(progress: CoverageProgress) -> None:
        nonlocal told
        told = progress

    def draw() -> Text:
        return Text(visible(told.words), overflow="ellipsis", no_wrap=True)

    with Live(console=screen, get_renderable=draw, refresh_per_second=8, transient=True, redirect_stdout=False):
        yield take
