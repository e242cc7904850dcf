"""Tooltips with foreign text."""

from __future__ import annotations

from html import escape

from kdeploy_gui.model.visible import visible_lines


def plain_tip(text: str) -> str:
    """`text` for a tooltip that shows it as it is: Qt guesses what is rich text, and foreign text can lie."""
    shown = visible_lines(text)
    return f"<qt>{escape(shown).replace(chr(10), '<br>')}</qt>" if {"<", "&"} & set(shown) else shown
