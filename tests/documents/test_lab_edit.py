"""Changes to lab.toml: comments stay, nothing is lost, what would be wrong is not written."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdeploy_gui.documents import lab_edit, lab_file
from kdeploy_gui.documents.lab_edit import (
    Removed,
    add_environment,
    add_environments,
    added_problems,
    restore_environment,
    set_host_keys,
    take_environment,
)
from kdeploy_gui.documents.lab_file import read_lab
from kdeploy_gui.errors import LocalError
from kdeploy_gui.model.environment import Console, ConsoleProtocol, Environment, Kernel, Kind, Power
from kdeploy_gui.model.problem import Problem

KEY = "SHA256:" + "A" * 43
OTHER_KEY = "SHA256:" + "B" * 43
LAB = f"""\
# The lab of the network team.

[[environment]]
name = "a"   # first
host="192.0.2.1"
[environment.power]
on = "pdu 1 on" # socket 1

# b is slow,
# be patient
[[environment]]
name = "b"
host = "192.0.2.2"
# password: ask jo

# c is new
[[environment]]
name = "c"
host_key = "{KEY}"  # seen by jo
host = "192.0.2.3"

# the end"""
NEW = Environment(name="new", host="192.0.2.9")


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.toml"
    path.write_text(LAB)
    return path


def remove_environment(path: Path, name: str) -> tuple[Problem, ...]:
    taken = take_environment(path, name)
    return () if isinstance(taken, Removed) else taken


def taken(path: Path, name: str) -> Removed:
    found = take_environment(path, name)
    assert isinstance(found, Removed)
    return found


def names(path: Path) -> list[str]:
    read = read_lab(path)
    assert not read.problems
    return [each.name for each in read.lab.environments]


def test_key_is_added_to_its_table_and_nothing_else_changes(lab: Path) -> None:
    assert set_host_keys(lab, "b", [KEY]) == ()
    assert lab.read_text() == LAB.replace('"192.0.2.2"\n', f'"192.0.2.2"\nhost_key = "{KEY}"\n')


def test_key_goes_before_the_tables_of_its_environment(lab: Path) -> None:
    assert set_host_keys(lab, "a", [KEY, OTHER_KEY]) == ()
    line = f'host_key = ["{KEY}", "{OTHER_KEY}"]'
    assert lab.read_text() == LAB.replace("[environment.power]", f"{line}\n[environment.power]")


def test_key_is_replaced_in_place_with_its_comment(lab: Path) -> None:
    assert set_host_keys(lab, "c", [OTHER_KEY]) == ()
    assert lab.read_text() == LAB.replace(KEY, OTHER_KEY)


def test_key_at_the_end_of_a_file_without_last_newline(lab: Path) -> None:
    lab.write_text('[[environment]]\nname = "a"\nhost = "h"')
    assert set_host_keys(lab, "a", [KEY]) == ()
    assert lab.read_text() == f'[[environment]]\nname = "a"\nhost = "h"\nhost_key = "{KEY}"\n'


def test_windows_line_ends_stay(lab: Path) -> None:
    lab.write_bytes(LAB.replace("\n", "\r\n").encode())
    assert set_host_keys(lab, "a", [KEY]) == ()
    assert add_environment(lab, NEW) == ()
    content = lab.read_bytes()
    assert content.count(b"\n") == content.count(b"\r\n")
    assert names(lab) == ["a", "b", "c", "new"]


def test_bad_keys_are_not_written(lab: Path) -> None:
    problems = set_host_keys(lab, "a", ["SHA256:x"])
    assert [each.field for each in problems] == ["environment[0].host_key"]
    assert lab.read_text() == LAB


@pytest.mark.parametrize("change", [remove_environment, lambda path, name: set_host_keys(path, name, [KEY])])
def test_unknown_name(lab: Path, change: Callable[[Path, str], tuple[object, ...]]) -> None:
    lab.write_text(LAB.replace('"a"', '"board-a"'))
    assert [str(each) for each in change(lab, "board-b")] == [
        f"{lab}: no environment is called 'board-b' - did you mean 'board-a'?"
    ]


