"""Health: sensors, mounts and the kernel's log, as dash, bash and busybox tell them; hostile and broken ones, too."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from kdeploy_gui import resources
from kdeploy_gui.environments.shell_facts import asked, parse_facts
from kdeploy_gui.model.facts import Facts, FactsQuery
from kdeploy_gui.model.health import HOT, Health
from tests.contract.local_shell import LocalShell

SHELLS = [
    words
    for words in (["/bin/dash"], ["/bin/bash"], [shutil.which("busybox") or "busybox", "sh"])
    if shutil.which(words[0])
]
DENIED = "echo 'dmesg: read kernel buffer failed: Operation not permitted' >&2; exit 1"


@dataclass
class Machine:
    """A machine's files below a folder, and what its `dmesg` does."""

    folder: Path
    sensors: Mapping[str, str] = field(default_factory=dict)
    mounts: str = ""
    table: str | None = None
    log: str = "true"

    async def facts(self, words: list[str], *, health: bool = True) -> Facts:
        tools = self.folder / "bin"
        tools.mkdir(parents=True, exist_ok=True)
        dmesg = tools / "dmesg"
        dmesg.write_text(f'#!/bin/sh\n[ "$*" = -r ] || exit 2\n{self.log}\n')
        dmesg.chmod(0o755)
        for zone, value in self.sensors.items():
            place = self.folder / "thermal" / f"thermal_zone{zone}" / "temp"
            place.parent.mkdir(parents=True)
            place.write_text(value)
        (self.folder / "mounts").write_text(self.mounts)
        if self.table is not None:
            (self.folder / "fstab").write_text(self.table)
        script = resources.text("remote/facts.sh")
        for real, other in (("/sys/class/thermal", "thermal"), ("/proc/mounts", "mounts"), ("/etc/fstab", "fstab")):
            assert real in script
            script = script.replace(real, str(self.folder / other))
        path = f"{tools}:{os.defpath}"
        done = await LocalShell(words, self.folder, path).run(script, ("", "0"), once(asked(FactsQuery(health=health))))
        assert done.error_text == ""
        assert len(done.stdout) < 20_000
        return parse_facts(done, 0)

    async def health(self, words: list[str]) -> Health:
        health = (await self.facts(words)).health
        assert health is not None
        return health


async def once(text: str) -> AsyncIterator[bytes]:
    yield text.encode()


@pytest.fixture(params=SHELLS, ids=lambda words: Path(words[0]).name)
def words(request: pytest.FixtureRequest) -> list[str]:
    found: list[str] = request.param
    return found


async def test_nobody_looks_unless_asked(tmp_path: Path, words: list[str]) -> None:
    machine = Machine(tmp_path, log=f"touch {tmp_path}/asked")
    assert (await machine.facts(words, health=False)).health is None
    assert not (tmp_path / "asked").exists()


async def test_the_hottest_sensor_counts_and_broken_ones_do_not(tmp_path: Path, words: list[str]) -> None:
    sensors = {"0": "41250\n", "1": "71500\n", "2": "-274000\n", "3": "", "4": "n/a\n", "10": "2000000000\n"}
    assert (await Machine(tmp_path, sensors).health(words)).temperature == 71.5


async def test_a_machine_without_sensors_has_no_temperature(tmp_path: Path, words: list[str]) -> None:
    assert (await Machine(tmp_path).health(words)).temperature is None
    frosty = Machine(tmp_path / "frost", {"0": "-12345\n"})
    assert (await frosty.health(words)).temperature == -12.345


MOUNTS = """\
proc /proc proc ro,relatime 0 0
/dev/root / ext4 ro,relatime,errors=remount-ro 0 0
/dev/mmcblk0p3 /data ext4 ro,relatime 0 0
/dev/mmcblk0p4 /with\\040space vfat ro,relatime 0 0
/dev/mmcblk0p5 /calibration ext4 ro,relatime 0 0
/dev/mmcblk0p6 /logs ext4 ro,relatime,emergency_ro 0 0
/dev/mmcblk0p7 /wanted ext4 ro,relatime,errors=remount-ro 0 0
/dev/mmcblk0p8 /hidden ext4 ro,relatime,errors=remount-ro 0 0
/dev/mmcblk0p9 /hidden ext4 rw,relatime 0 0
/dev/loop3 /snap/core squashfs ro,nodev,errors=remount-ro 0 0
ubi0:var /var ubifs rw,relatime 0 0
tmpfs /tmp tmpfs ro 0 0
"""
TABLE = """\
# the disks
/dev/mmcblk0p2  /        ext4  errors=remount-ro  0  1

/dev/mmcblk0p3  /data    ext4  defaults           0  2
/dev/mmcblk0p4  /with\\040space  vfat  rw         0  0
/dev/mmcblk0p7  /wanted  ext4  ro,errors=remount-ro  0  2
tmpfs           /tmp     tmpfs defaults 0 0
"""


