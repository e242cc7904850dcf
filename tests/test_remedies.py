"""Every error code has a remedy, every remedy an error, and every placeholder a value."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import kdeploy_gui
from kdeploy_gui import errors
from kdeploy_gui.errors import KdeployError, LocalError, TrustError
from kdeploy_gui.remedies import FOLDER, LAB, TRUST, RemedyTexts, bundled, placeholders

PACKAGE = Path(kdeploy_gui.__file__).parent
CODE = re.compile(r"E-[A-Z][A-Z-]*[A-Z]")
NO_DETAILS = {"path", "on_target", "evidence"}
ERRORS = {name for name, each in vars(errors).items() if isinstance(each, type) and issubclass(each, KdeployError)}


def trees() -> Iterator[tuple[Path, ast.AST]]:
    for file in sorted(PACKAGE.rglob("*.py")):
        yield file.relative_to(PACKAGE), ast.parse(file.read_text(encoding="utf-8"))


def codes() -> set[str]:
    """Every string of the package that is an error code: in constructors and in tables that lead to them."""
    nodes = (node for _, tree in trees() for node in ast.walk(tree))
    constants = {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}
    return {each for each in constants if CODE.fullmatch(each)}


def raised() -> Iterator[tuple[str, str, set[str]]]:
    """Place, code and keywords of every error that is constructed with its code spelt out."""
    for file, tree in trees():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ERRORS):
                continue
            if node.args and isinstance(node.args[0], ast.Constant):
                yield f"{file}:{node.lineno}", str(node.args[0].value), {str(each.arg) for each in node.keywords}


def test_scan_sees_the_package() -> None:
    assert {"E-HOSTKEY-CHANGED", "E-AUTH", "E-NOSPC"} <= codes()
    assert len(list(raised())) > 20


def test_every_code_has_a_remedy() -> None:
    assert sorted(codes() - bundled().templates.keys()) == []


def test_no_remedy_is_left_over() -> None:
    assert sorted(bundled().templates.keys() - codes()) == []


def test_every_placeholder_is_supplied_where_the_error_is_raised() -> None:
    missing = [
        f"{place} {code}: {name}"
        for place, code, given in raised()
        for name in placeholders(bundled().templates.get(code, "")) - {"environment", LAB, TRUST} - given
        if "None" not in given
    ]
    assert missing == []


def test_details_do_not_hide_behind_fixed_names() -> None:
    supplied = {name for _, _, given in raised() for name in given} - NO_DETAILS
    assert "environment" not in supplied


def test_unknown_host_key_names_the_exact_command() -> None:
    error = TrustError("E-HOSTKEY-UNKNOWN", "first contact", offered="SHA256:abc")
    remedy = bundled().remedy(error, "board-a")
    assert "`ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`" in remedy
    assert remedy.endswith("`kdeploy env trust board-a --fingerprint SHA256:abc`")


def test_commands_name_the_lab_file_that_is_in_use(tmp_path: Path) -> None:
    error = TrustError("E-HOSTKEY-UNKNOWN", "first contact", offered="SHA256:abc")
    remedy = bundled().for_lab(tmp_path / "our lab.toml").remedy(error, "board-a")
    assert remedy.endswith(f"`kdeploy env trust board-a --fingerprint SHA256:abc --lab '{tmp_path}/our lab.toml'`")


def test_changed_host_key_is_compared_before_anything_else() -> None:
    remedy = bundled().remedy(TrustError("E-HOSTKEY-CHANGED", "other key", offered="SHA256:new"), "board-a")
    assert remedy.index("compared") < remedy.index("env trust")
    assert "attack" in remedy


def test_missing_value_shows_as_a_gap() -> None:
    assert RemedyTexts({"E-X": "look at {path} of {nobody}"}).text("E-X", {"path": ""}) == "look at <path> of <nobody>"


def test_values_cannot_reach_into_objects_or_be_formatted_again() -> None:
    texts = RemedyTexts({"E-X": "{path.__class__} {path[0]} {path:>9000000}"})
    assert texts.text("E-X", {"path": "{environment}"}) == "<path.__class__> <path[0]> {environment}"


def test_values_in_commands_are_quoted() -> None:
    texts = RemedyTexts({"E-X": "rm {path!q}"})
    assert texts.text("E-X", {"path": "a b; reboot"}) == "rm 'a b; reboot'"


def test_code_without_remedy_gives_no_text() -> None:
    assert bundled().remedy(LocalError("E-NEVER-HEARD-OF", "x"), "board-a") == ""


@pytest.mark.parametrize("text", ['[E-A]\nremedy = "x"\n[E-B]\nnote = "y"\n', "E-A = 1\n"])
def test_table_without_remedy_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.toml").write_text(text)
    with pytest.raises(ValueError, match=r"a\.toml"):
        RemedyTexts.read(tmp_path)


def test_code_in_two_files_is_refused(tmp_path: Path) -> None:
    for name in ("a.toml", "b.toml"):
        (tmp_path / name).write_text('[E-A]\nremedy = "x"\n')
    with pytest.raises(ValueError, match="twice"):
        RemedyTexts.read(tmp_path)


def test_files_name_the_categories() -> None:
    categories = {each.value.lower() for each in errors.Category}
    assert {file.stem for file in FOLDER.glob("*.toml")} <= categories


@pytest.mark.parametrize(
    ("hop", "command"),
    [
        ("", "kdeploy env trust board-a --fingerprint SHA256:abc"),
        ("gate", "kdeploy env trust gate --fingerprint SHA256:abc"),
        ("ops@gate:22", "kdeploy env trust board-a --jump-host --fingerprint SHA256:abc"),
    ],
)
def test_a_jump_host_is_pinned_where_it_stands(hop: str, command: str) -> None:
    error = TrustError("E-HOSTKEY-UNKNOWN", "first contact", offered="SHA256:abc")
    error.hop = hop
    remedy = bundled().remedy(error, "board-a")
    assert remedy.endswith(f"`{command}`")
    assert f"On the console of {hop or 'board-a'}," in remedy
