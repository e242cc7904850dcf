"""The ways in which a board leaves its kernel for another one: kexec, GRUB once, another default of extlinux.conf."""

from __future__ import annotations

from dataclasses import dataclass

from kdeploy_gui import resources
from kdeploy_gui.errors import Evidence, TargetError
from kdeploy_gui.model.command import Command
from kdeploy_gui.model.environment import Environment, Kernel
from kdeploy_gui.model.kernel_params import words
from kdeploy_gui.ports import Target

UNCHANGED = "Nothing was changed."
CONSOLE_WANTED = "it boots nothing just once, and the lab file gives no console ([environment.console]) to choose at"


@dataclass(frozen=True, slots=True)
class Way:
    """One of them; `note` says that it is gone, with the kernel's name in it.

    One that is `lasting` is not left by a power cycle: whoever takes it needs the console. `refused` are characters
    that do not get through it to the kernel, `without_quotes` tells that it groups words with quotes of its own.
    """

    title: str
    scripts: tuple[str, ...]
    note: str
    refused: str = ""
    without_quotes: bool = False
    lasting: bool = False

    @property
    def script(self) -> str:
        """What the board runs."""
        return "".join(resources.text(f"remote/{each}.sh") for each in self.scripts)

    def command(self, verb: str, *arguments: str) -> Command:
        """The script of a boot loader: change what is booted (`set`), or take that back (`clear`)."""
        title = self.title if verb == "set" else f"{self.title} {verb}"
        return Command(self.script, (verb, *arguments), title=title, gentle=True)


KEXEC = Way("kexec", ("kexec",), "booting the kernel {} by kexec")
GRUB = Way("GRUB", ("boot_files", "grub_once"), "GRUB boots the kernel {} once", refused="\\'", without_quotes=True)
EXTLINUX = Way(
    "extlinux",
    ("boot_files", "extlinux"),
    "extlinux.conf has the kernel {} as its default until the board is up",
    refused="\\'$",
    lasting=True,
)
BOOT_LOADERS = (GRUB, EXTLINUX)


@dataclass(frozen=True, slots=True)
class Armed:
    """A way that was prepared; `image` is the path by which a boot loader loads the kernel.

    A `lasting` one has changed the default `label` of `file`, and `kept` is that file as it was.
    """

    way: Way
    image: str = ""
    label: str = ""
    file: str = ""
    kept: str = ""


async def arm(target: Target, environment: Environment, kernel: Kernel, cmdline: str) -> Armed:
    """Prepare the first way that the board has; by kexec it then leaves at once, else with its next restart.

    Raises TargetError E-POWER-BOOT with what speaks against each of them; then nothing was changed. Raises E-BOOT-KEPT
    where that cannot be said.
    """
    reasons = []
    for way in (KEXEC, *BOOT_LOADERS):
        armed = await _tried(target, environment, way, kernel, cmdline)
        if isinstance(armed, Armed):
            return armed
        reasons.append(f"{way.title}: {armed}")
    message = f"{environment.name} cannot boot {kernel.name} by itself: {'; '.join(reasons)}"
    raise TargetError("E-POWER-BOOT", message, on_target=UNCHANGED, kernel=kernel.name)


async def put_back(target: Target, way: Way) -> str:
    """Boot what was booted before this way was taken; the file that has its own lines again, empty: it always had.

    Raises TargetError E-BOOT-KEPT.
    """
    command = way.command("clear")
    done = await target.execute(command)
    answer, _, told = done.text.rstrip("\n").partition("\t")
    if done.status or answer in {"refused", "stuck"}:
        evidence = Evidence(command.title, done.status, done.error_text)
        raise _kept(way.title, told or done.error_text, evidence)
    return told if answer == "cleared" else ""


def _kept(title: str, why: str, evidence: Evidence) -> TargetError:
    message = f"what {title} boots could not be put back: {why}"
    return TargetError("E-BOOT-KEPT", message, on_target="It is as it was left.", evidence=evidence)


async def _tried(target: Target, environment: Environment, way: Way, kernel: Kernel, cmdline: str) -> Armed | str:
    """The way, prepared, or why it is none."""
    if way is KEXEC:
        command = Command(way.script, (kernel.image, kernel.initrd, cmdline), title=way.title)
    elif lost := _lost(way, kernel, cmdline):
        return lost
    elif way.lasting and not environment.console.words:
        command = way.command("find")
    else:
        line = [each.replace('"', "") if way.without_quotes else each for each in words(cmdline)]
        command = way.command("set", kernel.image, kernel.initrd, *line)
    done = await target.execute(command)
    answer, _, told = done.text.rstrip("\n").partition("\t")
    if answer in {"loaded", "ready"}:
        image, label, file, kept = (*told.split("\t"), "", "", "")[:4]
        return Armed(way, image, label, file, kept)
    if answer == "found":
        return CONSOLE_WANTED
    if answer == "stuck":
        raise _kept(way.title, told, Evidence(way.title, done.status, done.error_text))
    return told or done.error_text or f"the script ended with status {done.status}"


def _lost(way: Way, kernel: Kernel, cmdline: str) -> str:
    """Why a boot loader cannot be told that; empty: it can."""
    if lost := "".join(each for each in way.refused if each in cmdline):
        return f"it does not hand {lost} on the command line to the kernel as they are"
    if not (kernel.image + kernel.initrd + cmdline).isprintable():
        return "a path or the command line has characters that cannot be printed"
    return ""
