"""`kdeploy`: the commands by name."""

from __future__ import annotations

from importlib import import_module

import click

from kdeploy_gui import __version__

COMMANDS = {
    "demo": ("kdeploy_gui.cli.demo:demo", "Deploy the sample suite to SSH servers inside this program."),
    "doctor": ("kdeploy_gui.cli.doctor:doctor", "Check this workstation."),
    "env": ("kdeploy_gui.cli.environments:env", "Environments of the lab: list, show, add, remove, check, trust."),
    "power": ("kdeploy_gui.cli.power:power", "Switch a board on or off, or reset it."),
    "plan": ("kdeploy_gui.cli.plans:plan", "Plans: check, show what a deployment would do."),
    "deploy": ("kdeploy_gui.cli.deploy:deploy", "Deploy a plan."),
    "artifact": (
        "kdeploy_gui.cli.artifacts:artifact",
        "Artifacts: add, list, versions, verify, prune, of, pack, unpack.",
    ),
    "cancel": ("kdeploy_gui.cli.deploy:cancel", "Cancel a run and wait for its end."),
    "retry": ("kdeploy_gui.cli.deploy:retry", "Deploy again where a run did not complete."),
    "rollback": ("kdeploy_gui.cli.deploy:rollback", "Put back the version that a run replaced."),
    "status": ("kdeploy_gui.cli.reading:status", "Show a run."),
    "history": ("kdeploy_gui.cli.reading:history", "List runs, newest first."),
    "logs": ("kdeploy_gui.cli.reading:logs", "Print the output of a run."),
    "ready": ("kdeploy_gui.cli.ready:ready", "Is an environment READY right now? The gate for test runners."),
}


class Commands(click.Group):
    """Loads a command when it is named, so that help and completion stay quick."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands in the order in which people meet them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command's module."""
        if cmd_name not in COMMANDS:
            return None
        module, _, attribute = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The list of commands from the table above, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, help_text) for name, (_, help_text) in COMMANDS.items()])


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="kdeploy")
def kdeploy() -> None:
    """Deploy test suites and kernel instrumentation to lab machines, and prove that they are ready.

    Every command takes --json, --lab FILE, --quiet and -v. Exit status: 0 all well, 1 failed, 2 mistake in the plan,
    the lab file or the command, 3 not ready, 4 unreachable, 5 cancelled.
    """
