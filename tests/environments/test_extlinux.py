"""Another default in extlinux.conf: the real script on a real file system, killed and refused, and always put back."""

from __future__ import annotations

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from kdeploy_gui.engine.boot_ways import EXTLINUX
from tests.environments.boot_tree import BootTree, boot_tree
from tests.lab.fixtures import MakeDisk

OWN = b"""\
SERIAL 0 115200
## /boot/extlinux/extlinux.conf
default l0
menu title U-Boot menu
prompt 0
timeout 10
ontimeout l0

label l0
\tmenu label Debian 6.1
\tmenu default
\tlinux /vmlinuz-own
\tinitrd /initrd-own
\tfdtdir /dtbs/6.1/
\tfdtoverlays /a.dtbo /b.dtbo
\tappend root=/dev/mmcblk0p2 ro

label l0r
\tlinux /vmlinuz-own
\tfdt /other.dtb
\tappend single"""
MARK = b"# Written by kdeploy. The original is beside it, with the ending .kdeploy-original, and is put back: "
CHANGED = """\
SERIAL 0 115200
## /boot/extlinux/extlinux.conf
menu title U-Boot menu

DEFAULT kdeploy
PROMPT 1
TIMEOUT 50
label l0
\tmenu label Debian 6.1
\tlinux /vmlinuz-own
\tinitrd /initrd-own
\tfdtdir /dtbs/6.1/
\tfdtoverlays /a.dtbo /b.dtbo
\tappend root=/dev/mmcblk0p2 ro

label l0r
\tlinux /vmlinuz-own
\tfdt /other.dtb
\tappend single

LABEL kdeploy
\tMENU LABEL kdeploy, until the machine is up
\tLINUX /vmlinuz
\tINITRD /initrd.gz
\tfdtdir /dtbs/6.1/
\tfdtoverlays /a.dtbo /b.dtbo
\tAPPEND root=/dev/mmcblk0p2 a="b c" #
"""
CONFIG = "extlinux/extlinux.conf"
KEPT = f"{CONFIG}.kdeploy-original"
ARGUMENTS = ("/boot/vmlinuz", "/boot/initrd.gz")
WORDS = ("root=/dev/mmcblk0p2", 'a="b c"', "#")
READY = f"ready\t/vmlinuz\tl0\t/boot/{CONFIG}\t/boot/{KEPT}\n"
CLEARED = f"cleared\t/boot/{CONFIG}\n"


@pytest.fixture(params=["dash", "busybox"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, disk: MakeDisk) -> BootTree:
    """A board's /boot with extlinux.conf, and a shell with the programs that belong to it."""
    place = disk(4, "-b", "1024", "-O", "^has_journal")
    (place / "extlinux").mkdir()
    (place / CONFIG).write_bytes(OWN)
    (place / CONFIG).chmod(0o640)
    for each in ("vmlinuz", "initrd.gz"):
        (place / each).write_bytes(b"kernel")
    return boot_tree(place, request.param, tmp_path)


def marked(text: bytes) -> bytes:
    """A file with the line of kdeploy, which nobody has changed since."""
    return MARK + sha256(text).hexdigest().encode() + b"\n" + text


async def answer(tree: BootTree, verb: str, *words: str) -> str:
    done = await tree.run(EXTLINUX, verb, *words)
    assert (done.status, done.error_text) == (0, "")
    return done.text


async def test_the_label_of_kdeploy_is_the_default_until_the_original_is_back(tree: BootTree) -> None:
    before = tree.files()
    assert await answer(tree, "find") == f"found\t/boot/{CONFIG}\n"
    assert await answer(tree, "set", *ARGUMENTS, *WORDS) == READY
    armed = tree.files()
    assert armed[CONFIG] == (marked(CHANGED.encode()), *before[CONFIG][1:])
    assert armed[KEPT] == before[CONFIG]
    assert len(armed) == len(before) + 1
    assert await answer(tree, "set", *ARGUMENTS, "other") == READY
    assert tree.files()[KEPT] == before[CONFIG]
    assert await answer(tree, "clear") == CLEARED
    assert tree.files() == before
    assert await answer(tree, "clear") == "nothing\n"


async def test_lines_as_dos_has_them_are_understood_and_kept(tree: BootTree) -> None:
    (tree.place / CONFIG).write_bytes(OWN.replace(b"\n", b"\r\n"))
    before = tree.files()
    assert await answer(tree, "set", *ARGUMENTS, *WORDS) == READY
    assert (tree.place / CONFIG).read_bytes().replace(b"\r\n", b"\n").partition(b"\n")[2] == CHANGED.encode()
    assert await answer(tree, "clear") == CLEARED
    assert tree.files() == before


@pytest.mark.parametrize(
    "change",
    [
        lambda text: b"default new\nlabel new\n",
        lambda text: text + b"label new\n",
        lambda text: text.replace(b"DEFAULT kdeploy", b"DEFAULT l0"),
    ],
    ids=["anew", "added", "default"],
)
async def test_what_somebody_else_wrote_meanwhile_is_nobodys_to_replace(
    tree: BootTree, change: Callable[[bytes], bytes]
) -> None:
    await answer(tree, "set", *ARGUMENTS, *WORDS)
    written(change((tree.place / CONFIG).read_bytes()))(tree.place)
    before = tree.files()
    for verb, words in (("clear", ()), ("set", (*ARGUMENTS, "a"))):
        assert "was changed by somebody else meanwhile" in await answer(tree, verb, *words)
        assert tree.files() == before
    (tree.place / KEPT).unlink()
    assert await answer(tree, "clear") == "nothing\n"


def written(text: bytes, name: str = CONFIG) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_bytes(text)

    return change


def gone(name: str) -> Callable[[Path], None]:
    return lambda place: (place / name).unlink()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (gone(CONFIG), "it has no extlinux.conf or syslinux.cfg in /boot or /"),
        (
            written(b"label a\n", "syslinux/syslinux.cfg"),
            "nobody knows whether it reads /boot/extlinux/extlinux.conf or",
        ),
        (written(b"label a\nlinux /x\n"), "names no default label of its own"),
        (written(b"default b\ninclude more\nlabel a\nlinux /x\n"), "names no default label of its own"),
        (written(b"default a\nlabel a\nlabel kdeploy\n"), "has a label kdeploy that kdeploy did not write"),
        (gone("vmlinuz"), "/boot/vmlinuz is not there"),
    ],
)
async def test_a_board_where_that_cannot_work_is_left_as_it_is(
    tree: BootTree, change: Callable[[Path], None], why: str
) -> None:
    change(tree.place)
    before = tree.files()
    said = await answer(tree, "set", *ARGUMENTS, "quiet")
    assert said.startswith("refused\t")
    assert why in said
    assert tree.files() == before


