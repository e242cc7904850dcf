"""What is lacking of a plan's dependencies, why it cannot be installed, and in which words that is told. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum, auto

from kdeploy_gui.errors import Evidence, KdeployError, PackagesLocked, TargetError
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.packages import (
    DOWNLOADS,
    SOURCELESS,
    Found,
    Installed,
    Kind,
    Meaning,
    Order,
    Presence,
    Wanted,
    is_for,
    manager_of,
    number_of,
)
from kdeploy_gui.model.plan import Dependency, SourceFile
from kdeploy_gui.model.version import Version, VersionRange

NO_FILES = "No file of the plan was sent."


class Way(Enum):
    """How a dependency comes to a machine, in the order in which that is done."""

    FILES = auto()
    SOURCES = auto()
    WHEELS = auto()
    INDEX = auto()

    @property
    def is_pip(self) -> bool:
        """Whether pip does it."""
        return self in {Way.WHEELS, Way.INDEX}

    @property
    def has_files(self) -> bool:
        """Whether the files come from this workstation."""
        return self in {Way.FILES, Way.WHEELS}


def package_name(facts: Facts, dependency: Dependency) -> str:
    """A package as this machine's package manager calls it."""
    return dependency.names.get(manager_of(facts), dependency.name)


def wanted_of(facts: Facts, dependency: Dependency) -> Wanted:
    """What to look for on this machine."""
    if dependency.tool:
        return Wanted(Kind.COMMAND, dependency.tool, bool(dependency.version))
    if dependency.pip:
        return Wanted(Kind.PYTHON, dependency.pip, bool(dependency.version))
    return Wanted(Kind.PACKAGE, package_name(facts, dependency), bool(dependency.version))


def way_of(facts: Facts, dependency: Dependency, files: Sequence[SourceFile]) -> Way:
    """How a package comes to this machine."""
    here = bool(fitting(facts, dependency, files))
    if dependency.pip:
        return Way.WHEELS if here else Way.INDEX
    return Way.FILES if here else Way.SOURCES


def fitting(facts: Facts, dependency: Dependency, files: Sequence[SourceFile]) -> tuple[SourceFile, ...]:
    """Those of a dependency's files that are for this machine."""
    if dependency.pip:
        return tuple(files)
    return tuple(each for each in files if is_for(each.path, facts))


def accepts(wanted: str, version: str) -> bool:
    """Whether a version, in anybody's words, lies in a range; an empty range accepts all."""
    number = number_of(version)
    return not wanted or (bool(number) and VersionRange.parse(wanted).contains(Version.parse(number)))


def satisfies(dependency: Dependency, found: Found) -> bool:
    """Whether this is the dependency in an acceptable version."""
    return found.state is Presence.PRESENT and accepts(dependency.version, found.version)


def newest(versions: Sequence[str]) -> str:
    """The newest version of some, empty for none; of equals the first."""
    best = ""
    for each in versions:
        if number_of(each) and (not best or _order(each, best) > 0):
            best = each
    return best


def _order(one: str, other: str) -> int:
    return Version.parse(number_of(one)).compare(Version.parse(number_of(other)))


def choice(dependency: Dependency, found: Found, name: str) -> str | None:
    """How a package is asked for, by its name or with a version; None: no version on offer will do.

    A package is never replaced by an older one.
    """
    if not dependency.version or not found.offered:
        return name
    fit = newest([each for each in found.offered if accepts(dependency.version, each)])
    if not fit or (found.state is Presence.PRESENT and number_of(found.version) and _order(fit, found.version) < 0):
        return None
    return name if _order(fit, newest(found.offered)) == 0 else f"{name} {fit}"


def pip_range(dependency: Dependency, found: Found) -> str:
    """The versions that pip is asked for, in its words: never one older than is there."""
    clauses = [each.strip() for each in dependency.version.split(",") if each.strip()]
    clauses = [each if each[0] in "<>=!" else f"=={each}" for each in clauses]
    return ",".join([*clauses, *([f">={found.version}"] if found.version else [])])


def cannot_install(facts: Facts, way: Way, packages: Sequence[str]) -> TargetError | None:
    """Why packages cannot be installed in this way on this machine at all; None: it can be tried."""
    if way.is_pip:
        return None
    manager, names = manager_of(facts), " ".join(packages)
    if not manager or (manager in SOURCELESS and way is Way.SOURCES):
        system = facts.os_name or facts.os_id or "this system"
        message = f"{system} has no package manager" if not manager else f"{manager} alone cannot fetch packages"
        return TargetError("E-PKG-MANAGER", message, on_target=NO_FILES, packages=names)
    if facts.uid != 0:
        return TargetError(
            "E-PKG-NOROOT",
            f"installing packages needs root; this is {facts.user}",
            on_target=NO_FILES,
            packages=names,
            user=facts.user,
        )
    return None


