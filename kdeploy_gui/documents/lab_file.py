"""lab.toml -> Lab, with every mistake it holds."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from kdeploy_gui.documents.lab_tables import EnvironmentTable, LabTable
from kdeploy_gui.documents.tables import check
from kdeploy_gui.documents.toml_source import Document, load
from kdeploy_gui.model.environment import Console, Environment, Kernel, Kind, Lab, Power
from kdeploy_gui.model.problem import Problem, did_you_mean

_ENTRY = re.compile(r"environment\[(\d+)\]")


@dataclass(frozen=True, slots=True)
class LabFile:
    """A lab file as read. `lab` holds the environments without a problem; with problems nothing may be deployed.

    A file that is not there is an empty lab with `exists` False.
    """

    path: str
    lab: Lab = field(default_factory=Lab)
    problems: tuple[Problem, ...] = ()
    exists: bool = True


_A_PLAN = (
    "this is a plan, not a lab file, which has [[environment]] tables: `kdeploy deploy` takes it, and in the window "
    "File > Open plan.toml"
)


def read_lab(path: Path) -> LabFile:
    """Read and check a lab file."""
    try:
        document = load(path)
    except FileNotFoundError:
        return LabFile(str(path), exists=False)
    return check_lab(document)


def _is_plan(data: Mapping[str, object]) -> bool:
    names = data.get("environments")
    return "environment" not in data and (
        "artifacts" in data or (isinstance(names, list) and all(isinstance(each, str) for each in names))
    )


def check_lab(document: Document | Problem) -> LabFile:
    """The lab in a document that was read."""
    if isinstance(document, Problem):
        return LabFile(document.file, problems=(document,))
    if _is_plan(document.data):
        return LabFile(document.path, problems=(Problem(_A_PLAN, file=document.path),))
    table, problems = check(LabTable, document.data)
    problems.extend(_second_look(table.environment, {each.field for each in problems}))
    placed = [replace(each, file=document.path, line=document.outline.line(each.field)) for each in problems]
    broken = {int(found.group(1)) for each in problems if (found := _ENTRY.match(each.field))}
    sound = [_environment(each) for index, each in enumerate(table.environment) if index not in broken]
    return LabFile(
        document.path, Lab(tuple(sound), table.readiness.hook), tuple(sorted(placed, key=lambda each: each.line))
    )


def _second_look(tables: Sequence[EnvironmentTable], wrong: set[str]) -> Iterator[Problem]:
    """Mistakes that no single field shows; `wrong` are the fields that are known to be wrong."""
    first: dict[str, int] = {}
    for index, each in enumerate(tables):
        where = f"environment[{index}]"
        if each.name and each.name in first:
            yield Problem(f"name '{each.name}' is taken already by environment[{first[each.name]}]", f"{where}.name")
        first.setdefault(each.name, index)
        if not each.host and f"{where}.host" not in wrong and not (each.kind is Kind.QEMU and each.domain):
            yield Problem(_no_host(each), f"{where}.host")
        yield from _console_problems(each, f"{where}.console", wrong)
        labels = [kernel.name for kernel in each.kernel]
        for position, label in enumerate(labels):
            if label and label in labels[:position]:
                yield Problem(f"kernel '{label}' is listed twice", f"{where}.kernel[{position}].name")
    yield from _jump_problems(tables)


def _console_problems(table: EnvironmentTable, where: str, wrong: set[str]) -> Iterator[Problem]:
    console = table.console
    if console.command and console.tcp:
        yield Problem("goes without `tcp`: a console has one way to it", f"{where}.command")
    if "protocol" in console.model_fields_set and not console.tcp and f"{where}.tcp" not in wrong:
        yield Problem("goes with `tcp`, which says where it is spoken", f"{where}.protocol")


def _no_host(table: EnvironmentTable) -> str:
    if table.kind is Kind.QEMU:
        return "host is missing: an address, or the guest's name in libvirt as `domain`"
    return "host is missing"


def _jump_problems(tables: Sequence[EnvironmentTable]) -> Iterator[Problem]:
    jumps = {each.name: each.jump for each in tables if each.name}
    nowhere = {each.name for each in tables if each.domain and not each.host}
    for index, each in enumerate(tables):
        place = f"environment[{index}].jump"
        if each.jump_host_key and "@" not in each.jump:
            message = "goes with a jump host that is named as user@host:port; others have a `host_key` of their own"
            yield Problem(message, f"{place}_host_key")
        if not each.jump or "@" in each.jump:
            continue
        if each.jump not in jumps:
            yield Problem(f"no environment is called '{each.jump}'{did_you_mean(each.jump, jumps)}", place)
            continue
        if each.jump in nowhere:
            yield Problem(f"'{each.jump}' has no host: a jump host needs an address", place)
            continue
        way = [each.name]
        while (following := jumps.get(way[-1], "")) and following not in way:
            way.append(following)
        if following and following == each.name:
            yield Problem(f"leads back to itself: {' -> '.join([*way, following])}", place)


def _environment(table: EnvironmentTable) -> Environment:
    return Environment(
        name=table.name,
        host=table.host,
        kind=table.kind,
        group=table.group,
        tags=tuple(table.tags),
        port=table.port,
        user=table.user,
        identity_file=table.identity_file,
        credential=table.credential,
        jump=table.jump,
        jump_host_key=tuple(table.jump_host_key),
        become=table.become,
        become_credential=table.become_credential,
        host_keys=tuple(table.host_key),
        roots=tuple(table.roots),
        host_key_type=tuple(table.host_key_type),
        host_ca=tuple(table.host_ca),
        revoked_host_key=tuple(table.revoked_host_key),
        legacy=table.legacy,
        power=Power(table.power.on, table.power.off, table.power.reset),
        console=Console(table.console.command, table.console.tcp, table.console.protocol),
        uri=table.uri,
        domain=table.domain,
        autostart=table.autostart,
        boot_timeout=table.boot_timeout,
        monitor=table.monitor,
        snapshot=table.snapshot,
        kernels=tuple(Kernel(each.name, each.image, each.initrd, each.cmdline) for each in table.kernel),
    )