def test_added_environment_reads_back(lab: Path) -> None:
    environment = Environment(
        name="vm",
        host="::1",
        kind=Kind.QEMU,
        group="rack/1",
        tags=("x", "y"),
        port=2222,
        user="lab",
        identity_file='~/.ssh/"odd"\\key',
        credential="vm",
        jump="a",
        host_keys=(KEY, OTHER_KEY),
        roots=("/opt", "~"),
        power=Power("echo 'on'", 'echo "off"', "pdu reset"),
        console=Console(tcp="ser2net.lab:4001", protocol=ConsoleProtocol.RFC2217),
        uri="qemu:///session",
        domain="d",
        autostart=True,
        boot_timeout=240.0,
        snapshot="never",
        kernels=(Kernel("k", "/i"), Kernel("l", "/j", "/r", 'a="b c"')),
    )
    assert add_environment(lab, environment) == ()
    assert lab.read_text().startswith(f"{LAB}\n\n[[environment]]\n")
    assert read_lab(lab).lab.get("vm") == environment
    assert names(lab) == ["a", "b", "c", "vm"]


def test_first_environment_creates_the_file_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "config" / "lab.toml"
    assert add_environment(path, NEW) == ()
    assert path.read_text() == '[[environment]]\nname = "new"\nkind = "board"\nhost = "192.0.2.9"\n'
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("environment", "part"),
    [
        (Environment(name="a", host="h"), "name 'a' is taken already"),
        (Environment(name="-x", host="h"), "name must be"),
        (Environment(name="x", host="-o"), "host must be"),
        (Environment(name="x", host="h", jump="nobody"), "no environment is called 'nobody'"),
        (Environment(name="x", host="h", port=70000), "port must be at most 65535"),
    ],
)
def test_wrong_environment_is_not_written(lab: Path, environment: Environment, part: str) -> None:
    problems = add_environment(lab, environment)
    assert len(problems) == 1
    assert part in problems[0].message
    assert lab.read_text() == LAB


def test_removal_takes_the_comment_above_and_the_tables_below(lab: Path) -> None:
    assert remove_environment(lab, "b") == ()
    assert lab.read_text() == LAB.replace(LAB[LAB.index("# b is") : LAB.index("# c is")], "")


def test_removal_of_the_first_keeps_the_headline(lab: Path) -> None:
    assert remove_environment(lab, "a") == ()
    assert lab.read_text() == LAB.replace(LAB[LAB.index("[[env") : LAB.index("# b is")], "")


def test_headline_right_above_the_first_stays(lab: Path) -> None:
    lab.write_text(LAB.replace("team.\n\n", "team.\n"))
    assert remove_environment(lab, "a") == ()
    assert lab.read_text().startswith("# The lab of the network team.\n\n# b is slow,\n")


def test_removal_of_the_last_keeps_the_closing_comment(lab: Path) -> None:
    assert remove_environment(lab, "c") == ()
    assert lab.read_text() == LAB.replace(LAB[LAB.index("# c is") : LAB.index("# the end")], "")


def test_end_of_a_long_string_is_no_comment(lab: Path) -> None:
    first = "[[environment]]\nname = \"a\"\nhost = \"h\"\n[environment.power]\non = '''\n# on'''\n"
    lab.write_text(first + '[[environment]]\nname = "b"\nhost = "h"\n')
    assert remove_environment(lab, "b") == ()
    assert lab.read_text() == first


def test_all_can_be_removed(lab: Path) -> None:
    for name in ("b", "a", "c"):
        assert remove_environment(lab, name) == ()
    assert names(lab) == []
    assert lab.read_text() == "# The lab of the network team.\n\n# the end"


def test_removed_ones_go_back_exactly_where_they_were(lab: Path) -> None:
    removed = [taken(lab, name) for name in ("b", "a", "c")]
    for each in reversed(removed):
        assert restore_environment(lab, each) == ()
    assert lab.read_text() == LAB


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_removed_one_goes_back_beside_what_others_wrote_meanwhile(lab: Path, name: str) -> None:
    removed = taken(lab, name)
    assert add_environment(lab, NEW) == ()
    assert restore_environment(lab, removed) == ()
    assert names(lab) == ["a", "b", "c", "new"]
    assert set(LAB.splitlines()) <= set(lab.read_text().splitlines())


