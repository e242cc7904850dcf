"""`kdeploy demo`: the main job on SSH servers inside this program."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import click

from kdeploy_gui.cli.deploy import run_plan
from kdeploy_gui.cli.follow import exit_status, termination_interrupts
from kdeploy_gui.cli.options import EXIT_CANCELLED, command_options
from kdeploy_gui.cli.output import Output, json_line
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.event import Event, event_to_json, to_json
from kdeploy_gui.model.run import fold

OUT = "Write report.html, events.jsonl and summary.json there."


@click.command()
@click.option("--boards", type=click.IntRange(1, 300), default=6, show_default=True, help="How many.")
@click.option("--keep", is_flag=True, help="Keep the boards' folders and say where they are.")
@click.option(
    "--out",
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help=OUT,
)
@command_options(on_interrupt=EXIT_CANCELLED)
def demo(output: Output, /, boards: int, keep: bool, out: Path | None) -> int:
    """Deploy the bundled sample suite to real SSH servers on loopback: some healthy, one of each instructive fault.

    Nothing outside a temporary folder is touched. Exit status as of `deploy`: 1, because some boards fail on purpose.
    """
    from kdeploy_gui.app import open_demo

    if output.lab:
        output.note("note: the demo brings its own lab; --lab is not used")
    root = Path(tempfile.mkdtemp(prefix="kdeploy-demo-")) if keep else None
    with termination_interrupts(), open_demo(boards, root, keep) as (opened, plan):
        state = run_plan(output, opened, plan)
        if out is not None:
            _write(out, opened.history.events(state.run))
    if root is not None:
        output.note(f"The boards' folders are kept in {root}")
    if out is not None and not output.json:
        output.say(f"Report: {out / 'report.html'}")
    return exit_status(state)


def _write(folder: Path, events: list[Event]) -> None:
    from kdeploy_gui.app import html_report

    state = fold(events)
    summary = {"run": state.run, "plan": state.plan, "outcome": state.outcome, "environments": state.summary()}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "events.jsonl").write_text("".join(f"{json_line(event_to_json(each))}\n" for each in events))
        (folder / "summary.json").write_text(json.dumps(to_json(summary), indent=2) + "\n")
        (folder / "report.html").write_text(html_report(events), encoding="utf-8")
    except OSError as error:
        raise LocalError("E-WRITE", f"cannot write the report: {error.strerror}", path=str(folder)) from error
