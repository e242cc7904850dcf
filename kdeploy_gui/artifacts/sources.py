"""What the `source` of an artifact stands for on this workstation: files, in a fixed order."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import translate
from itertools import islice
from pathlib import Path

from kdeploy_gui.model.plan import Artifact, Dependency, ListedFile, Listing, SourceFile
from kdeploy_gui.model.problem import Problem, did_you_mean
from kdeploy_gui.model.stored import PREFIX
from kdeploy_gui.model.visible import is_visible, visible

REPORTED = 10
"""Files of one artifact that are named with their mistake; the rest is counted."""
FILE_LIMIT = 100_000
"""Files of one artifact; more is a slip, such as `**` in a home folder."""

_MAGIC = re.compile(r"[*?[]")


@dataclass(frozen=True, slots=True)
class Listed:
    """Listings by the artifact's index; an artifact whose source has a problem has none."""

    listings: Mapping[int, Listing] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class ListedPackages:
    """Package files by the dependency's index; a dependency whose files have a problem has none."""

    files: Mapping[int, tuple[SourceFile, ...]] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()


class SourceError(Exception):
    """One mistake in a source, in words."""


def list_sources(artifacts: Sequence[Artifact], folder: Path) -> Listed:
    """Expand every source relative to `folder` (the plan's). Blocks.

    Stored artifacts and those without a source are passed over.
    """
    listings: dict[int, Listing] = {}
    problems: list[Problem] = []
    for index, artifact in enumerate(artifacts):
        if not artifact.source or artifact.source.startswith(PREFIX):
            continue
        listing, mistakes = _listing(artifact.source, folder)
        if mistakes:
            problems.extend(Problem(each, f"artifacts[{index}].source") for each in _at_most(mistakes, REPORTED))
        else:
            listings[index] = listing
    return Listed(listings, tuple(problems))


def list_packages(dependencies: Sequence[Dependency], folder: Path) -> ListedPackages:
    """The package files of every dependency, relative to `folder` (the plan's). Blocks."""
    files: dict[int, tuple[SourceFile, ...]] = {}
    problems: list[Problem] = []
    for index, dependency in enumerate(dependencies):
        found: dict[str, SourceFile] = {}
        wrong = False
        for position, pattern in enumerate(dependency.files):
            listing, mistakes = _listing(pattern, folder)
            wrong = wrong or bool(mistakes)
            where = f"dependencies[{index}].files[{position}]"
            problems.extend(Problem(each, where) for each in _at_most(mistakes, REPORTED))
            found.update((each.source.path, each.source) for each in listing.files)
        if found and not wrong:
            files[index] = tuple(found.values())
    return ListedPackages(files, tuple(problems))


def _at_most(mistakes: Sequence[str], limit: int) -> Iterator[str]:
    yield from mistakes[:limit]
    if len(mistakes) > limit:
        yield f"{len(mistakes) - limit} more files have mistakes of this kind"


@dataclass(frozen=True, slots=True)
class _Found:
    """A path to look at, and its name below the target folder."""

    path: str
    name: str


def _listing(source: str, folder: Path) -> tuple[Listing, list[str]]:
    try:
        is_folder, found = _found(source, folder)
    except SourceError as error:
        return Listing(), [str(error)]
    except OSError as error:
        return Listing(), [f"'{_shown(str(error.filename or source), folder)}' cannot be read: {error.strerror}"]
    if not found:
        return Listing(), [f"'{visible(source)}' {'holds' if is_folder else 'matches'} no files"]
    if len(found) > FILE_LIMIT:
        return Listing(), [f"'{visible(source)}' stands for more than {FILE_LIMIT} files: name what is needed"]
    files: list[ListedFile] = []
    mistakes: list[str] = []
    for each in found:
        try:
            files.append(ListedFile(_source_file(each.path, folder), each.name))
        except SourceError as error:
            mistakes.append(str(error))
    return Listing(tuple(files), is_folder), mistakes


def _found(source: str, folder: Path) -> tuple[bool, list[_Found]]:
    """Whether a source is a folder, and what it stands for, at most one over FILE_LIMIT. Raises SourceError, OSError.

    A name with wildcard characters is taken literally where it exists.
    """
    start = os.path.normpath(os.path.join(folder.absolute(), os.path.expanduser(source)))
    if source.endswith("/"):
        start += "/"
    if _MAGIC.search(source) and not os.path.lexists(start):
        return False, list(islice(_matches(source, folder), FILE_LIMIT + 1))
    if _is_folder(start, source, folder):
        return True, list(islice(_tree(start), FILE_LIMIT + 1))
    return False, [_Found(start, os.path.basename(start))]


def _is_folder(start: str, source: str, folder: Path) -> bool:
    """Whether a source without wildcards is a folder. Raises SourceError if it is not there, and OSError."""
    try:
        return stat.S_ISDIR(os.stat(start).st_mode)
    except FileNotFoundError:
        raise SourceError(_missing(start, folder)) from None
    except NotADirectoryError:
        raise SourceError(f"'{visible(source)}' is a file, not a folder: write it without the last slash") from None


