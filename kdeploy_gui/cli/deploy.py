"""`kdeploy deploy`, `retry`, `validate`, `rollback` and `cancel`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdeploy_gui.cli.asking import unlock
from kdeploy_gui.cli.detach import FLAG, let_go_of_terminal, start_detached
from kdeploy_gui.cli.follow import exit_status, interrupts, watch
from kdeploy_gui.cli.options import EXIT_CANCELLED, EXIT_PLAN, command_options
from kdeploy_gui.cli.output import Output
from kdeploy_gui.cli.progress import Announcement, choose_display
from kdeploy_gui.cli.session import events_of, services
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.run import RunState, fold
from kdeploy_gui.model.stage import Outcome
from kdeploy_gui.model.visible import visible

if TYPE_CHECKING:
    from kdeploy_gui.app import DeployOptions, Planned, Replanned, Services
    from kdeploy_gui.model.plan import Plan, PlanSource


@click.command()
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path), required=False)
@click.option("--as-run", type=click.IntRange(min=1), metavar="RUN", help="No PLAN: deploy the very bytes of this run.")
@click.option("--env", "environments", multiple=True, metavar="NAME", help="Only this environment; may be repeated.")
@click.option("--priority", type=click.IntRange(-100, 100), help="Higher goes first.")
@click.option("--max-parallel", type=click.IntRange(min=1), help="Environments at once.")
@click.option("--no-rollback", is_flag=True, help="Leave a failed environment as it is.")
@click.option("--detach", is_flag=True, help="Go on in the background; print the run number.")
@click.option(FLAG, "in_background", is_flag=True, hidden=True)
@command_options(on_interrupt=EXIT_CANCELLED)
def deploy(
    output: Output, /, plan_file: Path | None, as_run: int | None, detach: bool, in_background: bool, **options: object
) -> int:
    """Deploy a plan and show it until it ends.

    `--as-run RUN` deploys what that run deployed, from the artifact store, to its environments or those named: the
    same bytes, whatever has become of the files they came from.

    Ctrl-C cancels cleanly, a second one within 2 s leaves at once. Exit status 0: every environment is completed and
    READY; 1: some failed; 2: mistakes in the plan or lab file, nothing ran; 5: cancelled.
    """
    if (plan_file is None) == (as_run is None):
        raise click.UsageError("name a PLAN, or a run with --as-run")
    if detach:
        what = ["--", str(plan_file)] if plan_file else [f"--as-run={as_run}"]
        return start_detached(output, [*_arguments(output, options), *what])
    with services(output) as opened:
        planned: Planned | Replanned
        if plan_file:
            planned = _checked(output, opened, plan_file, _options(options))
        else:
            planned = opened.plan_as_run(as_run or 0, _options(options))
        if planned.plan is None:
            return EXIT_PLAN
        unlock(output, opened, planned.plan.environments)
        if in_background:
            return _run_in_background(opened, planned.plan, planned.source)
        state = run_plan(output, opened, planned.plan, planned.source)
    return exit_status(state)


def _options(given: dict[str, object]) -> DeployOptions:
    from kdeploy_gui.app import DeployOptions

    rollback = not given.pop("no_rollback")
    return DeployOptions(rollback=rollback, **given)  # type: ignore[arg-type]


def _arguments(output: Output, given: dict[str, object]) -> list[str]:
    words = ["--json"] if output.json else []
    words += ["--lab", str(output.lab)] if output.lab else []
    words += ["-v"] if output.verbose else []
    names = given["environments"]
    for name in names if isinstance(names, tuple) else ():
        words += ["--env", name]
    for flag in ("priority", "max_parallel"):
        words += [f"--{flag.replace('_', '-')}={given[flag]}"] if given[flag] is not None else []
    words += ["--no-rollback"] if given["no_rollback"] else []
    return words


def _checked(output: Output, opened: Services, plan_file: Path, options: DeployOptions) -> Planned:
    planned = opened.plans.check(plan_file, options)
    for notice in planned.notices:
        output.note(f"note: {visible(str(notice))}")
    if planned.plan is None:
        output.problems(planned.problems)
    return planned


def run_plan(output: Output, opened: Services, plan: Plan, source: PlanSource | None = None) -> RunState:
    """Submit a plan and show it until it ends, with the summary for people."""
    return _show_run(output, opened, lambda: opened.submit(plan, source))


def _show_run(output: Output, opened: Services, start: Callable[[], int]) -> RunState:
    with interrupts() as received:
        run = start()
        state = watch(opened, run, choose_display(output), received)
    if not output.json:
        show_end(output, state)
    return state


def _run_in_background(opened: Services, plan: Plan, source: PlanSource | None) -> int:
    with interrupts() as received:
        run = opened.submit(plan, source)
        return exit_status(watch(opened, run, Announcement(), received, started=let_go_of_terminal))


def show_end(output: Output, state: RunState) -> None:
    """The summary; with --quiet only the failures, on stderr."""
    import sys

    from kdeploy_gui.cli.look import Screen
    from kdeploy_gui.cli.summary import print_failure, print_summary

    if not output.quiet:
        print_summary(Screen(), state)
        return
    for each in state.environments.values():
        if each.error:
            print_failure(Screen(sys.stderr), each.name, each.error)


@click.command()
@click.argument("run", type=click.IntRange(min=1))
@click.option("--env", "environments", multiple=True, metavar="NAME", help="This environment; may be repeated.")
@click.option("--same-files", is_flag=True, help="The bytes that the run deployed, from the store; else today's files.")
@command_options(on_interrupt=EXIT_CANCELLED)
def retry(output: Output, /, run: int, environments: tuple[str, ...], same_files: bool) -> int:
    """Deploy the plan of a run again, as a new run, where it did not complete or to the environments named.

    The plan is the one stored with the run, made again from today's files and lab. With --same-files the
    files are those that the run deployed. Exit status as of `deploy`.
    """
    with services(output) as opened:
        names = environments or tuple(fold(events_of(opened, run)).environments)
        lab = opened.inventory.read().lab
        unlock(output, opened, [each for each in lab.environments if each.name in names])
        return exit_status(_show_run(output, opened, lambda: opened.retry(run, environments, same_files=same_files)))


@click.command()
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.option(
    "--run", type=click.IntRange(min=1), metavar="N", help="The run to validate; else the last that deployed."
)
@command_options(on_interrupt=EXIT_CANCELLED)
def validate(output: Output, /, names: tuple[str, ...], run: int | None) -> int:
    """Make the readiness checks of the last run that deployed to NAME again, as a new run.

    It sends nothing and changes nothing there: after the cause of a failed check is gone, NAME becomes READY with the
    files of that run. Names that different runs deployed to are validated one run after the other. Exit status as of
    `deploy`.
    """
    with services(output) as opened:
        runs: dict[int, list[str]] = {}
        for name in dict.fromkeys(names):
            known = opened.inventory.get(name)
            runs.setdefault(run or opened.validations.last(known.name), []).append(name)
        plans = [opened.validations.planned(number, chosen) for number, chosen in runs.items()]
        unlock(output, opened, [each for planned in plans for each in planned.plan.environments])
        status = 0
        for each in plans:
            status = max(status, exit_status(run_plan(output, opened, each.plan, each.source)))
            if status == EXIT_CANCELLED:
                break
    return status


@click.command()
@click.argument("run", type=click.IntRange(min=1))
@click.option("--env", "environments", multiple=True, metavar="NAME", help="Only this environment; may be repeated.")
@command_options(on_interrupt=EXIT_CANCELLED)
def rollback(output: Output, /, run: int, environments: tuple[str, ...]) -> int:
    """Put back the version that a run replaced, as a new run: in every environment it changed, or in those named.

    It must be the newest run there, and nobody may have changed its files since. The environments are not READY
    afterwards. Exit status 0: taken back everywhere; 1: not everywhere; 5: cancelled.
    """
    with services(output) as opened:
        events_of(opened, run)
        state = _show_run(output, opened, lambda: opened.rollback(run, environments))
    return 0 if state.outcome is Outcome.SUCCEEDED else exit_status(state)


@click.command()
@click.argument("run", type=click.IntRange(min=1))
@click.option("--env", "environments", multiple=True, metavar="NAME", help="Only this environment; may be repeated.")
@command_options()
def cancel(output: Output, /, run: int, environments: tuple[str, ...]) -> int:
    """Cancel a run, of this or another terminal, and wait for its end.

    Targets are left whole. The exit status is that of the run: 5 when it was cancelled, 0 when everything had
    completed before.
    """
    with services(output) as opened:
        state = fold(events_of(opened, run))
        unknown = [name for name in environments if name not in state.environments]
        if unknown:
            raise LocalError("E-RUN-UNKNOWN", f"run {run} has no environment {', '.join(unknown)}", run=str(run))
        if opened.cancel(run, environments):
            state = _wait(opened, run, environments)
        else:
            output.note(f"run {run} had ended before")
            state = fold(events_of(opened, run))
    if output.json:
        chosen = [each for each in state.summary() if not environments or each.name in environments]
        output.document({"run": run, "outcome": state.outcome, "environments": chosen})
    else:
        output.say(f"run {run}: {state.outcome or 'goes on'}")
    return exit_status(state, environments)


def _wait(opened: Services, run: int, environments: Sequence[str]) -> RunState:
    state = RunState(run)
    for batch in opened.follow(run):
        for event in batch:
            state = state.after(event)
        if environments and all(state.environments[name].status.is_final for name in environments):
            break
    return state
