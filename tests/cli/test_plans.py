"""`kdeploy plan show` and `kdeploy retry` against real servers."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from kdeploy_gui.cli.plan_show import lines
from kdeploy_gui.model.abi import AARCH64, X86_64, Abi
from kdeploy_gui.model.preview import EnvironmentPreview
from tests.cli.program import Lab, kdeploy
from tests.elves import program
from tests.lab.fixtures import MakeSshd
from tests.lab.sshd import Sshd


def everything_below(folder: Path) -> dict[str, tuple[int, int, int, bytes]]:
    """Every path with mode, owner, time of change and content."""
    found = {}
    for path in sorted(folder.rglob("*")):
        state = path.lstat()
        data = path.read_bytes() if path.is_file() else b""
        found[str(path)] = (state.st_mode, state.st_uid, state.st_mtime_ns, data)
    return found


def test_plan_show_tells_a_reboot() -> None:
    preview = EnvironmentPreview(environment="vm", reboot="kasan with kasan_multi_shot")
    assert list(lines(preview)) == ["vm: deploy", "  reboot      boots kasan with kasan_multi_shot"]


def test_plan_show_tells_each_file_and_touches_nothing(lab: Lab, board: Sshd) -> None:
    plan = lab.write_plan(extra='[instrumentation]\nperf = "wanted"\n')
    suite = board.home() / "suite"
    suite.mkdir()
    (suite / "one.sh").write_text("#!/bin/sh\necho \x1b[31mold\n")
    (suite / "one.sh").chmod(0o600)
    before = everything_below(board.home())
    said = kdeploy("plan", "show", plan)
    assert (said.status, everything_below(board.home())) == (0, before)
    assert "board-a: deploy, sends 2 files (44 B)" in said.stdout
    assert f"  changed     {suite}/one.sh  mode 0600 to 0755, 24 B to 22 B\n" in said.stdout
    assert "    @@ -1,2 +1,2 @@\n     #!/bin/sh\n    -echo \\x1b[31mold\n    +echo one.sh\n" in said.stdout
    assert f"  new         {suite}/two.sh  mode 0755, 22 B" in said.stdout
    assert "perf events (wanted)" in said.stdout
    assert said.stderr == "1 environment would send 2 files (44 B) and install 0 packages; 0 refused\n"
    shown = kdeploy("plan", "show", "--json", plan).json["environments"][0]
    assert (shown["environment"], shown["verdict"], shown["bytes_to_send"]) == ("board-a", "deploy", 44)
    assert [(each["change"], each["mode"]) for each in shown["files"]] == [("changed", "0755"), ("new", "0755")]
    assert kdeploy("history", "--json").json["runs"] == []


def test_plan_show_says_same_and_refused(lab: Lab, make_sshd: MakeSshd) -> None:
    good, bad = make_sshd(), make_sshd()
    lab.add(good.environment("board-a"), bad.environment("board-b"))
    bad.change_host_keys()
    assert kdeploy("deploy", "--quiet", "--env", "board-a", lab.write_plan()).status == 0
    said = kdeploy("plan", "show", lab.plan)
    assert said.status == 2
    assert "board-a: same\n  same        2 files\n" in said.stdout
    assert "board-b: refused\n  refused     E-HOSTKEY-CHANGED" in said.stdout
    assert kdeploy("plan", "show", "--env", "board-a", lab.plan).status == 0
    lab.plan.write_text("name = 3\n")
    assert kdeploy("plan", "show", lab.plan).status == 2


def test_retry_deploys_where_a_run_failed(lab: Lab, make_sshd: MakeSshd) -> None:
    good, bad = make_sshd(), make_sshd()
    lab.add(good.environment("board-a"), bad.environment("board-b"))
    (bad.home() / "suite").write_text("in the way\n")
    assert kdeploy("deploy", "--quiet", "--priority=7", lab.write_plan()).status == 1
    lab.plan.unlink()
    assert kdeploy("retry", "--quiet", "1").status == 1
    (bad.home() / "suite").unlink()
    again = kdeploy("retry", "--json", "1")
    assert (again.status, again.events[0]["environments"], again.events[0]["priority"]) == (0, ["board-b"], 7)
    assert (bad.home() / "suite" / "one.sh").exists()
    named = kdeploy("retry", "--json", "1", "--env", "board-a")
    assert (named.status, named.events[0]["environments"]) == (0, ["board-a"])
    nothing = kdeploy("retry", str(named.events[0]["run"]))
    assert (nothing.status, "E-RETRY-NOTHING" in nothing.stderr) == (1, True)
    # A retry can be retried; its folder is that of the plan, wherever one is now.
    os.remove(lab.folder / "one.sh")
    os.remove(lab.folder / "two.sh")
    changed = kdeploy("retry", "1")
    assert changed.status == 2
    assert "E-RETRY-PLAN" in changed.stderr
    assert "artifacts[0].source" in changed.stderr


@pytest.mark.parametrize("arguments", [["9"], ["1", "--env", "nobody"]])
def test_retry_of_what_is_not_there(lab: Lab, board: Sshd, arguments: list[str]) -> None:
    assert kdeploy("deploy", "--quiet", lab.write_plan()).status == 0
    said = kdeploy("retry", *arguments)
    assert said.status == 1
    assert "E-RUN-UNKNOWN" in said.stderr


def test_what_cannot_run_there_is_refused_by_show_and_by_deploy(lab: Lab, board: Sshd) -> None:
    foreign = Abi(AARCH64, 64, True) if os.uname().machine == "x86_64" else Abi(X86_64, 64, True)
    plan = lab.write_plan(extra='[[artifacts]]\nsource = "tool"\ntype = "binary"\ntarget = "~/suite/"\nmode = "0755"\n')
    (lab.folder / "tool").write_bytes(program(foreign))
    before = everything_below(board.home())
    said = kdeploy("plan", "show", plan)
    assert said.status == 2
    words = f"{board.home()}/suite/tool is made for {foreign.title}, the machine is {os.uname().machine}"
    assert f"  refused     E-ARCH: {words}\n              Build it for {os.uname().machine}" in said.stdout
    assert f"  refused     {board.home()}/suite/tool" in said.stdout
    assert f"  new         {board.home()}/suite/one.sh" in said.stdout
    run = kdeploy("deploy", "--json", plan)
    assert run.status == 1
    (check,) = [each for each in run.events if each["type"] == "check_done"]
    assert (check["ok"], check["value"], check["limit"]) == (False, os.uname().machine, foreign.title)
    error = run.events[-1]["environments"][0]["error"]
    assert (error["code"], error["category"], error["message"]) == ("E-ARCH", "ARTIFACT", words)
    assert error["on_target"] == "Unchanged: nothing was sent."
    assert everything_below(board.home()) == before
    lab.plan.write_text(lab.plan.read_text().replace('"binary"', '"data"'))
    assert kdeploy("deploy", "--quiet", plan).status == 0


def test_roots_in_the_lab_file_are_the_only_places(lab: Lab, board: Sshd) -> None:
    path = lab.home / "lab.toml"
    path.write_text(path.read_text() + 'roots = ["/opt", "~/other"]\n')
    said = kdeploy("plan", "show", lab.write_plan())
    assert said.status == 2
    assert f"E-ROOT: {board.home()}/suite is no place for deployments" in said.stdout
    path.write_text(path.read_text().replace("~/other", "~"))
    assert kdeploy("deploy", "--quiet", lab.plan).status == 0
    path.write_text(path.read_text().replace('"~"', '"../x"'))
    assert "environment[0].roots" in kdeploy("plan", "show", lab.plan).stderr