async def test_paths_that_its_boot_loader_cannot_reach_are_refused(tree: BootTree, tmp_path: Path) -> None:
    (tree.place / "with space").write_bytes(b"kernel")
    (tree.place / "a,b").write_bytes(b"initrd")
    (tmp_path / "elsewhere").write_bytes(b"kernel")
    before = tree.files()
    for words, why in (
        (("/boot/with space", ""), "cannot have spaces"),
        ((ARGUMENTS[0], "/boot/a,b"), "cannot have spaces, commas or #"),
        ((str(tmp_path / "elsewhere"), ""), "is not on the file system of /boot/extlinux/extlinux.conf"),
        ((ARGUMENTS[0], str(tmp_path / "elsewhere")), "are on two file systems"),
        (("/boot/vmlinuz\nLABEL x", ""), "more than one line"),
        ((*ARGUMENTS, "a\nLABEL x"), "more than one line"),
    ):
        assert why in await answer(tree, "set", *words)
    assert tree.files() == before


async def test_what_cannot_be_written_is_told_and_left(tree: BootTree) -> None:
    tree.read_only = True
    before = tree.files()
    assert "Read-only file system" in await answer(tree, "set", *ARGUMENTS, *WORDS)
    tree.read_only = False
    await answer(tree, "set", *ARGUMENTS, *WORDS)
    tree.read_only = True
    assert "refused" in await answer(tree, "clear")
    tree.read_only = False
    await answer(tree, "clear")
    assert tree.files() == before


async def test_a_full_disk_leaves_the_original(tree: BootTree) -> None:
    full = 0
    for room in range(0, 6 << 10, 1 << 10):
        tree.fill_up(room)
        before = tree.files()
        if (await answer(tree, "set", *ARGUMENTS, *WORDS)).startswith("refused"):
            full += 1
        else:
            assert await answer(tree, "clear") == CLEARED
        assert tree.files() == before
        (tree.place / "ballast").unlink()
    assert 1 <= full <= 5


@pytest.mark.timeout(900)
async def test_killed_between_any_two_steps_it_has_one_whole_file_and_the_original(tree: BootTree) -> None:
    before, last = tree.files(), 0
    original = before[CONFIG]
    while await tree.killed_at(last, EXTLINUX, "set", *ARGUMENTS, *WORDS):
        left = tree.files()
        assert left[CONFIG][0] in {OWN, marked(CHANGED.encode())}
        assert original in {left[CONFIG], left.get(KEPT)}
        await answer(tree, "clear")
        assert tree.files() == before
        last += 1
    assert last > 10
    last = 0
    while True:
        await answer(tree, "set", *ARGUMENTS, *WORDS)
        if not await tree.killed_at(last, EXTLINUX, "clear"):
            break
        left = tree.files()
        assert original in {left[CONFIG], left.get(KEPT)}
        await answer(tree, "clear")
        assert tree.files() == before
        last += 1
    assert last > 1
    assert tree.files() == before


@pytest.mark.timeout(900)
async def test_asked_to_end_at_any_step_it_takes_back_what_it_did(tree: BootTree) -> None:
    before, last = tree.files(), 0
    while await tree.killed_at(last, EXTLINUX, "set", *ARGUMENTS, *WORDS, signal="TERM"):
        assert tree.files() == before, last
        last += 1
    assert last > 10
    await answer(tree, "clear")
    assert tree.files() == before
