"""An environment is changed key by key; comments, order and what others write meanwhile stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kdeploy_gui.documents.lab_file import read_lab
from kdeploy_gui.documents.lab_update import update_environment, updated_problems
from kdeploy_gui.model.environment import Console, ConsoleProtocol, Environment, Kind, Power

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


@pytest.mark.parametrize(
    ("before", "power", "after"),
    [
        (
            '[environment.power]\non = "a on" # socket 1\noff = "a off"\n',
            Power("b on", "", "b cycle"),
            '[environment.power]\non = "b on" # socket 1\nreset = "b cycle"\n',
        ),
        (
            'power = { on = "a on", off = "a off" } # socket 1\n',
            Power("b on", "a off"),
            'power = { on = "b on", off = "a off" } # socket 1\n',
        ),
        ('power = { on = "a on", off = "a off" } # socket 1\n', Power(), "power = {} # socket 1\n"),
        (
            'power.on = "a on" # socket 1\n',
            Power("a on", "a off"),
            'power.on = "a on" # socket 1\npower.off = "a off"\n',
        ),
        ("tags = []\n", Power("a on", "a off"), 'tags = []\n[environment.power]\non = "a on"\noff = "a off"\n'),
        ("", Power(reset="r"), '[environment.power]\nreset = "r"\n'),
    ],
    ids=["table", "inline", "inline emptied", "dotted", "new", "new at once"],
)
@pytest.mark.parametrize(
    "rest",
    ["", '# the next\n[[environment]]\nname = "b"\nhost = "h"\n', '[[environment.kernel]]\nname = "k"\nimage = "i"\n'],
    ids=["last", "before another", "before kernels"],
)
def test_power_commands_are_written_where_they_stand(
    tmp_path: Path, before: str, power: Power, after: str, rest: str
) -> None:
    path = tmp_path / "lab.toml"
    head = '[[environment]]\nname = "a"\nhost = "h"\n'
    path.write_text(f"{head}{before}{rest}")
    known = read(path, "a")
    assert update_environment(path, "a", replace(known, power=power), known) == ()
    assert path.read_text() == f"{head}{after}{rest}"
    assert read(path, "a") == replace(known, power=power)


@pytest.mark.parametrize(
    ("before", "console", "after"),
    [
        (
            '[environment.console]\ntcp = "a:1" # port 1\nprotocol = "rfc2217"\n',
            Console(tcp="b:1"),
            '[environment.console]\ntcp = "b:1" # port 1\n',
        ),
        (
            'console = { command = "picocom /dev/a" } # cable\n',
            Console(tcp="b:1", protocol=ConsoleProtocol.RFC2217),
            'console = { tcp = "b:1", protocol = "rfc2217" } # cable\n',
        ),
        ("", Console(tcp="b:1"), '[environment.console]\ntcp = "b:1"\n'),
        (
            '[environment.console]\ntcp = "a:1"\nprotocol = "raw" # as ever\n',
            Console(command="picocom /dev/a"),
            '[environment.console]\n# as ever\ncommand = "picocom /dev/a"\n',
        ),
        ('[environment.console]\ntcp = "a:1"\nprotocol = "rfc2217"\n', Console(), "[environment.console]\n"),
    ],
    ids=["table", "inline", "new", "another way", "none any more"],
)
def test_a_console_is_written_where_it_stands(tmp_path: Path, before: str, console: Console, after: str) -> None:
    path = tmp_path / "lab.toml"
    head = '[[environment]]\nname = "a"\nhost = "h"\n'
    path.write_text(f"{head}{before}")
    known = read(path, "a")
    assert update_environment(path, "a", replace(known, console=console), known) == ()
    assert path.read_text() == f"{head}{after}"
    assert read(path, "a") == replace(known, console=console)


def test_how_often_a_machine_is_looked_at_is_written_as_it_was_meant(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text('[[environment]]\nname = "a"\nhost = "h"\nmonitor = "60s" # often\n')
    known = read(path, "a")
    assert update_environment(path, "a", replace(known, user="lab"), known) == ()
    assert 'monitor = "60s" # often\n' in path.read_text()
    assert update_environment(path, "a", replace(known, user="lab", monitor=300.0), known) == ()
    assert 'monitor = "5m" # often\n' in path.read_text()
    assert update_environment(path, "a", replace(known, user="lab", monitor=0.0)) == ()
    assert "monitor" not in path.read_text()


def test_power_commands_and_a_console_are_added_at_once(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text('[[environment]]\nname = "a"\nhost = "h"')
    known = read(path, "a")
    wanted = replace(known, power=Power("a on"), console=Console("picocom -q /dev/ttyUSB0"), user="lab")
    assert update_environment(path, "a", wanted, known) == ()
    assert read(path, "a") == wanted


def test_a_table_of_power_commands_is_added_behind_a_last_line_without_an_end(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text('[[environment]]\nname = "a"\nhost = "h"')
    known = read(path, "a")
    wanted = replace(known, power=Power("a on"), autostart=True, boot_timeout=90.0)
    assert update_environment(path, "a", wanted, known) == ()
    assert read(path, "a") == wanted


def test_a_boot_timeout_in_other_words_is_no_change_by_somebody_else(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    text = '[[environment]]\nname = "a"\nhost = "h"\nboot_timeout = "120 s" # slow flash\n'
    path.write_text(text)
    known = read(path, "a")
    assert update_environment(path, "a", known, known) == ()
    assert path.read_text() == text
    assert update_environment(path, "a", replace(known, boot_timeout=300.0), known) == ()
    assert path.read_text() == text.replace("120 s", "5m")
    known = read(path, "a")
    assert update_environment(path, "a", replace(known, boot_timeout=0.0), known) == ()
    assert read(path, "a").boot_timeout == 0


def test_a_power_command_that_others_changed_meanwhile_is_not_overwritten(lab: Path) -> None:
    known = read(lab, "a")
    theirs = replace(known, power=Power("pdu 9 on"))
    assert update_environment(lab, "a", theirs, known) == ()
    (problem,) = update_environment(lab, "a", replace(known, power=Power("pdu 2 on")), known)
    assert problem.field == "power.on"
    assert read(lab, "a").power == Power("pdu 9 on")


def test_a_power_command_that_is_none_is_refused(lab: Path) -> None:
    known = read(lab, "a")
    before = lab.read_text()
    (problem,) = updated_problems(lab, "a", replace(known, power=Power("pdu 'on")), known)
    assert problem.field == "environment[0].power.on"
    assert "no closing quotation" in problem.message
    assert lab.read_text() == before
