"""Checks of configuration, network and tools: exactly those that fail are told, with value and limit."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui import resources
from kdeploy_gui.engine.probes import Probed, probe, probe_checks, probed_in
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.event import CheckDone
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.kernel_config import ConfigNeed
from kdeploy_gui.model.network import Reach
from kdeploy_gui.model.packages import Found, Presence
from kdeploy_gui.model.plan import Validation
from tests.contract.local_shell import LocalShell
from tests.rehearsal import MemoryContent

SHELLS = [("dash",), ("bash",), ("busybox", "sh")]
every_shell = pytest.mark.parametrize("words", SHELLS, ids=lambda each: each[0])
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
FACTS = Facts(kernel_release="6.1", kernel_build="#1", machine="x86_64", boot_id="b")
PROBES = resources.text("remote/kernel_config.sh") + resources.text("remote/probes.sh")


def target(words: tuple[str, ...], home: Path, path: str = PATH) -> ShellTarget:
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    return ShellTarget(LocalShell((program, *words[1:]), home, path), MemoryContent())


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@every_shell
async def test_what_can_be_reached_is_told_from_what_cannot(
    tmp_path: Path, words: tuple[str, ...], listening: int, closed: int
) -> None:
    limits = Validation(
        network=(f"tcp://127.0.0.1:{listening}", f"tcp://127.0.0.1:{closed}", "dns:localhost", "dns:no-such.invalid")
    )
    checks = list(probe_checks(limits, await probe(target(words, tmp_path), limits, FACTS)))
    assert [each.ok for each in checks] == [True, False, True, False]
    assert checks[1].check == f"network tcp://127.0.0.1:{closed}"
    assert checks[1].value.startswith("not reached")


@every_shell
async def test_what_nothing_there_can_try_is_not_called_reached(tmp_path: Path, words: tuple[str, ...]) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("grep", "tail", "tr", "zcat", "gzip", "uname"):
        found = shutil.which(name)
        if found:
            (tools / name).symlink_to(found)
    script = PROBES.replace("PATH=$PATH:/usr/sbin:/usr/bin:/sbin:/bin", f"PATH={tools}")
    asked = "tcp\t127.0.0.1 1\ndns\tlocalhost\nicmp\t127.0.0.1\n"
    if words[0] == "busybox":
        pytest.skip("busybox's shell finds its own applets whatever PATH says")
    done = await target(words, tmp_path).execute(Command(script, (asked,)))
    probed = probed_in(done, {})
    assert {outcome for outcome, _ in probed.reached.values()} == {"unknown"}
    checks = list(probe_checks(Validation(network=("dns:localhost",)), probed))
    assert [(each.ok, each.value) for each in checks] == [(False, "not tried: getent and nslookup are missing")]


@every_shell
@pytest.mark.skipif(not Path("/proc/config.gz").exists(), reason="this kernel does not show its configuration")
async def test_the_configuration_is_this_kernels(tmp_path: Path, words: tuple[str, ...]) -> None:
    limits = Validation(kernel_config=("CONFIG_IKCONFIG_PROC=y", "IKCONFIG_PROC=m", "NO_SUCH_OPTION_AT_ALL!=n"))
    checks = list(probe_checks(limits, await probe(target(words, tmp_path), limits, FACTS)))
    assert [each.ok for each in checks] == [True, False, False]
    assert [each.value for each in checks] == ["y", "y", "not set"]


@every_shell
async def test_tools_must_run(tmp_path: Path, words: tuple[str, ...]) -> None:
    limits = Validation(tools=("sh", "no-such-tool"))
    checks = list(probe_checks(limits, await probe(target(words, tmp_path), limits, FACTS)))
    assert [each.ok for each in checks] == [True, False]
    assert checks[1].value == "missing"


@every_shell
async def test_a_tool_that_cannot_run_is_not_called_running(tmp_path: Path, words: tuple[str, ...]) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "half-tool").write_text("#!/no/such/interpreter\n")
    (tools / "half-tool").chmod(0o755)
    limits = Validation(tools=("half-tool", "sh"))
    machine = target(words, tmp_path, f"{tools}:{PATH}")
    broken, whole = probe_checks(limits, await probe(machine, limits, FACTS))
    assert (broken.ok, broken.code) == (False, "E-CHECK-BROKEN")
    assert broken.value.startswith("it is there and does not run")
    assert plain_of(whole) == ("tool sh", True, "runs")


def plain_of(check: CheckDone) -> tuple[str, bool, str]:
    return check.check, check.ok, check.value


def test_a_tool_that_is_broken_is_not_there() -> None:
    limits = Validation(tools=("perf",))
    probed = Probed(tools={"perf": Found(Presence.BROKEN, "perf not found for kernel")})
    (check,) = probe_checks(limits, probed)
    assert (check.ok, check.value) == (False, "it is there and does not run: perf not found for kernel")


def test_a_file_on_disk_is_told_as_one() -> None:
    said = Completed(0, b"config_source\t/boot/config-6.1\nconfig\tCONFIG_BPF=y\nend\t\n")
    (check,) = probe_checks(Validation(kernel_config=("BPF=y",)), probed_in(said, {}))
    assert check.ok
    assert check.value == "y (/boot/config-6.1: may belong to another build)"


def test_no_configuration_fails_every_requirement() -> None:
    checks = list(probe_checks(Validation(kernel_config=("BPF=y", "BPF=n")), Probed()))
    assert [each.ok for each in checks] == [False, False]


def naive(operator: str, wanted: str, line: str) -> bool:
    """Kconfig's own words, read another way: an absent or unset option is n."""
    value = "n"
    if line and not line.startswith("#"):
        value = line.split("=", 1)[1].strip('"')
    if operator in (">=", "<="):
        try:
            found, limit = int(value, 0), int(wanted, 0)
        except ValueError:
            return False
        return found >= limit if operator == ">=" else found <= limit
    try:
        same = int(value, 0) == int(wanted, 0)
    except ValueError:
        same = value == wanted
    return same is (operator == "=")


values = st.sampled_from(["y", "m", "n", "14", "0x10", "16", "text"])


@given(st.sampled_from(["=", "!=", ">=", "<="]), values, st.sampled_from(["", "set", "unset"]), values)
def test_requirements_of_configurations_equal_the_oracle(operator: str, wanted: str, kind: str, value: str) -> None:
    line = {"": "", "set": f"CONFIG_X={value}", "unset": "# CONFIG_X is not set"}[kind]
    if operator in (">=", "<=") and not wanted[0].isdigit():
        with pytest.raises(ValueError, match="number"):
            ConfigNeed.parse(f"CONFIG_X{operator}{wanted}")
        return
    said = Completed(0, f"config_source\t/proc/config.gz\nconfig\t{line}\nend\t\n".encode())
    need = f"CONFIG_X{operator}{wanted}"
    (check,) = probe_checks(Validation(kernel_config=(need,)), probed_in(said, {}))
    assert check.ok is naive(operator, wanted, line)


@pytest.mark.parametrize("text", ["tcp://192.0.2.1:80", "tcp://[2001:db8::1]:22", "dns:example.org", "icmp:192.0.2.1"])
def test_what_is_to_be_reached_is_read_and_written_alike(text: str) -> None:
    assert str(Reach.parse(text)) == text


@pytest.mark.parametrize("text", ["tcp://a", "tcp://a:0", "udp://a:1", "dns:", "dns:a b", "icmp:-f", "tcp://$(x):1"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must be like"):
        Reach.parse(text)
