"""Colours that can be read: WCAG 2 contrast of everything that is drawn on everything it is drawn on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from itertools import combinations

import pytest
from PySide6.QtGui import QColor, QImage, QPainter, QPalette
from PySide6.QtWidgets import QApplication, QStyle, QStyleOptionButton
from pytestqt.qtbot import QtBot

from kdeploy_gui.ui.look import Look
from kdeploy_gui.ui.states import CATEGORY_LOOK, Condition
from kdeploy_gui.ui.style import Option
from kdeploy_gui.ui.theme import DARK, LIGHT, Theme
from kdeploy_gui.ui.widgets import Button, Kind

TEXT, GRAPHICS = 4.5, 3.0
"""Least ratios for text, and for icons and the borders of controls."""
SURFACES = ("view", "window", "raised", "hover", "sel", "seloff")
TEXTS = ("t1", "t2", "t3", "accent", "ready", "running", "retry", "wait", "failed")
STATES = ("ready", "running", "retry", "wait", "failed")
APART = 15.0
"""Least distance of two state colours in CIELAB."""
BOTH = pytest.mark.parametrize("theme", [DARK, LIGHT], ids=lambda each: each.name)


def linear(color: QColor) -> tuple[float, float, float]:
    """Linear sRGB, 0 to 1 (WCAG 2, definition of relative luminance)."""
    parts = (color.redF(), color.greenF(), color.blueF())
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return red, green, blue


def contrast(one: QColor, other: QColor) -> float:
    """WCAG 2 contrast ratio, 1 to 21."""
    dark, light = sorted(0.2126 * r + 0.7152 * g + 0.0722 * b for r, g, b in map(linear, (one, other)))
    return (light + 0.05) / (dark + 0.05)


def lab(color: QColor) -> tuple[float, float, float]:
    """CIELAB of a colour under D65."""
    red, green, blue = linear(color)
    xyz = (
        (0.4124 * red + 0.3576 * green + 0.1805 * blue) / 0.95047,
        0.2126 * red + 0.7152 * green + 0.0722 * blue,
        (0.0193 * red + 0.1192 * green + 0.9505 * blue) / 1.08883,
    )
    x, y, z = (part ** (1 / 3) if part > 0.008856 else 7.787 * part + 16 / 116 for part in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def too_close(theme: Theme, on: Mapping[str, Sequence[str]], least: float) -> Iterator[str]:
    """Pairs of tokens whose contrast is less, with the ratio."""
    for surface, drawn in on.items():
        for token in drawn:
            ratio = contrast(theme.color(token), theme.color(surface))
            if ratio < least:
                yield f"{token} on {surface}: {ratio:.2f}"


@BOTH
def test_text_can_be_read_on_every_surface(theme: Theme) -> None:
    on: dict[str, Sequence[str]] = dict.fromkeys(SURFACES, TEXTS)
    on.update(failbg=("t1", "t2", "failed"), warnbg=("t1", "t2", "retry"), fill=("onfill",))
    on.update(addbg=("t1",), delbg=("t1",), hit=("t1",))
    assert sorted(too_close(theme, on, TEXT)) == []


@BOTH
def test_controls_can_be_seen(theme: Theme) -> None:
    on: dict[str, Sequence[str]] = dict.fromkeys(("window", "raised", "hover"), ("ctl", "accent"))
    on.update(sel=("t2", "accent"), view=("ctl", "accent", "fill"))
    assert sorted(too_close(theme, on, GRAPHICS)) == []


@BOTH
def test_states_differ_from_each_other(theme: Theme) -> None:
    for one, other in combinations(STATES, 2):
        distance = sum((a - b) ** 2 for a, b in zip(lab(theme.color(one)), lab(theme.color(other)), strict=True)) ** 0.5
        assert distance > APART, (one, other)


@BOTH
def test_every_state_and_category_is_drawn_in_a_colour_of_the_theme_and_has_a_word(theme: Theme) -> None:
    tokens = {each.name for each in fields(theme)} - {"name", "dark"}
    for condition in Condition:
        assert {condition.token, condition.word_token} <= tokens
        assert condition.word
        assert condition.icon
    assert all(word and icon for word, icon in CATEGORY_LOOK.values())


def test_no_two_states_look_the_same() -> None:
    """Neither the word nor, without colour, icon and word together."""
    seen = [(each.icon, each.word) for each in Condition]
    assert len(set(seen)) == len(seen)


def test_the_palette_follows_the_theme(look: Look, qapp: QApplication) -> None:
    for name, theme in (("light", LIGHT), ("dark", DARK)):
        look.set_theme(name)
        palette = qapp.palette()
        roles = {
            QPalette.ColorRole.Base: theme.view,
            QPalette.ColorRole.Text: theme.t1,
            QPalette.ColorRole.Link: theme.accent,
        }
        assert {role: palette.color(role) for role in roles} == roles


@pytest.mark.parametrize("name", ["dark", "light"])
@pytest.mark.parametrize("kind", Kind)
def test_a_button_with_the_focus_shows_it(look: Look, qtbot: QtBot, kind: Kind, name: str) -> None:
    """Drawn by the style itself: which window has the focus is the platform's affair."""
    look.set_theme(name)
    button = Button("Deploy", look, kind)
    qtbot.addWidget(button)
    option: Option = QStyleOptionButton()
    button.initStyleOption(option)
    unfocused = option.state & ~QStyle.StateFlag.State_HasFocus

    def drawn(state: QStyle.StateFlag) -> QImage:
        image = QImage(option.rect.size(), QImage.Format.Format_ARGB32_Premultiplied)
        image.fill(look.theme.window)
        option.state = state
        with QPainter(image) as painter:
            button.style().drawControl(QStyle.ControlElement.CE_PushButton, option, painter, button)
        return image

    without, with_it = drawn(unfocused), drawn(unfocused | QStyle.StateFlag.State_HasFocus)
    pixels = [(x, y) for x in range(with_it.width()) for y in range(with_it.height())]
    ratios = [contrast(with_it.pixelColor(*each), without.pixelColor(*each)) for each in pixels]
    assert sum(each >= GRAPHICS for each in ratios) > 2 * min(with_it.width(), with_it.height())
