"""Dependency installation: look, install what is missing where that is possible, look again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kdeploy_gui import resources
from kdeploy_gui.engine.context import Context
from kdeploy_gui.errors import Evidence, KdeployError, NetworkError, TargetBusy, TargetError
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.event import DependencyDone
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.plan import Dependency
from kdeploy_gui.model.version import Version, VersionRange
from kdeploy_gui.ports import Target

_VERSION = re.compile(r"\d{1,9}(?:\.\d{1,9})+(?:[-~.]?rc\d{1,9})?|\d{1,9}")
_LOCKED = ("Could not get lock", "Unable to acquire the dpkg frontend lock", "is another process using it")
_UNKNOWN_PACKAGE = ("Unable to locate package", "has no installation candidate")
# A package manager that is stopped half-way leaves a broken system: it goes on to its end whatever happens to the run.
_INSTALL = """trap '' TERM HUP INT PIPE
DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends -- "$@" </dev/null"""
NO_FILES = "No file of the plan was sent."


@dataclass(frozen=True, slots=True)
class Found:
    """What the target says of one dependency: `present`, `missing` or `broken`, and its version in its own words."""

    state: str
    version: str = ""

    def satisfies(self, dependency: Dependency) -> bool:
        """Whether this is the dependency in an acceptable version."""
        if self.state != "present":
            return False
        if not dependency.version:
            return True
        number = _VERSION.search(self.version.partition(":")[2] or self.version)
        return number is not None and VersionRange.parse(dependency.version).contains(Version.parse(number.group()))


async def run(context: Context) -> None:
    """Check, install as root with apt, check again. Raises TargetError that names exactly what is still not there."""
    wanted = context.plan.dependencies
    if not wanted:
        return
    found = await look(await context.target(), context.known, wanted)
    lacking = [each for each in wanted if not found[each].satisfies(each)]
    packages = [each for each in lacking if each.name]
    installed: set[Dependency] = set()
    refusal: KdeployError | None = None
    if packages:
        refusal = await _install_all(context, packages)
        found = await look(await context.target(), context.known, wanted)
        installed = {each for each in packages if found[each].satisfies(each)}
    _report(context, wanted, found, installed)
    missing = [each for each in wanted if each.required and not found[each].satisfies(each)]
    if missing:
        raise missing_error(missing, found, refusal)


def _report(
    context: Context, wanted: Sequence[Dependency], found: Mapping[Dependency, Found], installed: set[Dependency]
) -> None:
    for number, each in enumerate(wanted, 1):
        action = "installed" if each in installed else "present" if found[each].satisfies(each) else "missing"
        context.emit(DependencyDone(each.label, action, found[each].version, each.version, each.required))
        context.progress(number, len(wanted), "dependencies", each.label)


def package_name(facts: Facts, dependency: Dependency) -> str:
    """A package as this machine's package manager calls it."""
    manager = facts.package_manager
    short = "apt" if manager == "apt-get" else manager
    return dependency.names.get(short, dependency.names.get(manager, dependency.name))


def _item(facts: Facts, dependency: Dependency) -> str:
    if dependency.name:
        return f"p:{package_name(facts, dependency)}"
    return f"{'v' if dependency.version else 't'}:{dependency.tool}"


async def look(target: Target, facts: Facts, wanted: Sequence[Dependency]) -> dict[Dependency, Found]:
    """What the machine has of these dependencies; changes nothing."""
    items = {each: _item(facts, each) for each in wanted}
    command = Command(
        resources.text("remote/dependencies.sh"),
        (facts.package_manager, *dict.fromkeys(items.values())),
        title="dependency check",
        timeout=60,
    )
    done = await target.execute(command)
    said: dict[str, Found] = {}
    for line in done.text.split("\n"):
        match line.split("\t", 2):
            case [item, state, version]:
                said[item] = Found(state, version)
            case _:
                continue
    return {each: said.get(item, Found("missing")) for each, item in items.items()}


