"""GRUB boots another kernel once: the real script on a real file system, its entry read by GRUB's own programs."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from kdeploy_gui.engine.boot_ways import GRUB
from tests.environments.boot_tree import BootTree, boot_tree
from tests.lab.boot_loaders import GRUB_CFG
from tests.lab.fixtures import MakeDisk, Mount

pytestmark = pytest.mark.skipif(shutil.which("grub-script-check") is None, reason="grub-common is not installed")

ARGUMENTS = ("/boot/vmlinuz", "/boot/initrd.gz")
ENTRY = b"### BEGIN kdeploy"


@pytest.fixture(params=["dash", "busybox"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, disk: MakeDisk) -> BootTree:
    """A board's /boot with GRUB, and a shell with the programs that belong to it."""
    place = disk(4, "-b", "1024", "-O", "^has_journal")
    fill(place)
    return boot_tree(place, request.param, tmp_path)


def fill(place: Path) -> None:
    (place / "grub").mkdir()
    (place / "grub/grub.cfg").write_text(GRUB_CFG)
    (place / "grub/custom.cfg").write_bytes(b"# own\n")
    subprocess.run(["grub-editenv", place / "grub/grubenv", "create"], check=True)
    subprocess.run(["grub-editenv", place / "grub/grubenv", "set", "saved_entry=own"], check=True)
    for each in ("vmlinuz", "initrd.gz"):
        (place / each).write_bytes(b"kernel")


def variables(tree: BootTree) -> list[str]:
    listed = subprocess.run(
        ["grub-editenv", tree.place / "grub/grubenv", "list"], capture_output=True, text=True, check=True
    )
    return listed.stdout.splitlines()


def check(tree: BootTree) -> None:
    """GRUB can read what it would boot, and what it is to boot next is there."""
    custom = tree.place / "grub/custom.cfg"
    if custom.exists() and ENTRY in custom.read_bytes():
        subprocess.run(["grub-script-check", custom], check=True)
    if "next_entry=kdeploy" in variables(tree):
        assert custom.read_bytes().count(b"--id kdeploy ") == 1


async def armed(tree: BootTree, *words: str) -> str:
    done = await tree.run(GRUB, "set", *ARGUMENTS, *words)
    assert (done.status, done.text.partition("\t")[0], done.error_text) == (0, "ready", "")
    return done.text.rstrip("\n").partition("\t")[2]


async def cleared(tree: BootTree) -> None:
    done = await tree.run(GRUB, "clear")
    assert (done.status, done.text, done.error_text) == (0, "cleared\t/boot/grub/custom.cfg\n", "")


@pytest.mark.parametrize("own", [None, b"", b"# own\n", b"# own", b"# own\n\n\n", b"\xff\r\nmenuentry 'x' {\n true\n}"])
async def test_own_lines_are_kept_byte_for_byte(tree: BootTree, own: bytes | None) -> None:
    custom = tree.place / "grub/custom.cfg"
    if own is None:
        custom.unlink()
    else:
        custom.write_bytes(own)
        custom.chmod(0o640)
    before = tree.files()
    for line in (["quiet"], ["root=/dev/vda1", "kd.second"]):
        assert await armed(tree, *line) == "/vmlinuz"
        check(tree)
        text = custom.read_bytes()
        assert text.startswith(own or ENTRY)
        assert text.count(ENTRY) == 1
        assert b"".join(f" '{each}'".encode() for each in line) + b"; then" in text
        assert variables(tree) == ["saved_entry=own", "next_entry=kdeploy"]
    await cleared(tree)
    assert tree.files() == before
    assert (await tree.run(GRUB, "clear")).text == "nothing\n"


async def test_lines_that_came_meanwhile_are_kept_and_what_grub_forgot_is_gone(tree: BootTree) -> None:
    custom = tree.place / "grub/custom.cfg"
    custom.write_bytes(b"# own")
    await armed(tree, "quiet")
    with custom.open("ab") as file:
        file.write(b"# mine\n")
    subprocess.run(["grub-editenv", tree.place / "grub/grubenv", "set", "next_entry="], check=True)
    await cleared(tree)
    assert custom.read_bytes() == b"# own\n# mine\n"
    assert variables(tree) == ["saved_entry=own"]


async def test_whatever_words_and_paths_hold_comes_to_the_kernel_as_it_is(tree: BootTree) -> None:
    image = '/boot/it\'s $a "kernel" {1}; reboot'
    (tree.place / image.removeprefix("/boot/")).write_bytes(b"kernel")
    words = ["a=$prefix", "b=${root}", "c=a b", "{", "}", ";", "#", "&&", "$(reboot)", "`reboot`", "d=*", "|", "\u00e4"]
    done = await tree.run(GRUB, "set", image, "", *words)
    assert done.text == f"ready\t{image.removeprefix('/boot')}\n"
    check(tree)
    text = (tree.place / "grub/custom.cfg").read_text()
    line = next(each for each in text.splitlines() if "if linux" in each)
    path = image.removeprefix("/boot").replace("'", "'\\''")
    assert line.strip() == "if linux " + " ".join(f"'{each}'" for each in (path, *words)) + "; then"


def without(line: str) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        assert line in GRUB_CFG
        (place / "grub/grub.cfg").write_text(GRUB_CFG.replace(line, f"# {line}"))

    return change


def spoilt(name: str, text: bytes | None) -> Callable[[Path], None]:
    def change(place: Path) -> None:
        if text is None:
            (place / name).unlink()
        else:
            (place / name).write_bytes(text)

    return change


def told_another(place: Path) -> None:
    subprocess.run(["grub-editenv", place / "grub/grubenv", "set", "next_entry=rescue"], check=True)


