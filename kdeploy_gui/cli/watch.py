"""`kdeploy watch`: says when an environment is no longer READY."""

from __future__ import annotations

import queue
from concurrent.futures import Future

import click

from kdeploy_gui.cli.asking import unlock
from kdeploy_gui.cli.check import readiness_words
from kdeploy_gui.cli.environments import known
from kdeploy_gui.cli.options import command_options
from kdeploy_gui.cli.output import Output, json_line
from kdeploy_gui.cli.session import services
from kdeploy_gui.model.check import EnvironmentCheck


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME...]")
@command_options()
def watch(output: Output, /, names: tuple[str, ...]) -> int:
    """Look at READY environments now and then, all of them or these, until Ctrl-C; tells each that no longer is.

    A mark that does not hold is dropped, and the hook of the lab file is run. How often: `monitor` in the lab file,
    else every minute.
    """
    news: queue.SimpleQueue[EnvironmentCheck] = queue.SimpleQueue()
    with services(output) as opened:
        unlock(output, opened, [known(opened, name) for name in names])
        watching = opened.monitor(news.put, names)
        try:
            while True:
                look = _next(news, watching)
                if look is not None and not look.ready:
                    _tell_lost(output, look)
        finally:
            watching.cancel()


def _next(news: queue.SimpleQueue[EnvironmentCheck], watching: Future[None]) -> EnvironmentCheck | None:
    """The next look; None now and then. Raises what ended the watching."""
    try:
        return news.get(timeout=0.2)
    except queue.Empty:
        if watching.done():
            watching.result()
        return None


def _tell_lost(output: Output, look: EnvironmentCheck) -> None:
    if output.json:
        click.echo(json_line({"environment": look.environment, "ready": False, "because": list(look.because)}))
    elif look.failure is not None:
        output.note(f"{look.environment}: not reached: {look.failure.message}")
    else:
        output.say(f"{look.environment}: {readiness_words(look)}")
