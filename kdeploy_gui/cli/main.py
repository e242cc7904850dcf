"""`kdeploy`: the commands by name."""

from __future__ import annotations

from importlib import import_module

import click

from kdeploy_gui import __version__

COMMANDS = {
    "demo": ("kdeploy_gui.cli.demo:demo", "Deploy the sample suite to SSH servers inside this program."),
    "doctor": ("kdeploy_gui.cli.doctor:doctor", "Check this workstation."),
    "env": ("kdeploy_gui.cli.env:env", "Environments: add, define, show, check, trust, history ..."),
    "power": ("kdeploy_gui.cli.power:power", "Switch a machine on or off, reset it, or boot another kernel."),
    "console": ("kdeploy_gui.cli.console:console", "Open the serial console of a machine."),
    "instruments": ("kdeploy_gui.cli.instruments:instruments", "The kernel instruments of an environment."),
    "scan": ("kdeploy_gui.cli.scan:scan", "Look for weak spots of an environment, and what is new of them."),
    "coccicheck": ("kdeploy_gui.cli.coccicheck:coccicheck", "Run semantic patches over a kernel's source."),
    "syzkaller": ("kdeploy_gui.cli.syzkaller:syzkaller", "Set syz-manager up for machines, and say what they lack."),
    "coverage": ("kdeploy_gui.cli.coverage:coverage", "What gcov counted in a machine's kernel, as a report."),
    "plan": ("kdeploy_gui.cli.plans:plan", "Plans: check, show what a deployment would do."),
    "deploy": ("kdeploy_gui.cli.deploy:deploy", "Deploy a plan."),
    "artifact": (
        "kdeploy_gui.cli.artifacts:artifact",
        "Artifacts: add, list, versions, verify, prune, of, (un)pack.",
    ),
    "cancel": ("kdeploy_gui.cli.deploy:cancel", "Cancel a run and wait for its end."),
    "retry": ("kdeploy_gui.cli.deploy:retry", "Deploy again where a run did not complete."),
    "validate": ("kdeploy_gui.cli.deploy:validate", "Make the readiness checks again, without sending anything."),
    "rollback": ("kdeploy_gui.cli.deploy:rollback", "Put back the version that a run replaced."),
    "status": ("kdeploy_gui.cli.reading:status", "Show a run."),
    "history": ("kdeploy_gui.cli.reading:history", "List runs, newest first."),
    "logs": ("kdeploy_gui.cli.reading:logs", "Print the output of a run."),
    "watch": ("kdeploy_gui.cli.watch:watch", "Say when a READY environment no longer is."),
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
