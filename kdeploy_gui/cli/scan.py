"""`kdeploy scan`: what scanners find on an environment, and what of it is new."""

from __future__ import annotations

import click
from rich.text import Text

from kdeploy_gui.cli.asking import unlock
from kdeploy_gui.cli.environments import known
from kdeploy_gui.cli.look import Screen
from kdeploy_gui.cli.options import EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output, fields
from kdeploy_gui.cli.session import services
from kdeploy_gui.cli.text import local_time
from kdeploy_gui.model.scan import ScanFinding, ScanReport
from kdeploy_gui.model.visible import visible

FEW = 10
"""Findings that are listed without -v."""


@click.command()
@click.argument("name")
@click.option("--with", "scanners", multiple=True, metavar="SCANNER", help="Only this one; may be given several times.")
@command_options()
def scan(output: Output, /, name: str, scanners: tuple[str, ...]) -> int:
    """Run scanners on NAME: vulnerabilities (of its processor), hardening (kernel-hardening-checker, which runs on this
    workstation) and lynis (on the machine). Nothing changes there; findings are stored, and what is new since the last
    time is told.

    Without --with all that are there. With -v every finding. Exit status 0: they ran, whatever they found; 1: one that
    was named is not there, or one failed.
    """
    with services(output) as opened:
        unlock(output, opened, [known(opened, name)])
        reports = opened.scans.run(name, scanners, lambda each: output.note(f"{each} ..."))
    if output.json:
        output.document({"environment": name, "scans": [fields(each) for each in reports]})
    elif not output.quiet:
        Screen().show(*(line for each in reports for line in _lines(each, output.verbose)))
    failed = [each for each in reports if each.failure is not None and (scanners or not each.missing)]
    return EXIT_FAILED if failed else 0


def _lines(report: ScanReport, verbose: bool) -> list[Text]:
    if report.failure is not None:
        style = "yellow" if report.missing else "red"
        return [
            Text(f"{report.scanner}: {visible(report.failure.message)}", style=style),
            Text(f"  {visible(report.failure.remedy)}"),
        ]
    if report.scan is None:
        return []
    count = len(report.scan.findings)
    since = (
        f", {len(report.new)} new, {len(report.gone)} gone since {local_time(report.before)}" if report.before else ""
    )
    lines = [Text(f"{report.scanner}: {count} finding{'' if count == 1 else 's'}{since}", style="bold")]
    new = {each.id for each in report.new}
    lines += [_line("+", each, "red") for each in report.new]
    lines += [_line("-", each, "green") for each in report.gone]
    rest = [each for each in report.scan.findings if each.id not in new]
    shown = rest if verbose else [] if report.before else rest[:FEW]
    lines += [_line(" ", each, "") for each in shown]
    if len(shown) < len(rest):
        lines.append(Text(f"    {len(rest) - len(shown)} more: -v lists all"))
    return lines


def _line(mark: str, finding: ScanFinding, style: str) -> Text:
    return Text(f"  {mark} {visible(finding.title)}", style=style)
