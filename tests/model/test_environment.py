"""Choosing environments by name, tag and group."""

from __future__ import annotations

import pytest

from kdeploy_gui.model.environment import Environment, Lab, name_for

BOARD = Environment(name="board-a", host="192.0.2.1", group="rack-1/left", tags=("arm64", "net"), port=2222, user="lab")
GUEST = Environment(name="vm", host="::1")
LAB = Lab((BOARD, GUEST))


@pytest.mark.parametrize(
    "pattern",
    [
        "board-a",
        "board-*",
        "*",
        "b?ard-[abc]",
        "tag:net",
        "tag:arm*",
        "group:rack-1",
        "group:rack-1/left",
        "group:rack-1/",
        "group:rack-*",
    ],
)
def test_selected(pattern: str) -> None:
    assert BOARD.matches(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "board",
        "BOARD-A",
        "board-a ",
        "tag:arm",
        "tag:board-a",
        "group:rack",
        "group:left",
        "net",
        "rack-1",
        "",
        "tag:",
        "group:rack-1/l",
    ],
)
def test_not_selected(pattern: str) -> None:
    assert not BOARD.matches(pattern)


def test_environment_without_group_or_tags() -> None:
    assert not GUEST.matches("tag:*")
    assert not GUEST.matches("group:rack-1")


def test_selection_has_each_once_in_the_order_of_the_lab() -> None:
    assert LAB.select(["vm", "board-*", "*"]) == (BOARD, GUEST)
    assert LAB.select([]) == ()
    assert LAB.select(iter(["vm"])) == (GUEST,)


def test_lookup_by_name() -> None:
    assert LAB.get("vm") is GUEST
    assert LAB.get("vm*") is None


def test_address_for_messages() -> None:
    assert BOARD.address == "lab@192.0.2.1:2222"


@pytest.mark.parametrize(
    ("given", "taken", "name"),
    [
        ("kd-debug", [], "kd-debug"),
        ("Win 11 (old)", [], "win-11-old-"),
        ("_x", ["x"], "x-2"),
        ("x", ["x", "x-2"], "x-3"),
        ("###", [], "guest"),
        ("a" * 99, [], "a" * 60),
    ],
)
def test_names_of_others_become_names_of_the_lab(given: str, taken: list[str], name: str) -> None:
    assert name_for(given, taken) == name
