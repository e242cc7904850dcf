"""The instrument catalogue: what plans may name, and scripts that answer in its words."""

from __future__ import annotations

import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

from kdeploy_gui.engine.stages.instrument import ANSWERS, detect
from kdeploy_gui.environments.shell_target import ShellTarget
from kdeploy_gui.instruments.catalogue import Catalogue
from tests.contract.local_shell import LocalShell
from tests.rehearsal import MemoryContent

NAMES = [
    "kasan",
    "kcsan",
    "lockdep",
    "gcov",
    "kcov",
    "perf",
    "ftrace",
    "syzkaller",
    "coccinelle",
    "vulnerabilities",
]
"""What a plan's [instrumentation] may hold beside kernel_params and may_reboot."""
SHELLS = [("/bin/dash",), ("/bin/bash",), ("busybox", "sh")]


def test_every_instrument_of_plans_is_there_once_and_has_a_title() -> None:
    found = Catalogue().all()
    assert sorted(each.name for each in found) == sorted(NAMES)
    assert all(each.title for each in found)
    assert len({each.title for each in found}) == len(NAMES)


def test_instruments_come_in_the_order_that_the_files_give(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('order = 2\ntitle = "A"\n')
    (tmp_path / "b.toml").write_text('order = 1\ntitle = "B"\naliases = ["bee"]\ndetect = "true"\n')
    catalogue = Catalogue(tmp_path)
    assert [each.name for each in catalogue.all()] == ["b", "a"]
    assert (catalogue.all()[0].aliases, catalogue.all()[0].detect) == (("bee",), "true")
    assert (catalogue.all()[1].aliases, catalogue.all()[1].detect) == ((), "")


@pytest.mark.parametrize("name", NAMES)
def test_a_name_is_its_own_canonical_name(name: str) -> None:
    assert Catalogue().canonical(name) == name


@pytest.mark.parametrize(("name", "canonical"), [("ktsan", "kcsan"), ("KASAN", ""), ("", ""), ("no-such", "")])
def test_old_names_lead_to_new_ones_and_unknown_ones_nowhere(name: str, canonical: str) -> None:
    assert Catalogue().canonical(name) == canonical


def test_no_name_or_alias_stands_twice() -> None:
    words = [word for each in Catalogue().all() for word in (each.name, *each.aliases)]
    assert len(words) == len(set(words))


def test_an_empty_folder_is_an_empty_catalogue(tmp_path: Path) -> None:
    assert Catalogue(tmp_path).all() == ()


def test_a_broken_file_is_not_passed_over(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text("order = ")
    with pytest.raises(tomllib.TOMLDecodeError):
        Catalogue(tmp_path)


def shell_of(words: tuple[str, ...], home: Path) -> LocalShell:
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    return LocalShell((program, *words[1:]), home, "/usr/sbin:/usr/bin:/sbin:/bin")


@pytest.mark.parametrize("words", SHELLS, ids=lambda each: each[0].rpartition("/")[2])
async def test_scripts_answer_in_the_words_of_the_matrix(tmp_path: Path, words: tuple[str, ...]) -> None:
    target = ShellTarget(shell_of(words, tmp_path), MemoryContent())
    catalogue = list(Catalogue().all())
    said = await detect(target, catalogue)
    assert set(said) == {each.name for each in catalogue if each.detect}
    for name, answers in said.items():
        assert set(answers) <= {"built_in", "reachable", "on", "note"}, name
        assert {answers.get(key, "unknown") for key in ("built_in", "reachable", "on")} <= set(ANSWERS), name


async def test_perf_is_what_this_machine_says(tmp_path: Path) -> None:
    said = await detect(ShellTarget(shell_of(SHELLS[0], tmp_path), MemoryContent()), list(Catalogue().all()))
    level = Path("/proc/sys/kernel/perf_event_paranoid")
    assert said["perf"]["built_in"] == ("yes" if level.exists() else "no")
    if level.exists() and shutil.which("perf") is None:
        assert said["perf"]["on"] == "no"
        assert "perf command is missing" in said["perf"]["note"]


@pytest.mark.parametrize("words", SHELLS, ids=lambda each: each[0].rpartition("/")[2])
def test_scripts_are_sound_shell(words: tuple[str, ...]) -> None:
    program = shutil.which(words[0])
    if program is None:
        pytest.skip(f"{words[0]} is not installed")
    for each in Catalogue().all():
        done = subprocess.run([program, *words[1:], "-n"], input=each.detect.encode(), capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b""), each.name
