"""`kdeploy coccicheck`: what semantic patches find in a kernel's source, and what of it is new."""

from __future__ import annotations

import os
from pathlib import Path

import click
from rich.text import Text

from kdeploy_gui.cli.check_progress import progress
from kdeploy_gui.cli.follow import termination_interrupts
from kdeploy_gui.cli.look import Screen
from kdeploy_gui.cli.options import EXIT_CANCELLED, EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output, describe, fields
from kdeploy_gui.cli.session import services
from kdeploy_gui.cli.since import parse_span
from kdeploy_gui.cli.text import count, local_time
from kdeploy_gui.model.source_check import CheckRequest, Mode, PatchOutcome, PatchReport, SourceFinding, SourceReport
from kdeploy_gui.model.visible import visible

FEW = 20
"""Findings of one first run that are listed without -v."""
Found = tuple[PatchReport, SourceFinding]


@click.command()
@click.argument("source", type=click.Path(path_type=Path))
@click.option("--mode", type=click.Choice([each.value for each in Mode]), default="report", show_default=True)
@click.option(
    "--cocci",
    multiple=True,
    metavar="PATH",
    type=click.Path(path_type=Path),
    help="A semantic patch or a folder of them, instead of SOURCE/scripts/coccinelle; may be given several times.",
)
@click.option("--in", "folder", default="", metavar="FOLDER", help="Look at this folder of SOURCE only.")
@click.option("--arch", default="", metavar="ARCH", help="Use headers of arch/ARCH, not of this machine's.")
@click.option("--jobs", "-j", type=click.IntRange(1, 1024), metavar="N", help="Run that many at once; one per CPU.")
@click.option("--limit", default="1h", show_default=True, metavar="TIME", help="For one semantic patch: 90s, 15m, 3h.")
@click.option("--baseline", "rebase", is_flag=True, help="What is found now becomes the baseline.")
@click.option("--fail-on-new", is_flag=True, help="Exit status 1 where anything is new.")
@command_options(on_interrupt=EXIT_CANCELLED)
def coccicheck(
    output: Output,
    /,
    source: Path,
    mode: str,
    cocci: tuple[Path, ...],
    folder: str,
    arch: str,
    jobs: int | None,
    limit: str,
    rebase: bool,
    fail_on_new: bool,
) -> int:
    """Run Coccinelle's semantic patches over the kernel source in SOURCE, on this workstation, like `make coccicheck`.

    The first run of a semantic patch stores what it finds as its baseline; later ones tell what is new and what is gone
    since. The source is never changed: `--mode patch` prints what could be. Semantic patches may contain programs: run
    only those that you trust.

    Exit status 0: all ran, whatever they found; 1: one failed or took too long; 2: SOURCE or --cocci cannot be used;
    5: Ctrl-C. What had ended by then is stored.
    """
    request = CheckRequest(
        source=source,
        mode=Mode(mode),
        patches=cocci,
        folder=folder,
        arch=arch,
        jobs=jobs or len(os.sched_getaffinity(0)),
        limit=_seconds(limit),
        rebase=rebase,
    )
    with termination_interrupts(), services(output) as opened, progress(output) as tell:
        report = opened.sources.run(request, tell)
    if output.json:
        output.document(fields(report))
    elif not output.quiet:
        Screen().show(*_lines(report, output.verbose))
    for each in report.with_outcome(PatchOutcome.FAILED):
        if each.failure is not None and not output.json:
            click.echo("\n".join(describe(each.failure)), err=True)
    new = fail_on_new and any(each.new for each in report.patches)
    return EXIT_FAILED if new or report.with_outcome(PatchOutcome.FAILED) else 0


def _seconds(text: str) -> float:
    try:
        seconds = parse_span(text).total_seconds()
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--limit") from error
    if not seconds:
        raise click.BadParameter("0 is no time", param_hint="--limit")
    return seconds


def _lines(report: SourceReport, verbose: bool) -> list[Text]:
    done = report.with_outcome(PatchOutcome.DONE)
    new = [(each, one) for each in done for one in each.new]
    gone = [(each, one) for each in done for one in each.gone]
    known = {(each.patch, one) for each, one in new}
    rest = [
        (each, one)
        for each in done
        if each.result is not None
        for one in each.result.found.findings
        if (each.patch, one) not in known
    ]
    first = [pair for pair in rest if pair[0].baseline is None]
    shown = rest if verbose else first[:FEW]
    lines = [Text(_headline(report, len(new) + len(rest), len(new), len(gone)), style="bold")]
    for mark, style, pairs in (("+", "red", new), ("-", "green", gone), (" ", "", shown)):
        lines += [line for pair in pairs for line in _finding(mark, style, *pair)]
    if len(shown) < len(rest):
        lines.append(Text(f"    {len(rest) - len(shown)} more: -v lists all"))
    return [*lines, *_remarks(report, verbose)]


def _headline(report: SourceReport, found: int, new: int, gone: int) -> str:
    done = report.with_outcome(PatchOutcome.DONE)
    since = [each.baseline for each in done if each.baseline is not None]
    words = (
        f"{report.mode.value}: {count(found, 'finding')} of {count(len(done), 'semantic patch', 'semantic patches')}"
    )
    words += f" in {count(report.files, 'file')}"
    return f"{words}, {new} new, {gone} gone since {local_time(min(since))}" if since else words


def _finding(mark: str, style: str, report: PatchReport, found: SourceFinding) -> list[Text]:
    """One line, and below it the changed lines of a difference."""
    place = f"{found.file}:{found.line}:{found.column}" if found.column else f"{found.file}:{found.line}"
    text, *rest = found.text.split("\n") if report.mode in {Mode.REPORT, Mode.ORG} else ["", *found.text.split("\n")]
    name = Path(report.patch).stem
    head = (
        f"  {mark} {visible(place)}: {visible(text)} [{visible(name)}]"
        if text
        else f"  {mark} {visible(place)} [{visible(name)}]"
    )
    return [Text(head, style=style), *(Text(f"      {visible(line.expandtabs())}", style="dim") for line in rest)]


def _remarks(report: SourceReport, verbose: bool) -> list[Text]:
    """What else is worth knowing: new baselines, files that were not looked at, semantic patches that were left out."""
    done, left_out = report.with_outcome(PatchOutcome.DONE), report.with_outcome(PatchOutcome.LEFT_OUT)
    fresh = [each for each in done if each.baseline is None]
    lines = []
    if fresh:
        lines.append(Text(f"  stored as the baseline of {count(len(fresh), 'semantic patch', 'semantic patches')}"))
    for each in done:
        found = each.result.found if each.result is not None else None
        if found is not None and found.skipped:
            some = ", ".join(map(visible, found.skipped if verbose else found.skipped[:3]))
            words = f"  {visible(each.patch)} could not look at {count(len(found.skipped), 'file')}: {some}"
            lines.append(Text(words, style="yellow"))
        if found is not None and found.unread:
            words = f"  {visible(each.patch)} said {count(len(found.unread), 'line')} that name no file"
            lines.append(Text(words, style="yellow"))
            lines += [Text(f"      {visible(line)}") for line in (found.unread if verbose else ())]
    if left_out and not verbose:
        lines.append(Text(f"  left out: {count(len(left_out), 'semantic patch', 'semantic patches')}, -v says why"))
    lines += [Text(f"  left out: {visible(each.patch)}: {visible(each.why)}") for each in left_out if verbose]
    return lines
