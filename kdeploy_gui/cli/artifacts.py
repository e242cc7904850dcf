"""`kdeploy artifact`: the artifact store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdeploy_gui.cli.options import EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output, fields
from kdeploy_gui.cli.session import services
from kdeploy_gui.cli.text import count, local_time
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.plan import ArtifactType
from kdeploy_gui.model.stored import ArtifactVersion, DeployedFile, PruneRule, Pruning, StoredFile, Verification, shown
from kdeploy_gui.model.visible import visible

if TYPE_CHECKING:
    from kdeploy_gui.app import Package

HEADINGS = ("type", "files", "size", "needs", "added")


class Mode(click.ParamType[int]):
    """Permission bits: `0755`."""

    name = "mode"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Parse what was typed."""
        text = str(value)
        if len(text) not in {3, 4} or not text.isascii() or not text.isdigit() or set(text) & {"8", "9"}:
            self.fail(f"'{text}' is no mode: write it as in 0755", param, ctx)
        if int(text, 8) > 0o777:
            self.fail(f"'{text}' sets setuid, setgid or sticky: only a plan may, with allow_setuid = true", param, ctx)
        return int(text, 8)


@click.group()
def artifact() -> None:
    """Artifacts in the store: add, list, versions, verify, prune, of, pack, unpack."""


@artifact.command()
@click.argument("artifact_name", metavar="NAME")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--version", "version", default="", metavar="V", help="Its version; else the next number.")
@click.option("--type", "kind", type=click.Choice([each.value for each in ArtifactType]), default="data")
@click.option("--mode", type=Mode(), default=None, help="Of all files; else 0755 for what is executable, 0644.")
@click.option("--depends", multiple=True, metavar="NAME[@V]", help="What must be deployed with it; may be repeated.")
@command_options(on_plan_error=EXIT_FAILED)
def add(
    output: Output,
    /,
    artifact_name: str,
    paths: tuple[str, ...],
    version: str,
    kind: str,
    mode: int | None,
    depends: tuple[str, ...],
) -> int:
    """Store files, and what is below folders, as a version of an artifact.

    A version never changes: the same files again are a no-op, other files under a version that is there are refused.
    Plans deploy it with source = "store:NAME@VERSION", or "store:NAME" for the newest.
    """
    with services(output) as opened:
        added = opened.artifacts.add(
            artifact_name, paths, version=version, type=ArtifactType(kind), mode=mode, depends=depends
        )
    if output.json:
        output.document({**_shape(added.version), "new": added.new, "objects": added.objects, "stored": added.size})
        return 0
    words = f"{added.version.ref}: {_contents(added.version)}"
    output.say(f"{words}, {size(added.size)} of it new" if added.new else f"{words}, there already")
    return 0


@artifact.command("list")
@command_options(on_plan_error=EXIT_FAILED)
def list_(output: Output, /) -> int:
    """List all artifacts with their newest version. Exit status 1: a document of the store cannot be read."""
    with services(output) as opened:
        shelf = opened.artifacts.all()
    newest = {each.name: each for each in reversed(shelf.versions)}
    status = EXIT_FAILED if shelf.problems else 0
    if output.json:
        listed = [{**_shape(each), "versions": len(shelf.named(name))} for name, each in sorted(newest.items())]
        output.document({"artifacts": listed, "problems": shelf.problems})
        return status
    rows = [[name, str(len(shelf.named(name))), *_row(each)] for name, each in sorted(newest.items())]
    print_table(output, ("artifact", "versions", "newest", *HEADINGS), rows)
    if not rows and not shelf.problems:
        output.note("The store is empty: kdeploy artifact add NAME PATH...")
    _complain(output, shelf.problems)
    return status


@artifact.command()
@click.argument("artifact_name", metavar="NAME")
@command_options(on_plan_error=EXIT_FAILED)
def versions(output: Output, /, artifact_name: str) -> int:
    """List the versions of an artifact, the newest first."""
    with services(output) as opened:
        found = opened.artifacts.versions(artifact_name)
    if output.json:
        output.document({"artifact": artifact_name, "versions": [_shape(each) for each in found]})
    else:
        print_table(output, ("version", *HEADINGS), list(map(_row, found)))
    return 0


@artifact.command()
@click.argument("artifact_name", metavar="[NAME]", default="")
@command_options(on_plan_error=EXIT_FAILED)
def verify(output: Output, /, artifact_name: str) -> int:
    """Read every byte of the store, or of one artifact, and say what is damaged and who needs it. Status 1: some is."""
    with services(output) as opened:
        found = opened.artifacts.verify(artifact_name)
    if output.json:
        output.document({**fields(found), "good": found.good})
    else:
        _print_verification(output, found)
    return 0 if found.good else EXIT_FAILED


def _print_verification(output: Output, found: Verification) -> None:
    for each in found.damaged:
        click.echo(f"error: object {each.sha256} is {each.what}; {shown(each.needed_by)} needs it", err=True)
    _complain(output, found.problems)
    objects = f"{count(found.objects, 'object')}, {size(found.size)}"
    unused = f"; {count(found.unused, 'object')} unused: kdeploy artifact prune" if found.unused else ""
    output.say(f"{objects}: {'all good' if found.good else f'{len(found.damaged)} damaged'}{unused}")


