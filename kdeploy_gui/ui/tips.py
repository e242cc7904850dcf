"""Tooltips with foreign text."""

from __future__ import annotations

from html import escape

from kdeploy_gui.model.visible import visible_lines


def plain_tip(text: str) -> str:
    """`text` for a tooltip that shows it as it is: left alone, Qt guesses whether it is rich text, and text can lie."""
    return f"<qt>{escape(visible_lines(text)).replace(chr(10), '<br>')}</qt>" if text else ""
