"""The main job with the real program: 40 files to an OpenSSH server, as an engineer would do it by hand."""

from __future__ import annotations

import random
import re
import shlex
import stat
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cli.program import Answer, Json, kdeploy
from tests.lab.sshd import Sshd

pytestmark = pytest.mark.sshd

LAB = """\
# The boards on the left bench.
[[environment]]
name = "board-a"                 # the first of its kind
kind = "board"
group = "rack-1/left"
tags = ["x86"]
host = "{host}"
port = {port}
user = "{user}"
identity_file = "{identity_file}"
host_key = "{host_key}"
"""

PLAN = """\
name = "net-smoke"
environments = ["tag:x86"]

[policy]
retries = 1
backoff = {{ initial = "200ms", jitter = 0 }}

[[artifacts]]
source = "scripts/*.sh"
type = "script"
target = "{root}/bin/"
mode = "0755"

[[artifacts]]
source = "config"
type = "config"
target = "~/suite/etc/"
mode = "0640"

[[artifacts]]
source = "load-*"
type = "binary"
target = "{root}/libexec/"
mode = "0700"

[[dependencies]]
tool = "sh"

[validation]
tools = ["sh", "tar"]
disk = {{ "{root}" = "1MiB" }}
clock_skew = "1m"
"""
MODES = {"bin": 0o755, "etc": 0o640, "libexec": 0o700}


@dataclass(frozen=True)
class Bench:
    """The workstation's plan and lab file, and the server that plays the board."""

    sshd: Sshd
    plan: Path
    lab: Path
    root: Path

    def on_board(self, source: Path) -> Path:
        """Where the plan puts a local file."""
        if source.suffix == ".sh":
            return self.root / "bin" / source.name
        if source.name.startswith("load-"):
            return self.root / "libexec" / source.name
        return self.sshd.home() / "suite/etc" / source.relative_to(self.plan.parent / "config")

    def sources(self) -> list[Path]:
        """The plan's local files."""
        return [each for each in self.plan.parent.rglob("*") if each.is_file() and each != self.plan]

    def write_lab(self, host_key: str) -> None:
        """The lab file by hand, without a pin if there is no key."""
        board = self.sshd.environment()
        text = LAB.format(
            host=board.host,
            port=board.port,
            user=board.user,
            identity_file=board.identity_file,
            host_key=host_key,
        )
        self.lab.write_text(text if host_key else text.replace('host_key = ""\n', ""))
        self.lab.chmod(0o600)


@pytest.fixture
def bench(kdeploy_home: Path, sshd: Sshd, tmp_path: Path) -> Bench:
    """30 scripts, 8 configs and 2 binaries of 5 MB."""
    folder, root = tmp_path / "net smoke", tmp_path / "board/opt/tests"
    make = random.Random(40)
    (folder / "scripts").mkdir(parents=True)
    (folder / "config/net").mkdir(parents=True)
    for number in range(30):
        (folder / f"scripts/{number:02} check.sh").write_text(f"#!/bin/sh\necho {number}\n" + "# x\n" * number)
    for number in range(8):
        (folder / f"config/{'net/' if number % 2 else ''}{number}.conf").write_text(f"number = {number}\n")
    for number in range(2):
        (folder / f"load-{number}").write_bytes(make.randbytes(5_000_000))
    kdeploy_home.mkdir(mode=0o700)
    made = Bench(sshd, folder / "plan.toml", kdeploy_home / "lab.toml", root)
    made.plan.write_text(PLAN.format(root=root))
    made.write_lab(sshd.fingerprints[0])
    assert len(made.sources()) == 40
    return made


def assert_in_place(bench: Bench) -> None:
    """Every file is on the board as the plan declares it."""
    for source in bench.sources():
        there = bench.on_board(source)
        assert there.read_bytes() == source.read_bytes(), there
        declared = next(mode for part, mode in MODES.items() if part in there.parts)
        assert stat.S_IMODE(there.stat().st_mode) == declared, there


def the_summary(answer: Answer) -> Json:
    """The board's entry in `run_finished`, which is the last line."""
    last = answer.events[-1]
    assert last["type"] == "run_finished"
    (board,) = last["environments"]
    found: Json = board
    return found


def files_done(answer: Answer) -> dict[str, list[str]]:
    """Paths by what was done to them."""
    done: dict[str, list[str]] = {}
    for event in answer.events:
        if event["type"] == "file_done":
            done.setdefault(event["action"], []).append(event["path"])
    return done


def test_first_run_second_run_and_what_changed_between(bench: Bench) -> None:
    first = kdeploy("deploy", "--json", bench.plan)
    assert first.status == 0, first
    assert [each["seq"] for each in first.events] == list(range(1, len(first.events) + 1))
    board = the_summary(first)
    assert (board["status"], board["ready"]) == ("completed", True)
    assert board["files"] == {"sent": 40, "same": 0, "bytes": sum(each.stat().st_size for each in bench.sources())}
    assert_in_place(bench)

    second = kdeploy("deploy", "--json", bench.plan)
    assert second.status == 0, second
    assert the_summary(second)["files"] == {"sent": 0, "same": 40, "bytes": 0}
    assert "sent" not in files_done(second)

    changed = bench.root / "libexec/load-1"
    changed.write_bytes(changed.read_bytes()[:-1] + b"?")
    third = kdeploy("deploy", "--json", bench.plan)
    assert third.status == 0, third
    assert files_done(third)["sent"] == [str(changed)]
    assert the_summary(third)["files"] == {"sent": 1, "same": 39, "bytes": 5_000_000}
    assert_in_place(bench)