def cannot_use_pip(found: Found, dependency: Dependency) -> TargetError | None:
    """Why pip cannot bring a package to this machine's Python; None: it can be tried."""
    package = dependency.pip
    match found.state:
        case Presence.MANAGED:
            return _managed(package, Evidence())
        case Presence.NO_PIP:
            return TargetError("E-PIP-MISSING", "there is no pip for python3", on_target=NO_FILES, packages=package)
        case _:
            return None


def _managed(packages: str, evidence: Evidence) -> TargetError:
    message = "this system keeps pip out of its Python (EXTERNALLY-MANAGED, PEP 668)"
    return TargetError("E-PIP-MANAGED", message, on_target=NO_FILES, evidence=evidence, packages=packages)


def refusal(order: Order, ended: Installed, packages: Sequence[str]) -> KdeployError:
    """Why an installation failed."""
    evidence = Evidence(order.title, ended.status, ended.said)
    names, last = " ".join(packages), telling_line(ended)
    match ended.meaning:
        case Meaning.LOCKED:
            return PackagesLocked("E-PKG-LOCK", _locked(order, ended), on_target=NO_FILES, evidence=evidence)
        case Meaning.STALE:
            path = "".join(ended.details[:1])
            message = f"the lock file {path} was left over: no package manager is at work"
            return TargetError("E-PKG-STALE-LOCK", message, path=path, on_target=NO_FILES, evidence=evidence)
        case Meaning.HALF:
            repair = "".join(ended.details[:1])
            message = "an earlier installation was interrupted on this machine"
            return TargetError("E-PKG-HALF", message, on_target=NO_FILES, evidence=evidence, repair=repair)
        case Meaning.UNREACHABLE:
            why = "".join(ended.details[:1]) or last
            message = f"the package sources of {order.title.split()[0]} cannot be read: {why}"
            return TargetError(
                "E-PKG-OFFLINE",
                message,
                on_target=NO_FILES,
                evidence=evidence,
                download=f"{DOWNLOADS.get(order.manager, '')} {names}".strip(),
            )
        case Meaning.UNKNOWN:
            return TargetError("E-PKG-MISSING", last, on_target=NO_FILES, evidence=evidence, packages=names)
        case Meaning.MANAGED:
            return _managed(names, evidence)
        case Meaning.NO_PIP:
            return TargetError("E-PIP-MISSING", last, on_target=NO_FILES, evidence=evidence, packages=names)
        case _:
            message = f"{order.title} failed: {last}"
            return TargetError("E-PKG-FAILED", message, on_target=NO_FILES, evidence=evidence, packages=names)


def _locked(order: Order, ended: Installed) -> str:
    manager = order.title.split()[0]
    match ended.details:
        case (process, program, *_):
            return f"{manager} has to wait: process {process} ({program}) is installing packages"
        case (process,):
            return f"{manager} has to wait: process {process} is installing packages"
        case _:
            return f"{manager} has to wait: another process is installing packages"


def telling_line(ended: Installed) -> str:
    """The last line that calls itself an error, else the last one."""
    lines = [each.strip() for each in ended.said.splitlines() if each.strip()]
    errors = [each for each in lines if each.lower().startswith(("e:", "error", "dpkg: error", "* "))]
    return (errors or lines or [f"exit status {ended.status}"])[-1]


def missing_error(
    missing: Sequence[Dependency], found: Mapping[Dependency, Found], refusals: Mapping[Dependency, KdeployError]
) -> KdeployError:
    """One error that names everything that is missing; why packages could not be installed comes first."""
    words = "; ".join(in_words(each, found[each]) for each in missing)
    names = ", ".join(each.label for each in missing)
    because = next((refusals[each] for each in missing if each in refusals), None)
    if because is not None:
        because.message = f"{words} ({because.message})"
        return because
    if all(found[each].state is Presence.PRESENT or is_outdated(each, found[each]) for each in missing):
        return TargetError("E-DEP-VERSION", words, on_target=NO_FILES, tool=names)
    code = "E-TOOL-MISSING" if any(each.tool for each in missing) else "E-PKG-MISSING"
    return TargetError(code, words, on_target=NO_FILES, tool=names, packages=names)


def is_outdated(dependency: Dependency, found: Found) -> bool:
    """Whether no version on offer will do."""
    return choice(dependency, found, dependency.name) is None


def in_words(dependency: Dependency, found: Found) -> str:
    """What is wrong with a dependency: what is there, what was asked for, what could be had."""
    best = newest([each for each in found.offered if accepts(dependency.version, each)]) or newest(found.offered)
    offer = f"; the package sources offer {best}" if is_outdated(dependency, found) else ""
    wanted = f", wanted {dependency.version}" if dependency.version else ""
    match found.state:
        case Presence.PRESENT:
            return f"{dependency.label} is {found.version or 'of unknown version'}{wanted}{offer}"
        case Presence.BROKEN:
            return f"{dependency.label} is there but does not run: {found.version}"
        case _:
            return f"{dependency.label} is missing{wanted if offer else ''}{offer}"
