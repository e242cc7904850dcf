"""An environment is changed key by key; comments, order and what others write meanwhile stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.documents.lab_file import read_lab
from kdeploy_gui.documents.lab_update import update_environment, updated_problems
from kdeploy_gui.model.environment import Environment, Kind

KEY = "SHA256:" + "A" * 43
OTHER_KEY = "SHA256:" + "B" * 43
LAB = f"""\
# The lab.

[[environment]]
name = "a"   # first
host="192.0.2.1"
group = "rack-1" # left row
tags = ["x"]
[environment.power]
on = "pdu 1 on" # socket 1

# b is slow
[[environment]]
name = "b"
host = "192.0.2.2"
jump = "a"
host_key = "{KEY}"  # seen by jo
# the end"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    path = tmp_path / "lab.toml"
    path.write_text(LAB)
    return path


def read(path: Path, name: str) -> Environment:
    document = read_lab(path)
    assert not document.problems
    environment = document.lab.get(name)
    assert environment is not None
    return environment


def test_only_what_differs_is_written(lab: Path) -> None:
    known = read(lab, "a")
    assert update_environment(lab, "a", replace(known, host="192.0.2.9", port=2222), known) == ()
    expected = LAB.replace('"192.0.2.1"', '"192.0.2.9"').replace('tags = ["x"]\n', 'tags = ["x"]\nport = 2222\n')
    assert lab.read_text() == expected


def test_what_becomes_empty_goes_and_its_comment_stays(lab: Path) -> None:
    assert update_environment(lab, "a", replace(read(lab, "a"), group="", tags=())) == ()
    assert lab.read_text() == LAB.replace('group = "rack-1" # left row\ntags = ["x"]\n', "# left row\n")


def test_a_new_name_is_followed_by_those_that_jump_over_it(lab: Path) -> None:
    assert update_environment(lab, "a", replace(read(lab, "a"), name="gate")) == ()
    assert lab.read_text() == LAB.replace('name = "a" ', 'name = "gate" ').replace('jump = "a"', 'jump = "gate"')


def test_pins_are_added_replaced_and_taken_away(lab: Path) -> None:
    known = read(lab, "b")
    assert update_environment(lab, "b", replace(known, host_keys=(KEY, OTHER_KEY)), known) == ()
    assert f'host_key = ["{KEY}", "{OTHER_KEY}"]  # seen by jo' in lab.read_text()
    assert update_environment(lab, "b", replace(known, host_keys=())) == ()
    assert lab.read_text() == LAB.replace(f'host_key = "{KEY}"  #', "#")


def test_a_file_without_a_last_newline_and_with_windows_line_ends(lab: Path) -> None:
    lab.write_bytes(b'[[environment]]\r\nname = "a"\r\nhost = "h"')
    assert update_environment(lab, "a", Environment(name="a", host="h", kind=Kind.QEMU, autostart=True)) == ()
    text = b'[[environment]]\r\nname = "a"\r\nhost = "h"\r\nkind = "qemu"\r\nautostart = true'
    assert lab.read_bytes() == text


def test_what_another_wrote_meanwhile_stays(lab: Path) -> None:
    known = read(lab, "a")
    lab.write_text(LAB.replace('"192.0.2.1"', '"192.0.2.7"'))
    assert update_environment(lab, "a", replace(known, group="rack-2"), known) == ()
    assert (read(lab, "a").host, read(lab, "a").group) == ("192.0.2.7", "rack-2")


def test_the_same_key_changed_by_both_is_told_and_not_overwritten(lab: Path) -> None:
    known = read(lab, "a")
    theirs = LAB.replace('"192.0.2.1"', '"192.0.2.7"')
    lab.write_text(theirs)
    (problem,) = update_environment(lab, "a", replace(known, host="192.0.2.8"), known)
    assert (problem.field, "192.0.2.7" in problem.message) == ("host", True)
    assert update_environment(lab, "a", replace(known, host="192.0.2.7"), known) == ()
    assert lab.read_text() == theirs


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": "b"}, "environment[1].name"),
        ({"host": "two words"}, "environment[0].host"),
        ({"port": 0}, "environment[0].port"),
        ({"jump": "b"}, "environment[0].jump"),
        ({"user": "a\x1b[2Jb"}, "environment[0].user"),
    ],
)
def test_what_would_be_wrong_is_not_written(lab: Path, change: dict[str, object], field: str) -> None:
    wanted = replace(read(lab, "a"), **change)  # type: ignore[arg-type]
    for problems in (updated_problems(lab, "a", wanted), update_environment(lab, "a", wanted)):
        assert field in [each.field for each in problems]
    assert lab.read_text() == LAB


def test_looking_for_problems_writes_nothing(lab: Path) -> None:
    assert updated_problems(lab, "a", replace(read(lab, "a"), host="other")) == ()
    assert "no environment is called 'x'" in updated_problems(lab, "x", read(lab, "a"))[0].message
    assert lab.read_text() == LAB
    assert [each.name for each in lab.parent.iterdir()] == ["lab.toml"]