def test_ready_holds_until_a_file_changes_and_again_after_the_next_deployment(bench: Bench) -> None:
    assert kdeploy("ready", "board-a").status == 3
    assert kdeploy("deploy", bench.plan, "--quiet").status == 0
    assert kdeploy("ready", "board-a").status == 0
    assert kdeploy("ready", "board-a", "--manifest", bench.plan).status == 0
    assert kdeploy("env", "check", "board-a").status == 0

    changed = bench.root / "bin/07 check.sh"
    changed.write_text("#!/bin/sh\nexit 1\n")
    checked = kdeploy("env", "check", "board-a")
    assert checked.status == 1
    assert str(changed) in checked.stdout
    not_ready = kdeploy("ready", "board-a")
    assert not_ready.status == 3
    assert f"{changed} has other content" in not_ready.stdout
    said = kdeploy("ready", "--json", "board-a")
    assert (said.status, said.json["ready"]) == (3, False)
    assert [str(changed) in each for each in said.json["because"]] == [True]

    assert kdeploy("deploy", bench.plan, "--quiet").status == 0
    assert kdeploy("ready", "board-a").status == 0


def test_ready_needs_no_check_before_it(bench: Bench) -> None:
    assert kdeploy("deploy", bench.plan, "--quiet").status == 0
    (bench.root / "bin/08 check.sh").chmod(0o700)
    assert kdeploy("ready", "board-a").status == 3
    (bench.root / "bin/08 check.sh").chmod(0o755)
    assert kdeploy("ready", "board-a").status == 3, "a dropped mark stays dropped until files are proven again"
    bench.sshd.stop()
    assert kdeploy("ready", "board-a").status == 4


def trust_command(text: str) -> list[str]:
    """The arguments of the `kdeploy env trust` that a remedy tells to type."""
    (command,) = set(re.findall(r"`(kdeploy env trust [^`]+)`", text))
    return shlex.split(command)[1:]


def test_an_unknown_host_key_is_refused_and_the_remedy_works(bench: Bench) -> None:
    bench.write_lab("")
    refused = kdeploy("deploy", bench.plan)
    assert refused.status == 1
    assert "E-HOSTKEY-UNKNOWN" in refused.stdout
    assert "Accepted publickey" not in bench.sshd.log
    command = trust_command(refused.stdout)
    assert command == ["env", "trust", "board-a", "--fingerprint", bench.sshd.fingerprints[0]]

    trusted = kdeploy(*command)

    assert trusted.status == 0, trusted
    assert bench.lab.read_text().startswith("# The boards on the left bench.\n"), "comments survive"
    assert "# the first of its kind" in bench.lab.read_text()
    assert kdeploy("deploy", bench.plan).status == 0
    assert_in_place(bench)


def test_the_remedy_for_a_lab_file_elsewhere_names_that_file(bench: Bench, tmp_path: Path) -> None:
    bench.write_lab("")
    elsewhere = tmp_path / "the team's lab.toml"
    bench.lab.rename(elsewhere)

    refused = kdeploy("deploy", bench.plan, "--lab", elsewhere, "--json")

    assert refused.status == 1
    assert kdeploy(*trust_command(the_summary(refused)["error"]["remedy"])).status == 0
    assert kdeploy("deploy", bench.plan, "--lab", elsewhere).status == 0


def test_a_changed_host_key_is_refused_and_sends_nothing(bench: Bench) -> None:
    bench.sshd.change_host_keys()
    refused = kdeploy("deploy", "--json", bench.plan)
    assert refused.status == 1
    error = the_summary(refused)["error"]
    assert (error["code"], error["category"]) == ("E-HOSTKEY-CHANGED", "TRUST")
    assert not any(each["type"] == "retry_scheduled" for each in refused.events)
    assert not bench.root.exists()
    assert "Accepted publickey" not in bench.sshd.log


MISTAKES = """\
name = "broken"
environments = ["board-b"]
[policy]
retrys = 3
[[artifacts]]
source = "scripts/*.sh"
type = "scirpt"
target = "opt/tests/"
mode = 755
[[artifacts]]
source = "no-such-file"
type = "data"
target = "/opt/../etc/passwd"
mode = "0644"
[[artifacts]]
source = "config"
type = "config"
target = "/opt/etc/"
mode = "4755"
[instrumentation]
kassan = "required"
"""
EXPECTED = {
    2: ("environments[0]", "board-a"),
    4: ("policy.retrys", "retries"),
    7: ("artifacts[0].type", "script"),
    8: ("artifacts[0].target", "absolute"),
    9: ("artifacts[0].mode", "0755"),
    11: ("artifacts[1].source", "does not exist"),
    13: ("artifacts[1].target", ".."),
    19: ("artifacts[2].mode", "allow_setuid"),
    21: ("instrumentation.kassan", "kasan"),
}


@pytest.mark.parametrize("command", [["deploy"], ["plan", "check"]])
def test_all_mistakes_of_a_plan_come_at_once_with_their_lines(bench: Bench, command: list[str]) -> None:
    bench.plan.write_text(MISTAKES)

    said = kdeploy(*command, bench.plan)

    assert said.status == 2
    found = {
        int(line): text
        for line, text in re.findall(rf"^error: {re.escape(str(bench.plan))}:(\d+): (.*)$", said.stderr, re.M)
    }
    for line, (field, part) in EXPECTED.items():
        assert found[line].startswith(f"{field}: ")
        assert part in found[line]
    assert found.keys() == EXPECTED.keys()
    assert kdeploy("history", "--json").json["runs"] == [], "nothing ran"
    as_json = kdeploy(*command, "--json", bench.plan)
    assert as_json.status == 2
    assert {each["line"]: each["field"] for each in as_json.json["problems"]} == {
        line: parts[0] for line, parts in EXPECTED.items()
    }