async def _install_all(context: Context, lacking: Sequence[Dependency]) -> KdeployError | None:
    """Install the required packages together, then each optional one by itself, so that none of those gets in the way.

    Returns why the required ones could not be installed; the second look tells about the optional ones. Raises
    TargetBusy while something else installs.
    """
    required = [package_name(context.known, each) for each in lacking if each.required]
    optional = [[package_name(context.known, each)] for each in lacking if not each.required]
    refusal: KdeployError | None = None
    for group in ([required] if required else []) + optional:
        try:
            await _install(context, group)
        except (TargetBusy, NetworkError):
            raise
        except KdeployError as error:
            refusal = error if group is required else refusal
    return refusal


def cannot_install(facts: Facts, packages: Sequence[str]) -> TargetError | None:
    """Why packages cannot be installed on this machine at all; None: it can be tried."""
    if facts.package_manager != "apt-get":
        manager = facts.package_manager or "no package manager"
        return TargetError(
            "E-PKG-MANAGER",
            f"kdeploy cannot install packages with {manager} yet",
            on_target=NO_FILES,
            packages=" ".join(packages),
            manager=manager,
        )
    if facts.uid != 0:
        return TargetError(
            "E-PKG-NOROOT",
            f"installing packages needs root; this is {facts.user}",
            on_target=NO_FILES,
            packages=" ".join(packages),
            user=facts.user,
        )
    return None


async def _install(context: Context, packages: Sequence[str]) -> None:
    refusal = cannot_install(context.known, packages)
    if refusal is not None:
        raise refusal
    await context.drop_mark(f"run {context.run} began to install packages and has not made it READY since")
    context.progress(0, len(packages), "packages", f"installing {', '.join(packages)}")
    target = await context.target()
    command = Command(_INSTALL, tuple(packages), title="apt-get install", gentle=True)
    done = await target.execute(command, context.output)
    if done.status != 0 and any(phrase in done.error_text for phrase in _UNKNOWN_PACKAGE):
        await target.execute(Command("apt-get update </dev/null", title="apt-get update"), context.output)
        done = await target.execute(command, context.output)
    if done.status != 0:
        raise _install_failed(done, packages)


def _install_failed(done: Completed, packages: Sequence[str]) -> KdeployError:
    evidence = Evidence("apt-get install", done.status, done.error_text)
    names = " ".join(packages)
    if any(phrase in done.error_text for phrase in _LOCKED):
        return TargetBusy("E-PKG-LOCK", "another package manager is at work", on_target=NO_FILES, evidence=evidence)
    if "dpkg was interrupted" in done.error_text:
        return TargetError(
            "E-PKG-HALF", "an earlier dpkg was interrupted on this machine", on_target=NO_FILES, evidence=evidence
        )
    last = done.error_text.splitlines()[-1] if done.error_text else f"exit status {done.status}"
    return TargetError(
        "E-PKG-FAILED", f"apt-get install failed: {last}", on_target=NO_FILES, evidence=evidence, packages=names
    )


def missing_error(
    missing: Sequence[Dependency], found: Mapping[Dependency, Found], refusal: KdeployError | None
) -> KdeployError:
    """One error that names everything that is missing; why packages could not be installed comes first."""
    words = "; ".join(_in_words(each, found[each]) for each in missing)
    names = ", ".join(each.label for each in missing)
    if refusal is not None:
        refusal.message = f"{words} ({refusal.message})"
        return refusal
    if all(found[each].state == "present" for each in missing):
        return TargetError("E-DEP-VERSION", words, on_target=NO_FILES, tool=names)
    code = "E-TOOL-MISSING" if any(each.tool for each in missing) else "E-PKG-MISSING"
    return TargetError(code, words, on_target=NO_FILES, tool=names)


def _in_words(dependency: Dependency, found: Found) -> str:
    match found.state:
        case "present":
            return f"{dependency.label} is {found.version or 'of unknown version'}, wanted {dependency.version}"
        case "broken":
            return f"{dependency.label} is there but does not run: {found.version}"
        case _:
            return f"{dependency.label} is missing"
