"""The build of a kernel in a folder: its vmlinux and its .config."""

from __future__ import annotations

from pathlib import Path

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.segments import NoteSegment

from kdeploy_gui.model.fuzzing import KernelBuild

BUILD_ID = "NT_GNU_BUILD_ID"


def read_build(folder: Path) -> KernelBuild:
    """What a folder says of the kernel that was built there; never raises for what is in it."""
    options = _options(folder / ".config")
    path = folder / "vmlinux"
    try:
        with path.open("rb") as stream:
            elf = ELFFile(stream)
            found = KernelBuild("", _build_id(elf), elf.get_section_by_name(".debug_info") is not None, options)
    except OSError as error:
        return KernelBuild(f"{path}: {error.strerror}", options=options)
    except (ELFError, ValueError, OverflowError) as error:
        return KernelBuild(f"{path} is no sound ELF file: {error}", options=options)
    return found


def _build_id(elf: ELFFile) -> str:
    for segment in elf.iter_segments("PT_NOTE"):
        for note in segment.iter_notes() if isinstance(segment, NoteSegment) else ():
            if note["n_type"] == BUILD_ID:
                return str(note["n_desc"])
    return ""


def _options(path: Path) -> frozenset[str] | None:
    """The options of a .config that are set, without CONFIG_; None: it cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    pairs = (line.partition("=") for line in lines if line.startswith("CONFIG_"))
    return frozenset(name.removeprefix("CONFIG_") for name, _, value in pairs if value and value != "n")
