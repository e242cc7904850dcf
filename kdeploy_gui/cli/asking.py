"""Questions at the terminal that only a person can answer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from kdeploy_gui.cli.output import Output
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.visible import visible

if TYPE_CHECKING:
    from kdeploy_gui.app import Services


class TerminalAsker:
    """The `Asker` port: asks on stderr, and what is typed is not shown."""

    def passphrase(self, key: str, attempt: int) -> str:
        """See `Asker.passphrase`."""
        return _ask(f"Passphrase of {visible(key)}", attempt)

    def sudo_password(self, environment: Environment, attempt: int) -> str:
        """See `Asker.sudo_password`."""
        return _ask(f"Password for sudo on {visible(environment.name)} ({visible(environment.address)})", attempt)


def _ask(what: str, attempt: int) -> str:
    again = "That is not it. " if attempt > 1 else ""
    answer: str = click.prompt(
        f"{again}{what} (Enter: none)", hide_input=True, default="", show_default=False, err=True
    )
    return answer


def unlock(output: Output, opened: Services, environments: Sequence[Environment]) -> None:
    """Ask for what these machines need, where somebody can be asked."""
    if not output.json and sys.stdin.isatty():
        opened.unlock(environments, TerminalAsker())
