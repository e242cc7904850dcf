"""`kdeploy artifact` and deployments from the store, as a user has them."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.cli.program import Lab, kdeploy
from tests.lab.fixtures import MakeSshd
from tests.lab.processes import wait_until
from tests.lab.sshd import Sshd

HEADINGS = ("artifact", "versions", "newest", "type", "files", "size", "needs", "added")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A folder with a script and data below it."""
    folder = tmp_path / "suite"
    (folder / "data").mkdir(parents=True)
    (folder / "run.sh").write_text("#!/bin/sh\necho suite\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "data" / "corpus").write_text("corpus\n")
    return folder


def object_of(lab: Lab, data: bytes) -> Path:
    digest = hashlib.sha256(data).hexdigest()
    return lab.home / "artifacts" / "objects" / digest[:2] / digest


def test_a_version_is_added_once_and_never_changes(lab: Lab, suite: Path) -> None:
    said = kdeploy("artifact", "add", "suite", suite, "--version", "1.0", "--type", "script")
    assert (said.status, said.stdout) == (0, "suite@1.0: 2 files (28 B), 28 B of it new\n")
    again = kdeploy("artifact", "add", "suite", suite, "--version", "1.0", "--type", "script", "--json")
    assert (again.status, again.json["new"], again.json["objects"]) == (0, False, 0)
    assert [(each["path"], each["mode"]) for each in again.json["files"]] == [
        ("data/corpus", "0755"),
        ("run.sh", "0755"),
    ]
    (suite / "run.sh").write_text("other\n")
    other = kdeploy("artifact", "add", "suite", suite, "--version", "1.0", "--type", "script")
    assert other.status == 1
    assert "E-VERSION-TAKEN" in other.stderr
    assert "a version never changes" in other.stderr
    by_number = kdeploy("artifact", "add", "suite", suite, "--json").json
    assert (by_number["version"], [each["mode"] for each in by_number["files"]]) == ("1", ["0644", "0755"])
    assert kdeploy("artifact", "add", "suite", suite).stdout.endswith("there already\n")


def test_the_store_is_listed_for_people_and_machines(lab: Lab, suite: Path) -> None:
    empty = kdeploy("artifact", "list")
    assert (empty.status, empty.stdout) == (0, "")
    assert "artifact add" in empty.stderr
    assert kdeploy("artifact", "add", "lib", suite / "run.sh", "--mode", "0750").status == 0
    assert kdeploy("artifact", "add", "suite", suite, "--depends", "lib", "--quiet").stdout == ""
    listed = kdeploy("artifact", "list")
    assert listed.stdout.splitlines()[0].split() == list(HEADINGS)
    assert listed.stdout.splitlines()[2].split()[:8] == ["suite", "1", "1", "data", "2", "28", "B", "lib"]
    shown = kdeploy("artifact", "versions", "suite", "--json").json["versions"]
    assert [(each["version"], each["depends"]) for each in shown] == [("1", ["lib"])]
    assert kdeploy("artifact", "versions", "lib").stdout.splitlines()[1].split()[:2] == ["1", "data"]
    unknown = kdeploy("artifact", "versions", "siute")
    assert unknown.status == 1
    assert "did you mean 'suite'" in unknown.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("a/b", "run.sh"), "E-ARTIFACT-NAME"),
        (("suite", "run.sh", "--version", "../1"), "E-ARTIFACT-NAME"),
        (("suite", "run.sh", "--depends", "a@"), "E-ARTIFACT-NAME"),
        (("suite", "none.sh"), "does not exist"),
        (("suite", "run.sh", "copy/run.sh"), "would both be 'run.sh'"),
        (("suite", "run.sh", "--depends", "lib"), "the store has no artifact lib, which suite@1 needs"),
    ],
)
def test_mistakes_are_named_and_store_nothing(
    lab: Lab, suite: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    shutil.copytree(suite, suite / "copy")
    monkeypatch.chdir(suite)
    answer = kdeploy("artifact", "add", *words)
    assert answer.status == 1
    assert said in answer.stderr
    assert kdeploy("artifact", "list", "--json").json == {"artifacts": [], "problems": []}


@pytest.mark.parametrize("mode", ["4755", "89", "rwx"])
def test_a_mode_is_checked_when_it_is_typed(lab: Lab, suite: Path, mode: str) -> None:
    answer = kdeploy("artifact", "add", "suite", suite, "--mode", mode)
    assert answer.status == 2
    assert mode in answer.stderr


def test_damage_is_found_named_and_put_right(lab: Lab, suite: Path) -> None:
    assert kdeploy("artifact", "add", "suite", suite).status == 0
    assert kdeploy("artifact", "verify").stdout == "2 objects, 28 B: all good\n"
    damaged = object_of(lab, b"corpus\n")
    damaged.write_text("CORPUS\n")
    for words in ((), ("suite",)):
        found = kdeploy("artifact", "verify", *words)
        assert found.status == 1
        assert f"object {damaged.name} is damaged; suite@1 needs it" in found.stderr
    damaged.unlink()
    answer = kdeploy("artifact", "verify", "--json")
    assert answer.json["damaged"] == [{"sha256": damaged.name, "what": "missing", "needed_by": ["suite@1"]}]
    assert kdeploy("artifact", "add", "suite", suite).status == 0
    assert kdeploy("artifact", "verify").status == 0
    (lab.home / "artifacts" / "index" / "suite" / "1.json").write_text("{}")
    assert kdeploy("artifact", "verify").status == 1
    assert "1.json" in kdeploy("artifact", "list").stderr
    refused = kdeploy("artifact", "prune", "--yes")
    assert refused.status == 1
    assert "E-STORE-INDEX" in refused.stderr
    assert damaged.exists()


def test_pruning_is_shown_before_it_is_done(lab: Lab, suite: Path) -> None:
    for number in range(3):
        (suite / "run.sh").write_text(f"echo {number}\n")
        assert kdeploy("artifact", "add", "suite", suite).status == 0
    rule = ("artifact", "prune", "--keep", "1", "--except", "suite@1")
    preview = kdeploy(*rule)
    assert (preview.status, preview.stdout) == (0, "would remove suite@2\nwould free 1 object, 7 B\n")
    assert "--yes" in preview.stderr
    assert len(kdeploy("artifact", "versions", "suite", "--json").json["versions"]) == 3
    assert kdeploy(*rule, "--older", "1", "--yes", "--json").json["versions"] == []
    done = kdeploy(*rule, "--yes", "--json").json
    assert (done["versions"], done["objects"], done["size"]) == (
        ["suite@2"],
        [hashlib.sha256(b"echo 1\n").hexdigest()],
        7,
    )
    assert kdeploy("artifact", "verify", "--json").json["objects"] == 3
    assert kdeploy("artifact", "prune", "--except", "none").status == 1


def test_a_stored_version_is_deployed_with_what_it_needs(lab: Lab, board: Sshd, suite: Path, tmp_path: Path) -> None:
    (tmp_path / "lib.sh").write_text("lib\n")
    assert kdeploy("artifact", "add", "lib", tmp_path / "lib.sh", "--mode", "0640").status == 0
    assert kdeploy("artifact", "add", "suite", suite, "--depends", "lib@1", "--type", "script").status == 0
    lab.plan.write_text(
        'name = "s"\nenvironments = ["*"]\n[[artifacts]]\nsource = "store:suite"\ntarget = "~/suite/"\nmode = "0700"\n'
    )
    shutil.rmtree(suite)
    done = kdeploy("deploy", lab.plan)
    assert done.status == 0, done.stdout + done.stderr
    there = board.home() / "suite"
    modes = {each: (there / each).stat().st_mode & 0o777 for each in ("lib.sh", "run.sh", "data/corpus")}
    assert modes == {"lib.sh": 0o640, "run.sh": 0o700, "data/corpus": 0o700}
    lab.plan.write_text(lab.plan.read_text().replace('mode = "0700"\n', ""))
    assert kdeploy("deploy", lab.plan).status == 0
    assert (there / "run.sh").stat().st_mode & 0o777 == 0o755
    lab.plan.write_text(lab.plan.read_text().replace("store:suite", "store:suite@7"))
    wrong = kdeploy("plan", "check", lab.plan)
    assert wrong.status == 2
    assert "artifacts[0].source: the store has no version 7 of suite; the newest is 1" in wrong.stderr


def test_a_damaged_object_is_never_deployed(lab: Lab, board: Sshd, suite: Path) -> None:
    assert kdeploy("artifact", "add", "suite", suite).status == 0
    lab.plan.write_text(
        'name = "s"\nenvironments = ["*"]\n[[artifacts]]\nsource = "store:suite"\ntarget = "~/suite/"\n'
    )
    object_of(lab, b"corpus\n").write_text("CORPUS\n")
    shown = kdeploy("plan", "show", lab.plan)
    assert shown.status == 2
    assert "suite@1 needs it" in shown.stdout
    said = kdeploy("deploy", lab.plan)
    assert said.status == 1
    assert "E-STORE-DAMAGED" in said.stdout
    assert "suite@1 needs it" in said.stdout
    assert not (board.home() / "suite").exists()


def test_a_run_is_deployed_again_byte_for_byte(lab: Lab, make_sshd: MakeSshd) -> None:
    server = make_sshd(hosts=2)
    lab.add(server.environment("board-a"), server.environment("board-b", host=1))
    secret = lab.folder / "secret.conf"
    secret.write_text("canary-5150\n")
    secret.chmod(0o600)
    lab.write_plan()
    with lab.plan.open("a") as plan:
        plan.write(
            '[[artifacts]]\nsource = "secret.conf"\ntype = "config"\ntarget = "~/suite/secret"\nmode = "0600"\n'
            "sensitive = true\n"
        )
    assert kdeploy("deploy", "--quiet", lab.plan).status == 0
    assert not any(b"canary-5150" in file.read_bytes() for file in lab.home.rglob("*") if file.is_file())
    found = kdeploy("artifact", "of", "1", "--json").json
    assert [each["environments"] for each in found["sets"]] == [["board-a", "board-b"]]
    assert [(each["path"], each["mode"], each["kept"]) for each in found["sets"][0]["files"]] == [
        ("~/suite/one.sh", "0755", True),
        ("~/suite/two.sh", "0755", True),
        ("~/suite/secret", "0600", False),
    ]
    assert "sensitive, not kept" in kdeploy("artifact", "of", "1").stdout
    first = (board_file := server.home() / "suite" / "one.sh").read_bytes()
    (lab.folder / "one.sh").write_text("changed\n")
    (lab.folder / "two.sh").unlink()
    assert kdeploy("deploy", "--quiet", "--env", "board-a", lab.plan).status == 0
    assert board_file.read_bytes() == b"changed\n"
    again = kdeploy("deploy", "--as-run", "1", "--env", "board-a", "--json")
    assert again.status == 0, again.stdout
    assert (again.events[0]["environments"], board_file.read_bytes()) == (["board-a"], first)
    assert kdeploy("artifact", "prune", "--keep", "0", "--yes", "--json").json["objects"] == []
    assert kdeploy("retry", "1", "--env", "board-b", "--same-files").status == 0
    detached = kdeploy("deploy", "--as-run", "1", "--detach", "--json").json["run"]
    wait_until(lambda: kdeploy("status", str(detached), "--json").json["outcome"] != "running", "it ends", 100)
    secret.write_text("canary-5151\n")
    refused = kdeploy("deploy", "--as-run", "1")
    assert refused.status == 1
    assert (
        "secret.conf is sensitive, so its content was not kept, and its source has other content now" in refused.stderr
    )
    assert kdeploy("artifact", "of", "99").status == 1


def test_deploy_takes_a_plan_or_a_run(lab: Lab) -> None:
    assert kdeploy("deploy").status == 2
    assert kdeploy("deploy", lab.plan, "--as-run", "1").status == 2
    unknown = kdeploy("deploy", "--as-run", "1")
    assert unknown.status == 1
    assert "E-RUN-UNKNOWN" in unknown.stderr


def test_a_plan_is_packed_and_deployed_from_elsewhere(lab: Lab, board: Sshd, suite: Path, tmp_path: Path) -> None:
    assert kdeploy("artifact", "add", "suite", suite).status == 0
    lab.write_plan()
    with lab.plan.open("a") as plan:
        plan.write('# stored\n[[artifacts]]\nsource = "store:suite"\ntarget = "~/suite/"\ndepends_on = ["*.sh"]\n')
    packed = kdeploy("artifact", "pack", lab.plan, "-o", tmp_path / "one.tar")
    assert packed.status == 0, packed.stderr
    assert kdeploy("artifact", "pack", lab.plan, "-o", tmp_path / "two.tar", "--json").json["size"] > 0
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    assert kdeploy("deploy", "--quiet", lab.plan).status == 0
    shutil.rmtree(lab.folder)
    shutil.rmtree(lab.home / "artifacts")
    there = tmp_path / "new" / "place"
    assert kdeploy("artifact", "unpack", tmp_path / "one.tar", "-C", there).status == 0
    text = (there / "plan.toml").read_text()
    assert "# stored" in text
    again = kdeploy("deploy", there / "plan.toml")
    assert again.status == 0, again.stdout + again.stderr
    assert "0 sent, 4 same" in again.stdout
    occupied = kdeploy("artifact", "unpack", tmp_path / "one.tar", "-C", there)
    assert occupied.status == 1
    assert "E-UNPACK-THERE" in occupied.stderr
    assert (there / "plan.toml").read_text() == text


def test_package_files_are_packed_with_their_plan(lab: Lab, tmp_path: Path) -> None:
    lab.write_plan()
    (lab.folder / "pool").mkdir()
    for name in ("one_1.0_all.deb", "two_1.0_all.deb"):
        (lab.folder / "pool" / name).write_text(f"not really {name}")
    with lab.plan.open("a") as plan:
        plan.write('[[dependencies]]\nname = "one"\nfiles = ["pool/*.deb"]  # both\n')
    assert kdeploy("artifact", "pack", lab.plan, "-o", tmp_path / "one.tar").status == 0
    there = tmp_path / "there"
    assert kdeploy("artifact", "unpack", tmp_path / "one.tar", "-C", there).status == 0
    assert (there / "packages/01-2/two_1.0_all.deb").read_text() == "not really two_1.0_all.deb"
    checked = kdeploy("plan", "check", there / "plan.toml")
    assert "dependencies" not in checked.stderr, checked.stderr
    assert checked.stderr.endswith("1 problem\n"), "but for the lab, which is empty here"


def test_what_cannot_be_packed_leaves_no_archive(lab: Lab, tmp_path: Path) -> None:
    lab.write_plan()
    good = lab.plan.read_text()
    archive = tmp_path / "x.tar"
    for text, said in (
        (good.replace('mode = "0755"', 'mode = "0700"\nsensitive = true'), "E-PACK-SENSITIVE"),
        (good.replace("*.sh", "none"), "E-PLAN"),
        ("", "the plan is empty"),
    ):
        lab.plan.write_text(text)
        answer = kdeploy("artifact", "pack", lab.plan, "-o", archive)
        assert answer.status == 1
        assert said in answer.stderr
    lab.plan.write_text(good)
    unwritable = kdeploy("artifact", "pack", lab.plan, "-o", tmp_path / "none" / "x.tar")
    assert unwritable.status == 1
    assert "E-WRITE" in unwritable.stderr
    missing = kdeploy("artifact", "unpack", archive, "-C", tmp_path / "out")
    assert missing.status == 1
    assert "E-WRITE" in missing.stderr
    assert sorted(each.name for each in tmp_path.iterdir() if "x.tar" in each.name or "out" in each.name) == []
