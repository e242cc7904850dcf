"""The options and the last line of defence that all commands share."""

from __future__ import annotations

import functools
import sys
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Concatenate, ParamSpec

import click

from kdeploy_gui.cli.library_log import listen
from kdeploy_gui.cli.output import Output, let_go_of_stdout
from kdeploy_gui.errors import Category, KdeployError, PlanError
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.visible import visible

P = ParamSpec("P")

REPORT_IT = "Please report it"
EXIT_FAILED = 1
EXIT_PLAN = 2
EXIT_NOT_READY = 3
EXIT_UNREACHABLE = 4
EXIT_CANCELLED = 5
EXIT_KEYBOARD = 130
EXIT_PIPE = 141

Action = Callable[Concatenate[Output, P], int]
Statuses = Mapping[type[BaseException], int]


def command_options(
    on_plan_error: int = EXIT_PLAN, on_interrupt: int = EXIT_KEYBOARD
) -> Callable[[Action[P]], Callable[..., None]]:
    """Give an action --json, --lab, --quiet and -v as its `Output`, and make its number the exit status.

    `on_plan_error` is the status for what is wrong in a plan or lab file, `on_interrupt` that for Ctrl-C.
    """

    def decorate(action: Action[P]) -> Callable[..., None]:
        @click.option("--json", "as_json", is_flag=True, help="Print JSON.")
        @click.option("--lab", metavar="FILE", type=click.Path(path_type=Path), help="Use another lab file.")
        @click.option("-q", "--quiet", is_flag=True, help="Print errors only.")
        @click.option("-v", "--verbose", is_flag=True, help="Print more; tracebacks of faults in kdeploy.")
        @functools.wraps(action)
        def run(as_json: bool, lab: Path | None, quiet: bool, verbose: bool, **given: object) -> None:
            output = Output(as_json, lab, quiet, verbose)
            listen(verbose)
            bound = functools.partial(action, output, **given)  # type: ignore[arg-type]
            statuses = {PlanError: on_plan_error, KeyboardInterrupt: on_interrupt}
            click.get_current_context().exit(_guarded(output, bound, statuses, str(given.get("name", ""))))

        return run

    return decorate


def _guarded(output: Output, action: Callable[[], int], statuses: Statuses, environment: str) -> int:
    try:
        return action()
    except KdeployError as error:
        return _explained(output, error, statuses, environment)
    except BrokenPipeError:
        let_go_of_stdout()
        return EXIT_PIPE
    except KeyboardInterrupt:
        click.echo("interrupted", err=True)
        return statuses[KeyboardInterrupt]
    except (click.ClickException, click.exceptions.Exit, click.Abort):
        raise
    except Exception as error:  # noqa: BLE001 - the outermost boundary: whatever arrives here is a bug
        return _bug(output, error)


def _explained(output: Output, error: KdeployError, statuses: Statuses, environment: str) -> int:
    from kdeploy_gui.app import failure_of

    output.failure(failure_of(error, environment, output.lab))
    if output.verbose:
        traceback.print_exception(error, file=sys.stderr)
    return statuses[PlanError] if isinstance(error, PlanError) else EXIT_FAILED


def _bug(output: Output, error: Exception) -> int:
    what = visible(f"{type(error).__name__}: {error}")
    if output.json:
        output.document({"error": Failure("E-BUG", Category.BUG, what, remedy=REPORT_IT)})
    hint = "" if output.verbose else "; run it again with -v for the traceback"
    click.echo(f"fault in kdeploy: {what}. {REPORT_IT}{hint}.", err=True)
    if output.verbose:
        traceback.print_exception(error, file=sys.stderr)
    return EXIT_FAILED
