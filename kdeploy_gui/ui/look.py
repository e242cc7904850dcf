"""How the window looks now: theme, text size and density, and the fonts, heights and icons that follow from them."""

from __future__ import annotations

from enum import Enum
from functools import cache

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QFont, QFontDatabase, QFontMetrics, QGuiApplication, QIcon, QPixmap
from PySide6.QtWidgets import QApplication

from kdeploy_gui.resources import ROOT
from kdeploy_gui.ui import icons
from kdeploy_gui.ui.style import KdeployStyle
from kdeploy_gui.ui.theme import DARK, LIGHT, Theme, palette

UI_FAMILIES = ["Inter", "Noto Sans", "DejaVu Sans", "sans-serif"]
MONO_FAMILIES = ["JetBrains Mono", "DejaVu Sans Mono", "monospace"]
THEMES = ("system", "dark", "light")
DENSITIES = ("comfortable", "compact")
TEXT_SIZES = range(90, 151)
"""Per cent of the designed size."""


@cache
def _load_fonts() -> None:
    for path in sorted((ROOT / "fonts").glob("*.[ot]tf")):
        QFontDatabase.addApplicationFont(str(path))


class Text(Enum):
    """What a text is; the value is its size in pixels at 100 %, its weight, and whether it is monospaced."""

    TITLE = (20, QFont.Weight.DemiBold, False)
    HEADING = (15, QFont.Weight.DemiBold, False)
    BODY = (13, QFont.Weight.Normal, False)
    NAME = (13, QFont.Weight.Medium, False)
    CELL = (12, QFont.Weight.Normal, False)
    HEADER = (12, QFont.Weight.Medium, False)
    LOG = (12, QFont.Weight.Normal, True)


class Row(Enum):
    """A kind of row; the value is its height in pixels at 100 %, comfortable and compact, and its name."""

    TREE = (28, 24, "tree")
    GRID = (28, 24, "grid")
    HISTORY = (28, 24, "history")
    PLAN = (26, 24, "plan")
    MATRIX = (32, 26, "matrix")
    ERROR = (64, 52, "error")
    LOG = (18, 16, "log")
    LOG_GROUP = (24, 22, "log group")
    FLEET_HEADER = (38, 38, "fleet header")
    TABLE_HEADER = (28, 26, "table header")


SMALL_TEXT = {"QHeaderView": Text.HEADER, "QStatusBar": Text.CELL, "QToolTip": Text.CELL}
"""Qt's widgets whose text is not `Text.BODY`."""


class Look(QObject):
    """The present look. Views ask it for everything and drop what they cached when it says `changed`."""

    changed = Signal()

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        _load_fonts()
        self.density = "comfortable"
        self.text_size = 100
        self._fonts: dict[Text, QFont] = {}
        self._metrics: dict[Text, QFontMetrics] = {}
        self._icons: dict[tuple[str, str], QIcon] = {}
        self._pixmaps: dict[tuple[str, str, int, float], QPixmap] = {}
        self.theme_name = "system"
        self.theme: Theme = self._desktop_theme()
        self._app: QApplication | None = None
        QGuiApplication.styleHints().colorSchemeChanged.connect(self._desktop_changed)

    def apply(self, app: QApplication) -> None:
        """Give the whole program this look, now and whenever it changes."""
        self._app = app
        style = app.style()
        if isinstance(style, KdeployStyle):
            style.look = self
        else:
            app.setStyle(KdeployStyle(self))
        self._show()

    def set_theme(self, name: str) -> None:
        """Follow the desktop ("system") or be "dark" or "light"."""
        if name not in THEMES:
            raise ValueError(f"no theme {name!r}")
        self.theme_name = name
        self._set(self._desktop_theme() if name == "system" else {"dark": DARK, "light": LIGHT}[name])

    def set_text_size(self, percent: int) -> None:
        """Scale all text and all heights; kept within 90 and 150 %."""
        self.text_size = min(max(percent, TEXT_SIZES.start), TEXT_SIZES.stop - 1)
        self._show()

    def set_density(self, name: str) -> None:
        """Make rows "comfortable" or "compact"."""
        if name not in DENSITIES:
            raise ValueError(f"no density {name!r}")
        self.density = name
        self._show()

    def font(self, text: Text) -> QFont:
        """The font of a kind of text; do not change it."""
        if text not in self._fonts:
            self._fonts[text] = self._make_font(*text.value)
        return self._fonts[text]

    def metrics(self, text: Text) -> QFontMetrics:
        """The measures of a kind of text."""
        if text not in self._metrics:
            self._metrics[text] = QFontMetrics(self.font(text))
        return self._metrics[text]

    def px(self, pixels: int) -> int:
        """Pixels of the design, scaled by the text size."""
        return round(pixels * self.text_size / 100)

    def row(self, kind: Row) -> int:
        """The height of a kind of row in pixels."""
        comfortable, compact, _ = kind.value
        return self.px(compact if self.density == "compact" else comfortable)

    def icon(self, name: str, token: str = "t2") -> QIcon:  # noqa: S107 - a colour token
        """A glyph in the colour of a token, for buttons and menus; ask again when the look changed."""
        key = (name, token)
        if key not in self._icons:
            self._icons[key] = icons.icon(name, self.theme.color(token), self.theme.t3)
        return self._icons[key]

    def pixmap(self, name: str, token: str, size: int, ratio: float = 1.0) -> QPixmap:
        """A glyph in the colour of a token for painting: `size` in logical pixels, `ratio` of the painter's device."""
        key = (name, token, size, ratio)
        if key not in self._pixmaps:
            self._pixmaps[key] = icons.pixmap(name, size, ratio, self.theme.color(token))
        return self._pixmaps[key]

    def _make_font(self, size: int, weight: QFont.Weight, mono: bool) -> QFont:
        font = QFont()
        font.setFamilies(MONO_FAMILIES if mono else UI_FAMILIES)
        font.setPixelSize(self.px(size))
        font.setWeight(weight)
        font.setHintingPreference(QFont.HintingPreference.PreferNoHinting)
        font.setFeature(QFont.Tag("calt"), 0)
        if mono:
            font.setFixedPitch(True)
            font.setFeature(QFont.Tag("liga"), 0)
        else:
            font.setFeature(QFont.Tag("tnum"), 1)
        return font

    def _desktop_theme(self) -> Theme:
        scheme = QGuiApplication.styleHints().colorScheme()
        return DARK if scheme is Qt.ColorScheme.Dark else LIGHT

    def _desktop_changed(self) -> None:
        if self.theme_name == "system":
            self._set(self._desktop_theme())

    def _set(self, theme: Theme) -> None:
        if theme is not self.theme:
            self.theme = theme
            self._show()

    def _show(self) -> None:
        self._fonts.clear()
        self._metrics.clear()
        self._icons.clear()
        self._pixmaps.clear()
        if self._app is not None:
            self._app.setPalette(palette(self.theme))
            self._app.setFont(self.font(Text.BODY))
            for name, text in SMALL_TEXT.items():
                self._app.setFont(self.font(text), name)  # type: ignore[arg-type]  # the stub wants bytes, PySide6 wants str
        self.changed.emit()