def test_removed_one_goes_back_although_its_neighbours_went_too(lab: Path) -> None:
    removed = taken(lab, "b")
    for name in ("a", "c"):
        assert remove_environment(lab, name) == ()
    assert restore_environment(lab, removed) == ()
    assert names(lab) == ["b"]
    assert "# be patient" in lab.read_text()


def test_removed_one_does_not_go_back_beside_another_of_its_name(lab: Path) -> None:
    removed = taken(lab, "b")
    assert add_environment(lab, Environment(name="b", host="other")) == ()
    before = lab.read_text()
    assert "name 'b' is taken" in restore_environment(lab, removed)[0].message
    assert lab.read_text() == before


def test_several_are_added_together_or_not_at_all(lab: Path) -> None:
    behind = Environment(name="behind", host="h", jump="new")
    wrong = Environment(name="Wrong", host="h")
    assert [each.field for each in added_problems(lab, [behind, NEW, wrong])] == ["environment[5].name"]
    assert add_environments(lab, [behind, NEW, wrong])
    assert lab.read_text() == LAB
    assert added_problems(lab, [behind, NEW]) == ()
    assert lab.read_text() == LAB
    assert add_environments(lab, [behind, NEW]) == ()
    assert names(lab) == ["a", "b", "c", "behind", "new"]


def test_environment_that_others_jump_over_stays(lab: Path) -> None:
    assert add_environment(lab, Environment(name="behind", host="h", jump="a")) == ()
    before = lab.read_text()
    assert "no environment is called 'a'" in remove_environment(lab, "a")[0].message
    assert lab.read_text() == before


def test_other_mistakes_of_the_file_do_not_stop_an_edit(lab: Path) -> None:
    lab.write_text(LAB.replace('host = "192.0.2.2"', 'hots = "192.0.2.2"'))
    assert set_host_keys(lab, "a", [KEY]) == ()
    assert remove_environment(lab, "b") == ()
    assert names(lab) == ["a", "c"]


def test_broken_file_is_left_alone(lab: Path) -> None:
    lab.write_text("[[environment]\n")
    assert "not valid TOML" in add_environment(lab, NEW)[0].message
    assert lab.read_text() == "[[environment]\n"


def test_inline_tables_are_left_to_people(lab: Path) -> None:
    text = 'environment = [\n  { name = "a", host = "h" },\n]\n'
    lab.write_text(text)
    for problems in (set_host_keys(lab, "a", [KEY]), remove_environment(lab, "a")):
        assert [(each.line, each.message) for each in problems] == [
            (2, "'a' is not written as an [[environment]] table: edit it by hand")
        ]
    assert add_environment(lab, NEW)
    assert lab.read_text() == text


def test_link_to_the_file_stays_a_link_and_modes_are_kept(lab: Path, tmp_path: Path) -> None:
    lab.chmod(0o640)
    link = tmp_path / "config" / "lab.toml"
    link.parent.mkdir()
    link.symlink_to("../lab.toml")
    assert add_environment(link, NEW) == ()
    assert link.is_symlink()
    assert lab.stat().st_mode & 0o777 == 0o640
    assert names(lab) == ["a", "b", "c", "new"]
    assert sorted(each.name for each in tmp_path.iterdir()) == [".lab.toml.lock", "config", "lab.toml"]