async def test_disks_that_turned_read_only_are_told_from_those_that_are_meant_to_be(
    tmp_path: Path, words: list[str]
) -> None:
    found = await Machine(tmp_path, mounts=MOUNTS, table=TABLE).health(words)
    after_error, against_table = "is read-only, as after an error of its disk", "/etc/fstab says that it is writable"
    assert set(found.read_only) == {"/", "/data", "/with space", "/logs"}
    assert found.read_only["/"] == found.read_only["/logs"] == after_error
    assert against_table in found.read_only["/data"]
    assert against_table in found.read_only["/with space"]


async def test_without_a_table_only_errors_tell(tmp_path: Path, words: list[str]) -> None:
    found = await Machine(tmp_path, mounts=MOUNTS).health(words)
    assert set(found.read_only) == {"/", "/logs", "/wanted"}


async def test_the_kernels_errors_are_counted_and_the_last_ones_kept(tmp_path: Path, words: list[str]) -> None:
    lines = [f"<{level}>[    {number}.000000] message {number}" for number, level in enumerate("65430123456433")]
    lines += ["<11>[   20.000000] a program says so", "<27>[   21.000000] systemd, too", "<2>bare"]
    found = await Machine(tmp_path, log="cat <<'END'\n" + "\n".join(lines) + "\nEND").health(words)
    assert found.kernel_errors == 8
    assert found.last_errors == (
        "[    6.000000] message 6",
        "[    7.000000] message 7",
        "[    12.000000] message 12",
        "[    13.000000] message 13",
        "bare",
    )


async def test_a_clean_log_has_none_and_one_that_nobody_may_read_is_unknown(tmp_path: Path, words: list[str]) -> None:
    clean = await Machine(tmp_path / "clean", log="echo '<6>[ 1.0] hello'").health(words)
    assert (clean.kernel_errors, clean.last_errors) == (0, ())
    for name, log in (("denied", DENIED), ("half", f"echo '<3>[ 1.0] broken'; {DENIED}"), ("none", "exit 127")):
        found = await Machine(tmp_path / name, log=log).health(words)
        assert (found.kernel_errors, found.last_errors) == (None, ()), name


async def test_a_hostile_log_stays_in_bounds(tmp_path: Path, words: list[str]) -> None:
    log = tmp_path / "log"
    with log.open("wb") as file:
        file.writelines(
            b"<3>[%d.0] \xff\xfe\x1b[31m\t<ok>\tboot_id\tforged %s\n" % (each, b"x" * 90) for each in range(80_000)
        )
        file.write(b"<3>" + b"y" * 2_000_000 + b"\n<ok\n boot_id\tforged\n")
    facts = await Machine(tmp_path, log=f"cat {log}").facts(words)
    assert facts.health is not None
    assert facts.health.kernel_errors == 80_001
    assert len(facts.health.last_errors) == 5
    assert all(len(each) <= 300 for each in facts.health.last_errors)
    assert facts.boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


async def test_the_log_of_this_machine_can_be_read_or_is_unknown(tmp_path: Path, words: list[str]) -> None:
    """The real tools: whichever `dmesg` is there, as whoever runs the tests."""
    machine = Machine(tmp_path, log=f"exec {shutil.which('dmesg', path=os.defpath) or 'false'} -r")
    found = await machine.health(words)
    assert found.kernel_errors is None or found.kernel_errors >= len(found.last_errors)
    busybox = shutil.which("busybox")
    if busybox:
        again = await Machine(tmp_path / "busybox", log=f"exec {busybox} dmesg -r").health(words)
        assert (again.kernel_errors is None) == (found.kernel_errors is None)


async def test_somebody_who_is_nobody_gets_an_answer(tmp_path: Path, words: list[str]) -> None:
    """Without rights on anything; the program that drops them is util-linux's."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root can become somebody else")
    tmp_path.chmod(stat.S_IRWXU | stat.S_IXOTH)
    dropped = [
        *["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups", "--no-new-privs", "--bounding-set=-all"],
        *words,
    ]
    done = await LocalShell(dropped, tmp_path).run(
        resources.text("remote/facts.sh"), ("", "0"), once(asked(FactsQuery(health=True)))
    )
    facts = parse_facts(done, 0)
    assert facts.uid == 65534
    assert facts.health is not None
    restricted = Path("/proc/sys/kernel/dmesg_restrict").read_text().strip() == "1"
    assert (facts.health.kernel_errors is None) is restricted


def test_health_in_words() -> None:
    health = Health(HOT, {"/data": "is read-only"}, 2, ("[1.0] first", "[2.0] second"))
    assert dict(health.described()) == {
        "temperature": "85.0 °C",
        "read_only": "/data: is read-only",
        "kernel_errors": "2, last: [2.0] second",
    }
    assert dict(health.warnings()) == {
        "warning_read_only /data": "is read-only",
        "warning_temperature": "85.0 °C",
        "warning_kernel_errors": "2, last: [2.0] second",
    }
    assert dict(Health().described()) == {
        "temperature": "unknown",
        "read_only": "nothing unexpected",
        "kernel_errors": "unknown: the kernel log cannot be read",
    }
    assert Health(HOT - 0.1, {}, 0).warnings() == Health().warnings() == ()
