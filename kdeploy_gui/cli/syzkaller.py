"""`kdeploy syzkaller`: a configuration of syz-manager for machines of the lab, and what they lack for it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click
from rich.text import Text

from kdeploy_gui.cli.asking import unlock
from kdeploy_gui.cli.environments import known
from kdeploy_gui.cli.follow import termination_interrupts
from kdeploy_gui.cli.look import DONE, FAILED, WAITING, Screen, cell, plain_table
from kdeploy_gui.cli.options import EXIT_CANCELLED, EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output
from kdeploy_gui.cli.session import services
from kdeploy_gui.cli.text import OutputText, count
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.fuzzing import LIMITS, FuzzRequest, FuzzSetup, Precondition, Sandbox, SmokeTest
from kdeploy_gui.model.instrument import word
from kdeploy_gui.model.visible import visible

FC = TypeVar("FC", bound=Callable[..., object])
FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)
NOTE = "syz-manager does not compare host keys. Fuzzing breaks what is on a machine: use ones that are for it alone."


def _number(name: str, default: int, help_text: str) -> Callable[[FC], FC]:
    limits = click.IntRange(*LIMITS[name])
    return click.option(f"--{name}", type=limits, default=default, show_default=True, help=help_text)


@click.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--workdir", type=FOLDER, required=True, metavar="DIR", help="For the corpus and crashes of syz-manager.")
@click.option("--syzkaller", "place", type=FOLDER, metavar="DIR", help="Folder with syzkaller's bin; else from PATH.")
@click.option("--kernel-obj", type=FOLDER, metavar="DIR", help="Where the kernel was built: vmlinux and .config.")
@click.option("--output", "-o", "file", type=FILE, metavar="FILE", help="Write it there, not to DIR/syzkaller.cfg.")
@click.option("--force", is_flag=True, help="Write over a file that kdeploy did not write.")
@click.option("--arch", default="", metavar="ARCH", help="As of `uname -m`; else the machines are asked.")
@click.option("--image", type=FILE, metavar="FILE", help="Guests: the disk image that they boot from.")
@click.option(
    "--kernel", default="", metavar="KERNEL", help="Guests: a kernel of the lab file; else that of the image."
)
@_number("count", 1, "Guests: how many.")
@_number("memory", 2048, "Guests: MiB of each.")
@_number("cores", 2, "Guests: CPUs of each.")
@click.option(
    "--target-dir", default="/root/syzkaller", show_default=True, metavar="DIR", help="Boards: a folder there."
)
@click.option("--reboot", is_flag=True, help="Boards: boot them again after a crash.")
@_number("procs", 4, "Test processes in each machine.")
@click.option("--sandbox", type=click.Choice([each.value for each in Sandbox]), default="none", show_default=True)
@click.option("--no-cover", is_flag=True, help="Fuzz without coverage, for kernels without KCOV.")
@click.option("--http", default="127.0.0.1:56741", show_default=True, metavar="ADDRESS", help="Of its web page.")
@click.option("--smoke", type=click.FloatRange(1), metavar="SECONDS", help="Have syz-manager test it for that long.")
@command_options(on_interrupt=EXIT_CANCELLED)
def syzkaller(
    output: Output,
    /,
    names: tuple[str, ...],
    workdir: Path,
    place: Path | None,
    file: Path | None,
    force: bool,
    sandbox: str,
    no_cover: bool,
    smoke: float | None,
    **given: object,
) -> int:
    """Write a configuration of syz-manager for NAMEs of the lab, and say of each thing it needs whether it is there.

    Boards make one set-up together (type isolated); a guest makes one of its own (type qemu): syz-manager boots its own
    from an image. Nothing changes on the machines before --smoke or syz-manager run. The file holds the path of the
    key and no secret.

    Exit status 0: written, and nothing that is required is known to be missing; 1: something is, or the smoke test did
    not pass; 2: there can be no such set-up, or the file is not kdeploy's; 5: Ctrl-C.
    """
    request = FuzzRequest(
        workdir=workdir,
        file=file or workdir / "syzkaller.cfg",
        syzkaller=place,
        sandbox=Sandbox(sandbox),
        cover=not no_cover,
        **given,  # type: ignore[arg-type]
    )
    tested: SmokeTest | None = None
    with termination_interrupts(), services(output) as opened:
        unlock(output, opened, [each for each in (known(opened, name) for name in names) if not each.is_guest])
        setup = opened.fuzzing.set_up(names, request, force=force)
        if not output.json and not output.quiet:
            _show(setup, request.file, output.verbose)
        if smoke is not None and not setup.lacks:
            tested = opened.fuzzing.smoke(names, setup, request.file, smoke, _printer(output))
    passed = smoke is None or (tested is not None and bool(tested.passed))
    if output.json:
        output.document(_document(setup, request.file, tested))
    elif smoke is not None:
        output.say(_verdict(tested))
    return 0 if passed and not setup.lacks else EXIT_FAILED


def _document(setup: FuzzSetup, file: Path, tested: SmokeTest | None) -> dict[str, object]:
    return {
        "file": str(file),
        "type": setup.type,
        "target": setup.target,
        "preconditions": setup.preconditions,
        "missing": [each.subject for each in setup.lacks],
        "unknown": [each.subject for each in setup.preconditions if each.met is None],
        "smoke": tested,
    }


def _show(setup: FuzzSetup, file: Path, verbose: bool) -> None:
    screen = Screen()
    table = plain_table("needed", "where", "there", "")
    for each in setup.preconditions:
        if verbose or each.required or not each.met:
            table.add_row(*_row(screen, each))
    unknown = [each for each in setup.preconditions if each.met is None]
    advised = [each for each in setup.preconditions if each.met is False and not each.required]
    words = f"{len(setup.lacks)} missing, {len(advised)} advised, {len(unknown)} unknown"
    screen.show(
        table,
        *_remedies(setup),
        Text(f"{count(len(setup.preconditions), 'thing')} looked at: {words}", style="bold"),
        Text(f"written: {visible(str(file))} ({setup.type})"),
        Text(f"to run: {visible(shlex.join([str(setup.syzkaller / 'bin' / 'syz-manager'), '-config', str(file)]))}"),
        Text(NOTE, style="dim"),
    )


def _remedies(setup: FuzzSetup) -> list[Text]:
    """What to do, each thing once, with all that it is for."""
    subjects: dict[str, dict[str, None]] = {}
    for each in setup.preconditions:
        if each.remedy:
            subjects.setdefault(each.remedy, {})[each.subject] = None
    return [Text(f"  {visible(', '.join(names))}: {visible(remedy)}") for remedy, names in subjects.items()]


def _row(screen: Screen, found: Precondition) -> list[Text]:
    look = {True: DONE, False: FAILED, None: WAITING}[found.met]
    subject = found.subject if found.required else f"{found.subject} (advised)"
    return [
        cell(subject),
        cell(found.environment or "workstation"),
        screen.draw(look, word(found.met)),
        cell(found.text),
    ]


def _printer(output: Output) -> Callable[[bytes], None]:
    """Prints what syz-manager says as it comes, where somebody wants to see it."""
    text = OutputText()

    def show(data: bytes) -> None:
        if output.verbose and not output.json:
            click.echo(text.add(data), nl=False, err=True)

    return show


def _verdict(tested: SmokeTest | None) -> str:
    if tested is None:
        return "smoke test: not run, because something that is required is missing"
    if tested.passed is None:
        return f"smoke test: unknown, it did not end within {duration(tested.seconds)} and was stopped\n{tested.said}"
    words = "passed" if tested.passed else f"failed with status {tested.status}"
    return f"smoke test: {words} after {duration(tested.seconds)}\n{tested.said}"
