"""Parameters of a kernel's command line, read as the kernel reads them, and those that a plan may not set. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

REPEATABLE = frozenset({"console", "earlycon", "earlyprintk", "memmap", "isolcpus", "blacklist", "module_blacklist"})
"""Parameters that may stand several times, each for itself."""
FOR_INIT = "--"
"""What follows it is for the first program, not for the kernel."""

_ROOT = "it says which root file system is mounted"
_INIT = "it says what is started, and that may be nothing that lets you in"
_NETWORK = "it changes the machine's address or the names of its network cards"
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("root", "rootfstype", "rootflags", "nfsroot", "ro", "rw"), _ROOT),
    **dict.fromkeys(("init", "rdinit", "initrd", "noinitrd", "BOOT_IMAGE"), _INIT),
    **dict.fromkeys(("single", "s", "S", "1", "emergency", "rescue", "rd.break"), _INIT),
    **dict.fromkeys(("systemd.unit", "rd.systemd.unit"), _INIT),
    **dict.fromkeys(("ip", "ifname", "net.ifnames", "biosdevname"), _NETWORK),
    "console": "it moves the console that tells why a kernel does not come up",
}
"""What may lock everybody out of a machine, and why: names as `name_of` gives them."""
_WORD = re.compile(r'(?:[^\s"]|"[^"]*"?)+', re.ASCII)
_PARAMETER = re.compile(r'(?:[!#-~]|"[ !#-~]*")+', re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.]*", re.ASCII)


def words(line: str) -> list[str]:
    """The words of a command line; white space in double quotes ends none."""
    return _WORD.findall(line)


def name_of(word: str) -> str:
    """What a word sets. The kernel takes dashes and underscores in names for the same."""
    return word.lstrip('"').partition("=")[0].rstrip('"').replace("-", "_")


def is_parameter(text: str) -> bool:
    """Whether this is one parameter: printable ASCII, with spaces in double quotes only."""
    return bool(_PARAMETER.fullmatch(text) and _NAME.fullmatch(name_of(text)))


def locks_out(param: str) -> str:
    """Why a plan may not set this parameter; empty: it may."""
    return REFUSED.get(name_of(param), "")


def repeated(params: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Indices of parameters that are set a second time, each with that of the first."""
    first: dict[str, int] = {}
    for index, each in enumerate(params):
        key = each if name_of(each) in REPEATABLE else name_of(each)
        if first.setdefault(key, index) != index:
            yield index, first[key]


def lacking(params: Sequence[str], line: str) -> tuple[str, ...]:
    """Those parameters that a command line does not have; of those that stand there more than once the last counts."""
    stand = [_said(each) for each in split(words(line))[0]]
    last = dict(stand)

    def is_set(param: str) -> bool:
        name, value = _said(param)
        return (name, value) in stand if name in REPEATABLE else name in last and last[name] == value

    return tuple(each for each in params if not is_set(each))


def with_params(line: Sequence[str], params: Sequence[str]) -> list[str]:
    """The kernel's words of a line with further parameters: each replaces those of its name, but for `REPEATABLE`."""
    found = list(line)
    for each in params:
        if name_of(each) not in REPEATABLE:
            found = [word for word in found if name_of(word) != name_of(each)]
        if each not in found:
            found.append(each)
    return found


def split(line: Sequence[str]) -> tuple[list[str], list[str]]:
    """The kernel's own words, and those from `FOR_INIT` on."""
    end = line.index(FOR_INIT) if FOR_INIT in line else len(line)
    return list(line[:end]), list(line[end:])


def _said(word: str) -> tuple[str, str | None]:
    """Name and value; None: it has none. Quotes are none of a value."""
    _, equals, value = word.replace('"', "").partition("=")
    return name_of(word), value if equals else None