def test_change_by_an_editor_meanwhile_is_not_lost(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = lab_file.check_lab
    pending = ['[[environment]]\nname = "by-editor"\nhost = "h"\n']

    def check_while_somebody_saves(*arguments: object) -> object:
        if pending:
            lab.write_text(f"{LAB}\n{pending.pop()}")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(lab_edit, "check_lab", check_while_somebody_saves)
    assert add_environment(lab, NEW) == ()
    assert names(lab) == ["a", "b", "c", "by-editor", "new"]


def test_held_lock_is_an_error_in_the_end(lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_edit, "LOCK_DEADLINE", 0.05)
    with (lab.parent / ".lab.toml.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(LocalError, match="another program is editing") as caught:
            add_environment(lab, NEW)
    assert caught.value.code == "E-LAB-BUSY"
    assert lab.read_text() == LAB


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalError, match="cannot be written") as caught:
        add_environment(tmp_path / "file" / "lab.toml", NEW)
    assert caught.value.path == str(tmp_path / "file" / "lab.toml")


def test_processes_at_once_lose_nothing(lab: Path) -> None:
    script = """
import sys
from pathlib import Path
from kdeploy_gui.documents import lab_edit
from kdeploy_gui.documents.lab_edit import add_environment
from kdeploy_gui.model.environment import Environment
lab_edit.LOCK_DEADLINE = 100.0
for number in range(10):
    assert add_environment(Path(sys.argv[1]), Environment(name=f"{sys.argv[2]}-{number}", host="h")) == ()
"""
    writers = [subprocess.Popen([sys.executable, "-c", script, str(lab), name]) for name in ("x", "y", "z")]
    assert [each.wait(200) for each in writers] == [0, 0, 0]
    assert sorted(names(lab)) == sorted(
        ["a", "b", "c", *(f"{name}-{number}" for name in "xyz" for number in range(10))]
    )
    assert sorted(os.listdir(lab.parent)) == [".lab.toml.lock", "lab.toml"]


filler = st.lists(st.sampled_from(["", "# a note", "  # [[environment]]", "\t"]), max_size=3).map("\n".join)
keys_of_entry = st.lists(
    st.sampled_from(
        ['group = "g"', "port = 2200 # odd", 'tags = [\n  "x", # [1]\n]', 'user = """lab"""', "autostart = true"]
    ),
    unique=True,
)
tables_of_entry = st.sampled_from(
    ["", '[environment.power]\non = "# not a comment"\n', '[[environment.kernel]]\nname="k"\nimage="i"\n']
)


@st.composite
def labs(draw: st.DrawFn) -> tuple[str, list[str]]:
    """A lab file with comments and blank lines anywhere, and its names."""
    text, names = draw(filler), [f"e{number}" for number in range(draw(st.integers(1, 4)))]
    for name in names:
        body = draw(st.permutations([f'name = "{name}"', 'host = "h"', *draw(keys_of_entry)]))
        text += "\n".join([draw(filler), "[[environment]]", *(f"{each}\n{draw(filler)}" for each in body), ""])
        text += draw(tables_of_entry)
    return text + draw(filler), names


def environments_of(text: str) -> list[object]:
    return list(tomllib.loads(text).get("environment", []))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(labs(), st.data())
def test_any_edit_changes_what_it_says_and_nothing_else(
    tmp_path: Path, generated: tuple[str, list[str]], data: st.DataObject
) -> None:
    text, present = generated
    path = tmp_path / "lab.toml"
    path.write_text(text)
    os.utime(path, (1_000_000_000, 1_000_000_000))
    before = environments_of(text)
    index = data.draw(st.integers(0, len(present) - 1))
    if data.draw(st.booleans()):
        assert set_host_keys(path, present[index], [KEY]) == ()
        added = f'host_key = "{KEY}"'
        after = path.read_text()
        assert [line for line in after.splitlines() if line != added] == text.splitlines()
        assert environments_of(after) == [
            each | {"host_key": KEY} if number == index else each  # type: ignore[operator]
            for number, each in enumerate(before)
        ]
    else:
        removed = taken(path, present[index])
        assert environments_of(path.read_text()) == before[:index] + before[index + 1 :]
        if data.draw(st.booleans()):
            path.write_text(path.read_text() + "\n# somebody else was here\n")
            os.utime(path, (1_000_000_000, 1_000_000_000))
            assert restore_environment(path, removed) == ()
            assert environments_of(path.read_text()) == before
        else:
            assert restore_environment(path, removed) == ()
            assert path.read_text() == text