def _missing(start: str, folder: Path) -> str:
    """What is missing of a path, with the nearest name beside its first missing part."""
    if os.path.islink(start):
        return f"'{_shown(start, folder)}' is a link to something that does not exist"
    path = os.path.normpath(start)
    while not os.path.lexists(os.path.dirname(path)):
        path = os.path.dirname(path)
    parent, name = os.path.split(path)
    near = did_you_mean(name, _names(parent))
    return f"'{_shown(path, folder)}' does not exist{near}"


def _names(folder: str) -> list[str]:
    try:
        return sorted(map(visible, os.listdir(folder)))
    except OSError:
        return []


def _entries(folder: str) -> list[os.DirEntry[str]]:
    """A folder's entries by name. Raises OSError."""
    with os.scandir(folder) as entries:
        return sorted(entries, key=lambda each: each.name)


def _tree(start: str) -> Iterator[_Found]:
    """Everything below a folder that is not a folder itself; links to folders are left to the caller to refuse."""
    waiting = [(start.rstrip("/") or "/", "")]
    while waiting:
        folder, prefix = waiting.pop()
        inner: list[tuple[str, str]] = []
        for entry in _entries(folder):
            if entry.is_dir(follow_symlinks=False):
                inner.append((entry.path, f"{prefix}{entry.name}/"))
            else:
                yield _Found(entry.path, prefix + entry.name)
        waiting.extend(reversed(inner))


def _matches(source: str, folder: Path) -> Iterator[_Found]:
    """Files that match a pattern. Names are flat, or relative to the folder before the first `**`."""
    parts = os.path.normpath(os.path.expanduser(source)).split("/")
    first = next(index for index, part in enumerate(parts) if _MAGIC.search(part))
    head = "/".join(parts[:first])
    fixed = os.path.normpath(os.path.join(folder.absolute(), head if head or first == 0 else "/"))
    keep = parts.index("**") - first if "**" in parts else None
    for path in _expand(fixed, parts[first:]):
        below = path.removeprefix(fixed).lstrip("/").split("/")
        yield _Found(path, below[-1] if keep is None else "/".join(below[keep:]))


def _expand(folder: str, parts: Sequence[str]) -> Iterator[str]:
    """Paths below `folder` that match all `parts` and are no folders."""
    part, rest = parts[0], parts[1:]
    if part == "**":
        yield from _expand_deep(folder, rest or ["*"])
    elif not rest:
        yield from (each.path for each in _matching(folder, part) if not each.is_dir())
    elif _MAGIC.search(part):
        for entry in _matching(folder, part):
            if entry.is_dir():
                yield from _expand(entry.path, rest)
    elif os.path.isdir(inner := f"{folder.rstrip('/')}/{part}"):
        yield from _expand(inner, rest)


def _expand_deep(folder: str, rest: Sequence[str]) -> Iterator[str]:
    """`**`: this folder and all below it, without hidden ones and without links."""
    if rest[0] == "**":
        rest = rest[1:] or ["*"]
    yield from _expand(folder, rest)
    for entry in _entries(folder):
        if entry.is_dir(follow_symlinks=False) and not entry.name.startswith("."):
            yield from _expand_deep(entry.path, rest)


def _matching(folder: str, part: str) -> Iterable[os.DirEntry[str]]:
    """Entries whose name matches; hidden ones only where the pattern itself starts with a dot."""
    if not os.path.isdir(folder):
        return []
    wanted = re.compile(translate(part)).match
    hidden = part.startswith(".")
    return [each for each in _entries(folder) if wanted(each.name) and (hidden or not each.name.startswith("."))]


def _source_file(path: str, folder: Path) -> SourceFile:
    """A regular file that can be read. Raises SourceError for anything else."""
    relative = _relative(path, folder)
    try:
        path.encode()
        state = os.stat(path)
    except UnicodeEncodeError:
        mistake = "has a name that is not UTF-8: rename it"
    except FileNotFoundError:
        mistake = "is a link to something that does not exist"
    except OSError as error:
        mistake = f"cannot be read: {error.strerror}"
    else:
        mistake = _unfit(path, state.st_mode)
        if not mistake:
            return SourceFile(path, relative, state.st_size)
    raise SourceError(f"'{visible(relative)}' {mistake}")


def _unfit(path: str, mode: int) -> str:
    if not is_visible(path):
        return "has control characters in its name: rename it"
    if stat.S_ISDIR(mode):
        return "is a link to a folder, which is not followed: list that folder as an artifact of its own"
    if not stat.S_ISREG(mode):
        return f"is {_kind(mode)}, not a file"
    if not os.access(path, os.R_OK, effective_ids=True):
        return "cannot be read: permission denied"
    return ""


def _kind(mode: int) -> str:
    kinds = ((stat.S_ISFIFO, "a named pipe"), (stat.S_ISSOCK, "a socket"), (stat.S_ISCHR, "a device"))
    return next((name for test, name in kinds if test(mode)), "a block device")


def _relative(path: str, folder: Path) -> str:
    """The path below the plan's folder; an absolute path for what lies elsewhere."""
    return path.removeprefix(f"{folder.absolute()}/")


def _shown(path: str, folder: Path) -> str:
    return visible(_relative(path, folder))
