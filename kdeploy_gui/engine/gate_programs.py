"""Programs, modules and scripts against a machine: its kernel, its loaders and interpreters. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from posixpath import basename

from kdeploy_gui.errors import ArtifactError
from kdeploy_gui.model.abi import ARM, I386, MIPS, RISCV, Abi, modules_of, programs_of
from kdeploy_gui.model.facts import Facts, Presence
from kdeploy_gui.model.requirement import Arrival, Broken, Module, Program, Script

EXECUTE = 0o111
MODULE_OPTIONS = ("MODULES", "SMP", "PREEMPT", "PREEMPT_BUILD", "PREEMPT_RT", "MODULE_UNLOAD", "MODVERSIONS")
"""Options of a kernel that its vermagic is made of, after the one without which it loads no module."""
NARROW_OPTIONS = ("IA32_EMULATION", "COMPAT")
"""Options without which a 64-bit kernel runs no 32-bit programs."""
_NARROW = {("x86_64", I386): "IA32_EMULATION", ("aarch64", ARM): "COMPAT", ("riscv64", RISCV): "COMPAT"}
_LIBRARIES = (("ld-musl", "musl"), ("ld-uClibc", "uClibc"), ("linker", "Android"), ("", "glibc"))


def program_refusals(arrivals: Sequence[Arrival], facts: Facts, *, complete: bool) -> Iterator[ArtifactError]:
    """What cannot run, in the order of the files; what the plan itself brings counts as there."""
    brought = {each.entry.path for each in arrivals if each.entry.mode & EXECUTE}
    names = {basename(each) for each in brought}
    for each in arrivals:
        path, runs = each.entry.path, bool(each.entry.mode & EXECUTE)
        match each.requirement:
            case Broken(reason) if runs:
                yield _error("E-ELF", f"{path} cannot run anywhere: {reason}", path, "a whole ELF file", reason)
            case Module() as module:
                yield from _module(path, module, facts)
            case Program() as program:
                refusal = _machine(path, program.abi, facts)
                if refusal is None and runs and complete and program.loader not in brought:
                    refusal = _loader(path, program, facts)
                yield from [] if refusal is None else [refusal]
            case Script() as script if runs:
                yield from _script(path, script, facts, brought, names, complete=complete)
            case _:
                pass


def _error(code: str, message: str, path: str, needed: str, found: str) -> ArtifactError:
    return ArtifactError(code, message, path=path, on_target="Unchanged: nothing was sent.", needed=needed, found=found)


def _machine(path: str, abi: Abi, facts: Facts) -> ArtifactError | None:
    shapes, userland = programs_of(facts.machine), facts.userland
    other_order = userland is not None and abi.machine == userland.machine == MIPS and abi.little != userland.little
    if shapes is None or abi.shape in {each.shape for each in facts.emulated}:
        return None
    if abi.shape in shapes and not other_order:
        return _narrow(path, abi, facts)
    found = userland.title if userland is not None and other_order else facts.machine
    return _error("E-ARCH", f"{path} is made for {abi.title}, the machine is {found}", path, abi.title, found)


def _narrow(path: str, abi: Abi, facts: Facts) -> ArtifactError | None:
    """A 32-bit program on a 64-bit kernel that is known to be built without the option for those."""
    option = _NARROW.get((facts.machine, abi.machine), "")
    if abi.bits == 64 or not option or facts.options is None or option in facts.options:
        return None
    found = f"{facts.machine} without CONFIG_{option}"
    return _error("E-ARCH", f"{path} is made for {abi.title}, the kernel is {found}", path, abi.title, found)


def _loader(path: str, program: Program, facts: Facts) -> ArtifactError | None:
    presence = facts.programs.get(program.loader, Presence.RUNS) if program.loader else Presence.RUNS
    if presence is Presence.RUNS:
        return None
    userland, abi = facts.userland, program.abi
    if userland is not None and userland.differs(abi):
        message = (
            f"{path} is made for {abi.title}, the programs of this {facts.machine} machine are for {userland.title} "
            f"and {program.loader} is {presence}"
        )
        return _error("E-ARCH", message, path, abi.title, userland.title)
    there = ", ".join(f"{_library(each)} ({each})" for each in facts.loaders) or "no dynamic loader"
    message = (
        f"{path} is linked with {_library(program.loader)} and starts through {program.loader}, "
        f"which is {presence} on the machine; it has {there}"
    )
    return _error("E-INTERPRETER", message, path, f"{_library(program.loader)} ({program.loader})", there)


def _library(loader: str) -> str:
    return next(name for mark, name in _LIBRARIES if mark in basename(loader))


def _module(path: str, module: Module, facts: Facts) -> Iterator[ArtifactError]:
    shapes, abi = modules_of(facts.machine), module.abi
    if shapes is not None and abi.shape not in shapes:
        message = f"the module {path} is made for {abi.title}, the kernel is {facts.machine}"
        yield _error("E-ARCH", message, path, abi.title, facts.machine)
        return
    wrong = _vermagic(module, facts)
    if wrong:
        found = " ".join((facts.kernel_release, *(flag for flag, on in _flags(facts).items() if on)))
        message = f"the module {path} is made for kernel {module.vermagic!r}, the machine runs {found!r}: {wrong}"
        yield _error("E-VERMAGIC", message, path, module.vermagic, found)


def _vermagic(module: Module, facts: Facts) -> str:
    """What the kernel would refuse, in words; empty where nothing is known to differ.

    Kernels compare the whole text, and leave out the release where both sides have checksums of their symbols.
    """
    if facts.options is not None and "MODULES" not in facts.options:
        return "it is built without CONFIG_MODULES and loads none"
    release, *flags = module.vermagic.split() or [""]
    wrong = []
    if release != facts.kernel_release and not (module.checksums and "modversions" in flags):
        wrong.append("another release")
    for flag, on in _flags(facts).items():
        if (flag in flags) != on:
            wrong.append(f"{flag} on the machine only" if on else f"{flag} in the module only")
    return ", ".join(wrong)


def _flags(facts: Facts) -> Mapping[str, bool]:
    """What is known of the vermagic of the machine's kernel, in its order; a real-time one has either preempt."""
    build, options = facts.kernel_build.split(), facts.options
    known: dict[str, bool] = {}
    if options is not None or facts.kernel_build.startswith("#"):
        words = options if options is not None else frozenset(build)
        known["SMP"] = "SMP" in words
        if not {"RT", "PREEMPT_RT"}.intersection(words):
            known["preempt"] = any(each.startswith("PREEMPT") for each in words)
            known["preempt_rt"] = False
    if options is not None:
        known |= {"mod_unload": "MODULE_UNLOAD" in options, "modversions": "MODVERSIONS" in options}
    return known


def _script(
    path: str, script: Script, facts: Facts, brought: set[str], names: set[str], *, complete: bool
) -> Iterator[ArtifactError]:
    if script.carriage_return:
        last = script.tool or script.interpreter
        message = f"the first line of {path} ends with CR LF, as on Windows: the machine would look for '{last}\\r'"
        yield _error("E-SHEBANG", message, path, "a first line that ends with LF alone", "CR LF")
        return
    presence = facts.programs.get(script.interpreter, Presence.RUNS)
    if not complete:
        return
    if presence is not Presence.RUNS and script.interpreter not in brought:
        message = f"{path} is run by {script.interpreter}, which is {presence} on the machine"
        yield _error("E-SHEBANG", message, path, script.interpreter, f"{script.interpreter} {presence}")
    elif script.tool and facts.tools.get(script.tool) == "" and script.tool not in names:
        message = f"{path} is run by {script.tool}, which {script.interpreter} does not find on the machine"
        yield _error("E-SHEBANG", message, path, script.tool, f"{script.tool} {Presence.MISSING}")
