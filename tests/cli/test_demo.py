"""`kdeploy demo` and `kdeploy doctor`."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from tests.cli.program import kdeploy, next_event, running, started

FAULTS = {("E-HOSTKEY-CHANGED", "TRUST"), ("E-AUTH", "AUTH"), ("E-TOOL-MISSING", "TARGET")}


def test_demo_shows_three_healthy_boards_and_three_faults(tmp_path: Path, kdeploy_home: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    out = tmp_path / "out" / "demo"
    said = kdeploy("demo", "--json", "--out", out, TMPDIR=str(temporary))
    assert (said.status, said.stderr) == (1, "")
    summary = json.loads((out / "summary.json").read_text())
    last = said.events[-1]
    assert (last["type"], last["outcome"], last["environments"]) == ("run_finished", "failed", summary["environments"])
    assert sum(each["ready"] for each in summary["environments"]) == 3
    errors = [each["error"] for each in summary["environments"] if each["error"]]
    assert {(each["code"], each["category"]) for each in errors} == FAULTS
    assert all(each["remedy"] for each in errors)
    assert "retry_scheduled" in {each["type"] for each in said.events}
    assert [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()] == said.events
    report = (out / "report.html").read_text()
    assert all(code in report for code, _ in FAULTS)
    assert list(temporary.iterdir()) == []
    assert not kdeploy_home.exists()


def test_demo_keeps_its_boards_when_asked(tmp_path: Path) -> None:
    said = kdeploy("demo", "--quiet", "--keep", "--boards", "1", TMPDIR=str(tmp_path))
    assert (said.status, said.stdout) == (0, "")
    [kept] = tmp_path.glob("kdeploy-demo-*")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o700
    assert list(kept.rglob("run.sh"))


def test_demo_that_cannot_write_its_report_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    said = kdeploy("demo", "--json", "--boards", "1", "--out", tmp_path / "file" / "out")
    assert said.status == 1
    assert json.loads(said.stdout[said.stdout.index("{\n") :])["error"]["code"] == "E-WRITE"


@pytest.mark.parametrize("number", [2, 15])
def test_interrupted_demo_leaves_nothing_behind(tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with running("demo", "--json", "--boards", "30") as process:
        next_event(process, started("connecting"))
        process.send_signal(number)
        _, errors = process.communicate(timeout=100)
    assert (process.returncode, errors) == (5, "")
    assert list(tmp_path.glob("kdeploy-demo-*")) == []


def test_doctor_looks_at_everything(kdeploy_home: Path) -> None:
    document = kdeploy("doctor", "--json").json
    subjects = [each["subject"] for each in document["findings"]]
    wanted = {
        "Python",
        "keyring",
        "ssh agent",
        "libvirt",
        "display",
        "disk",
        "clock",
        "SQLite",
        "home folders",
        "lab file",
    }
    assert wanted <= set(subjects)
    assert document["ok"] is not any(each["ok"] is False for each in document["findings"])
    said = kdeploy("doctor")
    assert said.status == (0 if document["ok"] else 1)
    assert all(f" {subject}" in said.stdout for subject in subjects)


def test_doctor_finds_what_is_open_to_others(kdeploy_home: Path) -> None:
    kdeploy_home.mkdir(mode=0o755)
    kdeploy_home.chmod(0o755)
    said = kdeploy("doctor", "--quiet")
    assert said.status == 1
    assert "home folders  ATTENTION" in said.stdout
    os.chmod(kdeploy_home, 0o700)
    assert "home folders" not in kdeploy("doctor", "--quiet").stdout