@artifact.command()
@click.option("--keep", type=click.IntRange(min=0), default=None, metavar="N", help="Newest versions that stay.")
@click.option("--older", type=click.FloatRange(min=0), default=None, metavar="DAYS", help="Only what is older goes.")
@click.option("--except", "spared", multiple=True, metavar="NAME[@V]", help="This version stays; may be repeated.")
@click.option("--yes", is_flag=True, help="Do it; else only say what would go.")
@command_options(on_plan_error=EXIT_FAILED)
def prune(output: Output, /, keep: int | None, older: float | None, spared: tuple[str, ...], yes: bool) -> int:
    """Remove what nothing needs. What runs of the history deployed stays, and what versions that stay depend on.

    Without --keep and --older no version goes, only contents that nothing names; with --older alone the newest version
    of each artifact stays.
    """
    from kdeploy_gui.app import parse_ref

    rule = PruneRule(keep, older, tuple(map(parse_ref, spared)))
    with services(output) as opened:
        pruning = opened.artifacts.prune(rule, preview=not yes)
    if output.json:
        names = [str(each) for each in pruning.versions]
        output.document({**fields(pruning), "versions": names, "done": yes})
    else:
        _print_pruning(output, pruning, yes)
    return 0


def _print_pruning(output: Output, pruning: Pruning, done: bool) -> None:
    for each in pruning.versions:
        output.say(f"{'removed' if done else 'would remove'} {each}")
    if pruning.runs:
        output.say(f"files of {count(len(pruning.runs), 'run')} that the history does not have")
    freed = f"{count(len(pruning.objects), 'object')}, {size(pruning.size)}"
    output.say(f"{'freed' if done else 'would free'} {freed}")
    if not done and (pruning.versions or pruning.runs or pruning.objects):
        output.note("Nothing was removed: --yes does it.")


def _complain(output: Output, problems: tuple[str, ...]) -> None:
    for each in problems:
        click.echo(f"error: {visible(each)}", err=True)


def _contents(version: ArtifactVersion) -> str:
    return f"{count(len(version.files), 'file')} ({size(version.size)})"


def _shape(version: ArtifactVersion) -> dict[str, object]:
    files = list(map(_file_shape, version.files))
    return {**fields(version), "depends": [str(each) for each in version.depends], "files": files, "size": version.size}


@artifact.command()
@click.argument("run", type=click.IntRange(min=1))
@command_options(on_plan_error=EXIT_FAILED)
def of(output: Output, /, run: int) -> int:
    """List what a run deployed: path, SHA-256, mode and size, once for all environments that got the same.

    `kdeploy deploy --as-run RUN` deploys it again. The content of sensitive files is not kept.
    """
    with services(output) as opened:
        found = opened.artifacts.of(run)
    if output.json:
        sets = [{"environments": each.environments, "files": list(map(_file_shape, each.files))} for each in found.sets]
        output.document({"run": run, "sets": sets, "without": found.without})
        return 0
    for each in found.sets:
        output.say(f"{' '.join(each.environments)}: {count(len(each.files), 'file')}")
        rows = [[file.path, file.sha256, f"{file.mode:04o}", size(file.size), _kept(file)] for file in each.files]
        print_table(output, ("path", "sha256", "mode", "size", "content"), rows)
    if found.without:
        output.say(f"got no file: {' '.join(found.without)}")
    return 0


@artifact.command("pack")
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
@click.option("-o", "archive", required=True, metavar="FILE.tar", type=click.Path(path_type=Path), help="Where to.")
@command_options(on_plan_error=EXIT_FAILED)
def pack_(output: Output, /, plan_file: Path, archive: Path) -> int:
    """Write a plan with all its files, also stored ones, as one archive that can be unpacked anywhere.

    The same content gives the same bytes. Sensitive files are refused: the archive is not encrypted.
    """
    with services(output) as opened:
        return _packaged(output, opened.artifacts.pack(plan_file, archive), archive)


@artifact.command("unpack")
@click.argument("archive", metavar="FILE", type=click.Path(path_type=Path))
@click.option("-C", "folder", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Empty, or missing.")
@command_options(on_plan_error=EXIT_FAILED)
def unpack_(output: Output, /, archive: Path, folder: Path) -> int:
    """Unpack an archive that `pack` wrote into an empty folder: all of it, checked byte for byte, or nothing."""
    with services(output) as opened:
        return _packaged(output, opened.artifacts.unpack(archive, folder), folder)


def _packaged(output: Output, package: Package, where: Path) -> int:
    if output.json:
        output.document({"path": str(where), "files": list(map(_file_shape, package.files)), "size": package.size})
    else:
        output.say(f"{where}: {count(len(package.files), 'file')}, {size(package.size)}")
    return 0


def _kept(file: DeployedFile) -> str:
    return "kept" if file.kept else "sensitive, not kept"


def _file_shape(file: DeployedFile | StoredFile) -> dict[str, object]:
    return {**fields(file), "mode": f"{file.mode:04o}"}


def print_table(output: Output, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Rows of foreign text for people; nothing where there are none."""
    from kdeploy_gui.cli.look import Screen, cell, plain_table

    if output.quiet or not rows:
        return
    table = plain_table(*headings)
    for row in rows:
        table.add_row(*map(cell, row))
    Screen().show(table)


def _row(version: ArtifactVersion) -> list[str]:
    needed = " ".join(map(str, version.depends))
    added = f"{local_time(version.added)} by {version.by}"
    return [version.version, version.type.value, str(len(version.files)), size(version.size), needed, added]