def sources_other(place: Path) -> None:
    text = GRUB_CFG.replace("source ${config_directory}/custom.cfg", "source /other/custom.cfg")
    (place / "grub/grub.cfg").write_text(text.replace("source $prefix/custom.cfg", "source $prefix/my-custom.cfg"))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (spoilt("grub/grub.cfg", None), "it has no grub.cfg in /boot/grub or /boot/grub2"),
        (sources_other, "/boot/grub/grub.cfg does not source custom.cfg"),
        (without("save_env next_entry"), "does not boot next_entry and forget it"),
        (without('set default="${next_entry}"'), "does not boot next_entry and forget it"),
        (without("load_env"), "does not boot next_entry and forget it"),
        (spoilt("grub/grub.cfg", GRUB_CFG.encode() + b"\tdevicetree /a.dtb\n"), "load a device tree"),
        (spoilt("grub/grubenv", None), "`grub-editenv /boot/grub/grubenv create`"),
        (spoilt("grub/grubenv", b"no block at all"), "/boot/grub/grubenv cannot be written: "),
        (told_another, "it is already to boot rescue next"),
        (spoilt("vmlinuz", None), "/boot/vmlinuz is not there"),
        (spoilt("initrd.gz", None), "/boot/initrd.gz is not there"),
        (spoilt("grub/custom.cfg", ENTRY + b" ###\nmine\n"), "has lines of kdeploy that do not end"),
    ],
)
async def test_a_board_where_that_cannot_work_is_left_as_it_is(
    tree: BootTree, change: Callable[[Path], None], why: str
) -> None:
    change(tree.place)
    before = tree.files()
    done = await tree.run(GRUB, "set", *ARGUMENTS, "quiet")
    assert done.text.startswith("refused\t"), done
    assert why in done.text
    assert tree.files() == before


async def test_more_than_one_line_is_refused(tree: BootTree) -> None:
    before = tree.files()
    for words in (("/boot/vmlinuz\n}", "", "a"), ("/boot/vmlinuz", "/boot/x\n", "a"), (*ARGUMENTS, "a", "b\nreboot")):
        assert "more than one line" in (await tree.run(GRUB, "set", *words)).text
    assert tree.files() == before


async def test_what_cannot_be_written_is_told_and_left(tree: BootTree) -> None:
    tree.read_only = True
    before = tree.files()
    assert "/boot/grub/custom.cfg cannot be written: " in (await tree.run(GRUB, "set", *ARGUMENTS, "quiet")).text
    tree.read_only = False
    await armed(tree, "quiet")
    tree.read_only = True
    assert (await tree.run(GRUB, "clear")).text.startswith("refused\t/boot/grub/custom.cfg: ")
    tree.read_only = False
    await cleared(tree)
    assert tree.files() == before


@pytest.mark.parametrize("own", [b"# own\n" * 5000, None], ids=["long", "none"])
async def test_a_full_disk_leaves_what_was_there(tree: BootTree, own: bytes | None) -> None:
    spoilt("grub/custom.cfg", own)(tree.place)
    kept, full = tree.files(), 0
    for room in (*range(0, 6 << 10, 1 << 10), 29 << 10, 31 << 10):
        tree.fill_up(room)
        before = tree.files()
        done = await tree.run(GRUB, "set", *ARGUMENTS, "quiet")
        if done.text.startswith("refused"):
            full += 1
            assert not done.text.endswith(": \n")
            assert tree.files() == before
        else:
            (tree.place / "ballast").unlink()
            await cleared(tree)
            assert tree.files() == kept
    assert 1 <= full <= 7


async def test_where_grub_cannot_write_its_block_nothing_is_begun(mounted: Mount, tmp_path: Path) -> None:
    place = mounted("size=8m")
    fill(place)
    tree = boot_tree(place, "dash", tmp_path)
    before = tree.files()
    done = await tree.run(GRUB, "set", *ARGUMENTS, "quiet")
    assert "GRUB cannot write to /boot/grub/grubenv (tmpfs on tmpfs), and would boot that kernel again" in done.text
    assert tree.files() == before


@pytest.mark.timeout(900)
async def test_killed_between_any_two_steps_the_board_boots_and_nothing_of_it_stays(tree: BootTree) -> None:
    (tree.place / "grub/custom.cfg").write_bytes(b"# own")
    before, last = tree.files(), 0
    while await tree.killed_at(last, GRUB, "set", *ARGUMENTS, "quiet"):
        check(tree)
        assert (tree.place / "grub/custom.cfg").read_bytes().startswith(b"# own")
        await armed(tree, "other")
        await cleared(tree)
        assert tree.files() == before
        last += 1
    assert last > 15
    await cleared(tree)
    last = 0
    while True:
        await armed(tree, "quiet")
        if not await tree.killed_at(last, GRUB, "clear"):
            break
        check(tree)
        assert (tree.place / "grub/custom.cfg").read_bytes().startswith(b"# own")
        await tree.run(GRUB, "clear")
        assert without_scratch(tree) == before
        last += 1
    assert last > 8
    await tree.run(GRUB, "clear")
    assert tree.files() == before


def without_scratch(tree: BootTree) -> dict[str, tuple[bytes, int, int]]:
    """All but what a killed script was writing, which the next one writes anew."""
    return {name: each for name, each in tree.files().items() if not name.endswith(".kdeploy")}


@pytest.mark.timeout(900)
async def test_asked_to_end_at_any_step_it_takes_back_what_it_did(tree: BootTree) -> None:
    (tree.place / "grub/custom.cfg").write_bytes(b"# own")
    before, last = tree.files(), 0
    while await tree.killed_at(last, GRUB, "set", *ARGUMENTS, "quiet", signal="TERM"):
        assert tree.files() == before, last
        last += 1
    assert last > 10
    await cleared(tree)
    assert tree.files() == before
