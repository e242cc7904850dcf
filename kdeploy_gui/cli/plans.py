"""`kdeploy plan`: looking at plans without touching anything."""

from __future__ import annotations

from pathlib import Path

import click

from kdeploy_gui.cli.options import EXIT_CANCELLED, EXIT_PLAN, command_options
from kdeploy_gui.cli.output import Output
from kdeploy_gui.cli.plan_show import lines, previews_of, shape, summary
from kdeploy_gui.cli.session import services
from kdeploy_gui.cli.text import count
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.visible import visible


@click.group()
def plan() -> None:
    """Plans: check, show."""


@plan.command()
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
@command_options()
def check(output: Output, /, plan_file: Path) -> int:
    """Check a plan: everything that is wrong in it, with file, line and field. Connects nowhere."""
    with services(output) as opened:
        planned = opened.plans.check(plan_file)
    bad = bool(planned.problems) or planned.plan is None
    if output.json:
        shape = _shape(planned.plan) if planned.plan else {}
        output.document({**shape, "problems": planned.problems, "notices": planned.notices})
        return EXIT_PLAN if bad else 0
    for notice in planned.notices:
        output.note(f"note: {visible(str(notice))}")
    output.problems(planned.problems)
    if planned.plan is None or bad:
        output.note(count(len(planned.problems), "problem"))
        return EXIT_PLAN
    output.say(f"{planned.plan.name}: no problems; {_words(planned.plan)}")
    return 0


@plan.command()
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option("--env", "environments", multiple=True, metavar="NAME", help="Only this environment; may be repeated.")
@command_options(on_interrupt=EXIT_CANCELLED)
def show(output: Output, /, plan_file: Path, environments: tuple[str, ...]) -> int:
    """Show what a deployment would do: per environment and file new, changed (with its diff), same or refused.

    Connects to the machines and changes nothing on them. Exit status 2: mistakes in the plan or lab file, or an
    environment that would be refused.
    """
    from kdeploy_gui.app import DeployOptions

    with services(output) as opened:
        planned = opened.plans.check(plan_file, DeployOptions(environments))
        if planned.plan is None:
            output.problems(planned.problems)
            return EXIT_PLAN
        previews = previews_of(opened, planned.plan)
    if output.json:
        found = [shape(each) for each in previews]
        output.document({"plan": planned.plan.name, "environments": found, "notices": planned.notices})
    for each in () if output.json else previews:
        output.say("\n".join(lines(each)))
    output.note(summary(previews))
    return EXIT_PLAN if any(each.refusals for each in previews) else 0


def _words(checked: Plan) -> str:
    files = f"{count(len(checked.files), 'file')} ({size(_size(checked))})"
    dependencies = count(len(checked.dependencies), "dependency", "dependencies")
    return f"{count(len(checked.environments), 'environment')}, {files}, {dependencies}"


def _shape(checked: Plan) -> dict[str, object]:
    return {
        "plan": checked.name,
        "environments": [each.name for each in checked.environments],
        "files": [
            {"target": each.target, "source": each.source.path, "size": each.source.size} for each in checked.files
        ],
        "bytes": _size(checked),
        "dependencies": [each.label for each in checked.dependencies],
    }


def _size(checked: Plan) -> int:
    return sum(each.source.size for each in checked.files)
