"""Semantic patches, with what they say of themselves for `make coccicheck`, and the source trees that they are for."""

from __future__ import annotations

import os
import platform
import re
import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from kdeploy_gui.errors import PlanError
from kdeploy_gui.model.source_check import CHAIN, CheckRequest, Mode, SemanticPatch

OWN = Path("scripts", "coccinelle")
"""Where a kernel keeps its semantic patches."""
SHOWN = 3
"""Names that a message tells."""
_HEADER = re.compile(r"^//[#/]?\s*(Confidence|Options|Requires)\s*:(.*)$", re.MULTILINE)
_VIRTUAL = re.compile(r"^\s*virtual\s+(\w+(?:\s*,\s*\w+)*)\s*;?\s*$", re.MULTILINE)
_COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
_HARMLESS = re.compile(r"[\w.+,@=%:/-]*")
"""Names that mean nothing to a shell; \\w has the letters of all alphabets, and no byte that is not UTF-8."""
_ARCHITECTURES = (
    (r"x86_64|i.86", "x86"),
    (r"aarch64.*", "arm64"),
    (r"arm.*|sa110", "arm"),
    (r"riscv.*", "riscv"),
    (r"ppc.*", "powerpc"),
    (r"s390x", "s390"),
    (r"mips.*", "mips"),
    (r"loongarch.*", "loongarch"),
)
_INCLUDES = (
    "arch/{arch}/include",
    "arch/{arch}/include/generated",
    "include",
    "arch/{arch}/include/uapi",
    "arch/{arch}/include/generated/uapi",
    "include/uapi",
    "include/generated/uapi",
)
_KCONFIG = "include/linux/kconfig.h"


def read_patch(path: Path, source: Path) -> SemanticPatch:
    """What a .cocci file says of itself. Raises PlanError E-COCCI-PATCHES where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise _unreadable(path, error) from error
    header = {name: value.strip() for name, value in reversed(_HEADER.findall(text))}
    words = {word for names in _VIRTUAL.findall(_COMMENT.sub("", text)) for word in re.split(r"[\s,]+", names) if word}
    try:
        options = tuple(shlex.split(header.get("Options", "")))
    except ValueError as error:
        raise PlanError("E-COCCI-PATCHES", f"`Options:` of {path} cannot be read: {error}", path=str(path)) from error
    return SemanticPatch(
        name=str(path.relative_to(source)) if path.is_relative_to(source) else str(path),
        path=path,
        confidence=header.get("Confidence", ""),
        options=options,
        requires=header.get("Requires", ""),
        modes=frozenset(Mode(word) for word in words & set(CHAIN)),
        plain=not words,
    )


def patches_of(request: CheckRequest, source: Path) -> tuple[SemanticPatch, ...]:
    """The semantic patches asked for, by name, each once. Raises PlanError E-COCCI-PATCHES."""
    places = request.patches or (source / OWN,)
    if not request.patches and not (source / OWN).is_dir():
        message = f"{source} has no semantic patches of its own: there is no folder {OWN}"
        raise PlanError("E-COCCI-PATCHES", message, path=str(source))
    files = {file for place in places for file in _cocci_files(place, source)}
    if not files:
        named = ", ".join(map(str, places))
        raise PlanError("E-COCCI-PATCHES", f"there is no .cocci file in {named}", path=str(places[0]))
    return tuple(sorted((read_patch(file, source) for file in files), key=lambda each: each.name))


def _cocci_files(place: Path, source: Path) -> Iterator[Path]:
    """A file, or those below a folder; relative to where kdeploy was started, else to the source, as make has it."""
    found = next((each for each in (place, source / place) if each.exists()), None)
    if found is None:
        raise PlanError("E-COCCI-PATCHES", f"{place} does not exist", path=str(place))
    real = found.resolve()
    if real.is_dir():
        yield from (each.resolve() for each in real.rglob("*.cocci") if each.is_file())
    else:
        yield real


def _unreadable(path: Path, error: OSError) -> PlanError:
    return PlanError("E-COCCI-PATCHES", f"{path} cannot be read: {error.strerror}", path=str(path))


def source_of(request: CheckRequest) -> tuple[Path, str]:
    """The source tree, resolved, and the folder of it that shall be looked at. Raises PlanError E-COCCI-SOURCE."""
    source = request.source.resolve()
    folder = source / request.folder
    for each in (source, folder):
        if not each.is_dir():
            what = "is not a folder" if each.exists() else "does not exist"
            raise PlanError("E-COCCI-SOURCE", f"{each} {what}", path=str(each))
    if not folder.resolve().is_relative_to(source):
        raise PlanError("E-COCCI-SOURCE", f"{folder} is not below {source}", path=str(folder))
    return source, os.path.relpath(folder.resolve(), source)


def count_files(source: Path, folder: str) -> int:
    """How many C files and headers there are below a folder.

    spatch hands their names to a shell to compare two versions of them, so that a name can be a command. Raises
    PlanError: E-COCCI-NAMES where one could be, E-COCCI-SOURCE where there is no C file or a folder cannot be read.
    """
    number, has_code, bad = 0, False, []
    for name in _c_files(source / folder):
        number += 1
        has_code = has_code or name.endswith(".c")
        relative = os.path.relpath(name, source)
        if not _HARMLESS.fullmatch(relative):
            bad.append(relative)
    if bad:
        raise _hostile(bad, source)
    if not has_code:
        where = source / folder
        raise PlanError("E-COCCI-SOURCE", f"{where} is not a source tree: no .c file is in it", path=str(where))
    return number


def _c_files(folder: Path) -> Iterator[str]:
    def failed(error: OSError) -> None:
        message = f"{error.filename} cannot be read: {error.strerror}"
        raise PlanError("E-COCCI-SOURCE", message, path=str(error.filename)) from error

    for path, _, names in os.walk(folder, onerror=failed):
        yield from (os.path.join(path, name) for name in names if name.endswith((".c", ".h")))


def _hostile(names: Iterable[str], source: Path) -> PlanError:
    found = sorted(names)
    shown = ", ".join(f"'{each}'" for each in found[:SHOWN])
    more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    message = f"names with blanks or other characters that a shell acts on: {shown}{more}"
    return PlanError("E-COCCI-NAMES", message, path=str(source / found[0]))


def include_options(source: Path, arch: str) -> tuple[str, ...]:
    """Where spatch finds headers, as a kernel's build has it; folders that are not there are left out."""
    word = arch or next(
        (name for pattern, name in _ARCHITECTURES if re.fullmatch(pattern, platform.machine())), platform.machine()
    )
    folders = [each.format(arch=word) for each in _INCLUDES]
    options = [part for each in folders if (source / each).is_dir() for part in ("-I", f"./{each}")]
    if (source / _KCONFIG).is_file():
        options += ["--include", f"./{_KCONFIG}"]
    return tuple(options)
