"""The colours of the window: every token by name, once dark and once light."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtGui import QColor, QPalette


@dataclass(frozen=True)
class Theme:
    """All colours a view may use. Colour means state; `accent` means active."""

    name: str
    dark: bool
    window: QColor
    view: QColor
    raised: QColor
    hover: QColor
    sel: QColor
    seloff: QColor
    line: QColor
    track: QColor
    ctl: QColor
    t1: QColor
    t2: QColor
    t3: QColor
    accent: QColor
    fill: QColor
    onfill: QColor
    ready: QColor
    running: QColor
    retry: QColor
    wait: QColor
    failed: QColor
    failbg: QColor
    warnbg: QColor
    addbg: QColor
    delbg: QColor
    hit: QColor

    def color(self, token: str) -> QColor:
        """The colour of a token that is known only by name."""
        return QColor(getattr(self, token))


DARK = Theme(
    name="dark",
    dark=True,
    window=QColor("#14161B"),
    view=QColor("#191C22"),
    raised=QColor("#22262E"),
    hover=QColor("#20242B"),
    sel=QColor("#223A5E"),
    seloff=QColor("#2A2F39"),
    line=QColor("#2B303A"),
    track=QColor("#363C48"),
    ctl=QColor("#737D8D"),
    t1=QColor("#E6E9EF"),
    t2=QColor("#B4BBC8"),
    t3=QColor("#9CA5B3"),
    accent=QColor("#87B2FC"),
    fill=QColor("#2563EB"),
    onfill=QColor("#FFFFFF"),
    ready=QColor("#56DDA6"),
    running=QColor("#87B2FC"),
    retry=QColor("#E8C03C"),
    wait=QColor("#A3ABB7"),
    failed=QColor("#FF7D6C"),
    failbg=QColor("#38232A"),
    warnbg=QColor("#342F1F"),
    addbg=QColor("#1C3329"),
    delbg=QColor("#3A252B"),
    hit=QColor("#66540F"),
)

LIGHT = Theme(
    name="light",
    dark=False,
    window=QColor("#F3F4F7"),
    view=QColor("#FFFFFF"),
    raised=QColor("#ECEEF2"),
    hover=QColor("#F5F7FA"),
    sel=QColor("#D8E6FC"),
    seloff=QColor("#E4E7EC"),
    line=QColor("#DFE2E8"),
    track=QColor("#D5DAE2"),
    ctl=QColor("#7F8897"),
    t1=QColor("#1A1E26"),
    t2=QColor("#464E5B"),
    t3=QColor("#5D6675"),
    accent=QColor("#1459D1"),
    fill=QColor("#1459D1"),
    onfill=QColor("#FFFFFF"),
    ready=QColor("#14734B"),
    running=QColor("#1459D1"),
    retry=QColor("#7E5900"),
    wait=QColor("#555B66"),
    failed=QColor("#AE1C33"),
    failbg=QColor("#FBEBED"),
    warnbg=QColor("#FAF1DB"),
    addbg=QColor("#E2F4EA"),
    delbg=QColor("#FBE9EB"),
    hit=QColor("#FFE083"),
)

_ROLES: tuple[tuple[QPalette.ColorRole, str], ...] = (
    (QPalette.ColorRole.Window, "window"),
    (QPalette.ColorRole.Base, "view"),
    (QPalette.ColorRole.Button, "view"),
    (QPalette.ColorRole.AlternateBase, "hover"),
    (QPalette.ColorRole.WindowText, "t1"),
    (QPalette.ColorRole.Text, "t1"),
    (QPalette.ColorRole.ButtonText, "t1"),
    (QPalette.ColorRole.BrightText, "t1"),
    (QPalette.ColorRole.HighlightedText, "t1"),
    (QPalette.ColorRole.PlaceholderText, "t3"),
    (QPalette.ColorRole.Highlight, "sel"),
    (QPalette.ColorRole.Link, "accent"),
    (QPalette.ColorRole.LinkVisited, "accent"),
    (QPalette.ColorRole.Accent, "accent"),
    (QPalette.ColorRole.ToolTipBase, "raised"),
    (QPalette.ColorRole.ToolTipText, "t1"),
    (QPalette.ColorRole.Light, "raised"),
    (QPalette.ColorRole.Midlight, "line"),
    (QPalette.ColorRole.Mid, "line"),
    (QPalette.ColorRole.Dark, "ctl"),
    (QPalette.ColorRole.Shadow, "window"),
)
_DISABLED = (
    QPalette.ColorRole.WindowText,
    QPalette.ColorRole.Text,
    QPalette.ColorRole.ButtonText,
    QPalette.ColorRole.HighlightedText,
)


def palette(theme: Theme) -> QPalette:
    """The palette that gives Qt's own widgets the colours of `theme`."""
    colors = QPalette()
    for role, token in _ROLES:
        colors.setColor(role, theme.color(token))
    for role in _DISABLED:
        colors.setColor(QPalette.ColorGroup.Disabled, role, theme.t3)
    colors.setColor(QPalette.ColorGroup.Inactive, QPalette.ColorRole.Highlight, theme.seloff)
    return colors
