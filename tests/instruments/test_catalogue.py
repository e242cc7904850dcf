"""The instrument catalogue as data, tied to the code that decides."""

from __future__ import annotations

import re
import string
from pathlib import Path

import pytest

from kdeploy_gui.instruments import rules
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.instruments.detection import RULES
from kdeploy_gui.instruments.entries import load
from kdeploy_gui.instruments.proving import PROOFS
from kdeploy_gui.model.instrument import Where
from kdeploy_gui.resources import ROOT

CONTRACT = [
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
"""What a plan's [instrumentation] may hold beside its settings, whatever else comes."""
ENTRIES = load()
RULE_TEXTS = [each.read_text() for each in Path(rules.__file__).parent.glob("*.py")]
CAUSE = re.compile(r'(?:cause=|off\(|unknown\()\s*"([a-z_]+)"')


def test_every_instrument_of_plans_is_there_once_and_has_a_title() -> None:
    assert set(CONTRACT) <= {each.name for each in ENTRIES}
    assert all(each.title and each.finds for each in ENTRIES)
    assert len({each.title for each in ENTRIES}) == len(ENTRIES)


def test_every_entry_has_a_rule_and_every_rule_an_entry() -> None:
    assert {each.name for each in ENTRIES} == set(RULES)


def test_every_proof_has_a_script_and_a_judge() -> None:
    wanted = {each.proof for each in ENTRIES if each.proof}
    assert wanted == set(PROOFS)
    for each in ENTRIES:
        if each.proof and each.where is Where.TARGET:
            assert (ROOT / f"remote/proofs/{each.proof}.sh").is_file()
        assert bool(each.proof) == bool(each.restores), f"{each.name} says what its proof leaves as it was"


def test_every_cause_that_code_names_has_its_sentence() -> None:
    named = {cause for text in RULE_TEXTS for cause in CAUSE.findall(text)}
    said = {cause for each in ENTRIES for cause in each.says}
    assert named <= said
    own = {cause for each in ENTRIES for cause in each.says} - {"silent", "not_proven", "not_restored", "no_helper"}
    unused = {cause for cause in own if not any(f'"{cause}"' in text for text in [*RULE_TEXTS, *_texts()])}
    assert not unused


def _texts() -> list[str]:
    return [each.read_text() for each in Path(rules.__file__).parent.parent.glob("*.py")]


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda each: each.name)
def test_sentences_name_nothing_that_nobody_fills_in(entry: object) -> None:
    filled = {"title", "since", "architectures", "config", "packages", "release", "machine", "compiler", "lockdown"}
    given = {"reads", "tool", "because", "report", "checks", "level", "tracers", "use", "consoles", "count", "total"}
    for sentence in entry.says.values():  # type: ignore[attr-defined]
        for _, name, _, _ in string.Formatter().parse(sentence.what + sentence.remedy):
            assert name is None or name in filled | given | {"findings"}, sentence


def test_every_switch_cures_a_cause_that_is_known() -> None:
    for entry in ENTRIES:
        for switch in entry.switches:
            assert switch.cures in entry.says
            assert bool(switch.on) != bool(switch.mount)


def test_exclusions_are_mutual_and_lead_to_entries() -> None:
    by_name = {each.name: each for each in ENTRIES}
    for entry in ENTRIES:
        for other in entry.excludes:
            assert entry.name in by_name[other].excludes


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ('order = 1\ntitle = "A"\ndetekt = "x"', "unknown key 'detekt'"),
        ('order = "1"\ntitle = "A"', "order must be a number"),
        ('title = "A"', "order is missing"),
        ('order = 1\ntitle = "A"\nconfig = "KASAN"', "config must be an array of strings"),
        ('order = 1\ntitle = "A"\nwhere = "moon"', "where must be one of"),
        ('order = 1\ntitle = "A"\n[look]\nfile = ["/x"]', "unknown key 'file'"),
        ('order = 1\ntitle = "A"\n[[switch]]\npath = "/x"', "cures is missing"),
        ('order = 1\ntitle = "A"\n[says.off]\nremedy = "x"', "what is missing"),
        ('order = 1\ntitle = "A"\n[says]\noff = "x"', "says.off must be a table"),
        ('order = 1\ntitle = "A"\nswitch = [1]', "switch must be an array of tables"),
        ("order = ", "a.toml"),
    ],
)
def test_a_mistake_in_an_entry_is_named(tmp_path: Path, text: str, mistake: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ValueError, match=re.escape(mistake)):
        Catalogue(tmp_path)


def test_instruments_come_in_the_order_that_the_files_give(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text('order = 2\ntitle = "A"\n')
    (tmp_path / "b.toml").write_text('order = 1\ntitle = "B"\naliases = ["bee"]\n')
    catalogue = Catalogue(tmp_path)
    assert [each.name for each in catalogue.all()] == ["b", "a"]
    assert catalogue.all()[0].aliases == ("bee",)


@pytest.mark.parametrize(("name", "canonical"), [("ktsan", "kcsan"), ("kasan", "kasan"), ("KASAN", ""), ("", "")])
def test_old_names_lead_to_new_ones_and_unknown_ones_nowhere(name: str, canonical: str) -> None:
    assert Catalogue().canonical(name) == canonical


def test_no_name_or_alias_stands_twice() -> None:
    words = [word for each in ENTRIES for word in (each.name, *each.aliases)]
    assert len(words) == len(set(words))


def test_an_empty_folder_is_an_empty_catalogue(tmp_path: Path) -> None:
    assert Catalogue(tmp_path).all() == ()
