"""How Qt's own widgets are drawn: Fusion, with flat controls, hairlines and a clear focus ring."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QIcon, QPainter, QPalette, QPen
from PySide6.QtWidgets import (
    QAbstractItemView,
    QAbstractSpinBox,
    QProxyStyle,
    QStyle,
    QStyleHintReturn,
    QStyleOption,
    QStyleOptionButton,
    QStyleOptionFrame,
    QStyleOptionHeader,
    QStyleOptionSlider,
    QStyleOptionTab,
    QStyleOptionToolButton,
    QStyleOptionViewItem,
    QWidget,
)

if TYPE_CHECKING:
    from kdeploy_gui.ui.look import Look

CE = QStyle.ControlElement
PE = QStyle.PrimitiveElement
CC = QStyle.ComplexControl
SC = QStyle.SubControl
PM = QStyle.PixelMetric
SH = QStyle.StyleHint
CT = QStyle.ContentsType
SE = QStyle.SubElement
State = QStyle.StateFlag

RADIUS = 4.0
ICON_GAP = 6
"""From an icon to its text; `QT_ICON_GAP` is what QPushButton has counted for it."""
QT_ICON_GAP = 4
METRICS = {
    PM.PM_SplitterWidth: 1,  # Qt takes hold of it 2 px to each side as well
    PM.PM_DefaultFrameWidth: 1,
    PM.PM_ButtonShiftHorizontal: 0,
    PM.PM_ButtonShiftVertical: 0,
    PM.PM_MenuPanelWidth: 1,
    PM.PM_MenuVMargin: 4,
    PM.PM_MenuBarPanelWidth: 0,
    PM.PM_ToolBarFrameWidth: 0,
    PM.PM_TabBarTabShiftVertical: 0,
    PM.PM_TabBarTabShiftHorizontal: 0,
    PM.PM_TabBarTabOverlap: 0,
    PM.PM_TabBarBaseOverlap: 0,
    PM.PM_ScrollView_ScrollBarSpacing: 0,
}
SCALED_METRICS = {
    PM.PM_ScrollBarExtent: 12,
    PM.PM_ScrollBarSliderMin: 32,
    PM.PM_IndicatorWidth: 16,
    PM.PM_IndicatorHeight: 16,
    PM.PM_ExclusiveIndicatorWidth: 16,
    PM.PM_ExclusiveIndicatorHeight: 16,
    PM.PM_CheckBoxLabelSpacing: 8,
    PM.PM_RadioButtonLabelSpacing: 8,
    PM.PM_ButtonIconSize: 16,
    PM.PM_SmallIconSize: 16,
    PM.PM_ToolBarIconSize: 16,
    PM.PM_HeaderMargin: 8,
    PM.PM_FocusFrameHMargin: 7,  # what cells keep free at their sides, less one
    PM.PM_LayoutHorizontalSpacing: 8,
    PM.PM_LayoutVerticalSpacing: 8,
    PM.PM_LayoutLeftMargin: 8,
    PM.PM_LayoutTopMargin: 8,
    PM.PM_LayoutRightMargin: 8,
    PM.PM_LayoutBottomMargin: 8,
}
HINTS = {
    SH.SH_EtchDisabledText: 0,
    SH.SH_DitherDisabledText: 0,
    SH.SH_Widget_Animation_Duration: 0,
    SH.SH_ScrollBar_Transient: 0,
    SH.SH_ScrollBar_LeftClickAbsolutePosition: 1,
    SH.SH_ComboBox_Popup: 0,
    SH.SH_ItemView_ShowDecorationSelected: 1,
}
CONTROL_HEIGHTS = {CT.CT_LineEdit: 28, CT.CT_ComboBox: 28, CT.CT_SpinBox: 28}
CHEVRONS = {
    PE.PE_IndicatorArrowDown: "chevron-down",
    PE.PE_IndicatorArrowUp: "chevron-up",
    PE.PE_IndicatorArrowLeft: "chevron-left",
    PE.PE_IndicatorArrowRight: "chevron-right",
    PE.PE_IndicatorHeaderArrow: "chevron-down",
}


Option = Any
"""A style option with its fields, of which the stubs of PySide6 6.9 know nothing."""
Widget = Any
"""A widget or None, which those stubs leave out."""


class KdeployStyle(QProxyStyle):
    """The style of the whole program; it draws with the colours of one `Look`."""

    def __init__(self, look: Look) -> None:
        super().__init__("Fusion")
        self.look = look
        self._controls: dict[QStyle.ControlElement, Callable[..., None]] = {
            CE.CE_PushButtonBevel: self._push_button,
            CE.CE_PushButtonLabel: self._push_button_label,
            CE.CE_HeaderSection: self._header,
            CE.CE_HeaderEmptyArea: self._header,
            CE.CE_HeaderLabel: self._header_label,
            CE.CE_TabBarTabShape: self._tab,
            CE.CE_TabBarTabLabel: self._tab_label,
            CE.CE_Splitter: self._fill_line,
            CE.CE_MenuBarItem: self._menu_bar_item,
            CE.CE_MenuBarEmptyArea: self._fill_window,
            CE.CE_ToolBar: self._fill_window,
        }
        self._primitives: dict[QStyle.PrimitiveElement, Callable[..., None]] = {
            PE.PE_PanelLineEdit: self._line_edit,
            PE.PE_FrameLineEdit: self._nothing,
            PE.PE_FrameFocusRect: self._focus,
            PE.PE_IndicatorCheckBox: self._check_box,
            PE.PE_IndicatorItemViewItemCheck: self._check_box,
            PE.PE_IndicatorRadioButton: self._radio_button,
            PE.PE_IndicatorBranch: self._branch,
            PE.PE_PanelItemViewItem: self._item,
            PE.PE_PanelItemViewRow: self._nothing,
            PE.PE_PanelMenu: self._panel,
            PE.PE_FrameMenu: self._nothing,
            PE.PE_PanelTipLabel: self._panel,
            PE.PE_Frame: self._frame,
            PE.PE_FrameStatusBarItem: self._nothing,
            PE.PE_PanelStatusBar: self._fill_window,
            PE.PE_PanelScrollAreaCorner: self._fill_view,
            PE.PE_FrameTabBarBase: self._tab_base,
            PE.PE_PanelButtonTool: self._tool_button_panel,
            **dict.fromkeys(CHEVRONS, self._nothing),
        }
        self._complex: dict[QStyle.ComplexControl, Callable[..., None]] = {
            CC.CC_ScrollBar: self._scroll_bar,
            CC.CC_ComboBox: self._combo_box,
            CC.CC_SpinBox: self._spin_box,
            CC.CC_ToolButton: self._tool_button,
        }

    def drawControl(
        self,
        element: QStyle.ControlElement,
        option: Option,
        painter: QPainter,
        widget: Widget = None,
    ) -> None:
        """Draw one part of a widget."""
        draw = self._controls.get(element)
        if draw is None:
            super().drawControl(element, option, painter, widget)
        else:
            draw(option, painter, widget)

    def drawPrimitive(
        self,
        element: QStyle.PrimitiveElement,
        option: Option,
        painter: QPainter,
        widget: Widget = None,
    ) -> None:
        """Draw an elementary shape."""
        if element in CHEVRONS:
            self._chevron(CHEVRONS[element], option.rect, painter, bool(option.state & State.State_Enabled))
            return
        draw = self._primitives.get(element)
        if draw is None:
            super().drawPrimitive(element, option, painter, widget)
        else:
            draw(option, painter, widget)

    def drawComplexControl(
        self,
        control: QStyle.ComplexControl,
        option: Option,
        painter: QPainter,
        widget: Widget = None,
    ) -> None:
        """Draw a widget with several parts."""
        draw = self._complex.get(control)
        if draw is None:
            super().drawComplexControl(control, option, painter, widget)
        else:
            draw(option, painter, widget)

    def pixelMetric(self, metric: QStyle.PixelMetric, option: Option = None, widget: Widget = None) -> int:
        """Sizes of the design, scaled by the text size."""
        if metric in METRICS:
            return METRICS[metric]
        if metric in SCALED_METRICS:
            return self.look.px(SCALED_METRICS[metric])
        return super().pixelMetric(metric, option, widget)

    def styleHint(
        self,
        hint: QStyle.StyleHint,
        option: Option = None,
        widget: Widget = None,
        returnData: QStyleHintReturn | None = None,
    ) -> int:
        """No motion, nothing etched."""
        if hint in HINTS:
            return HINTS[hint]
        return super().styleHint(hint, option, widget, returnData)

    def sizeFromContents(
        self, kind: QStyle.ContentsType, option: Option, contents: QSize, widget: Widget = None
    ) -> QSize:
        """Heights of the design; widths from the contents."""
        look = self.look
        if kind == CT.CT_PushButton:
            # Beside a glyph text begins at a fraction of a pixel, and its last letter needs the next one.
            padding = int(not option.icon.isNull()) if _kind(widget) == "link" else look.px(12)
            gap = look.px(ICON_GAP) - QT_ICON_GAP if not option.icon.isNull() and option.text else 0
            return QSize(contents.width() + 2 * padding + gap, look.px(28))
        if kind == CT.CT_TabBarTab:
            return QSize(contents.width(), look.px(36))
        if kind == CT.CT_HeaderSection:
            size = super().sizeFromContents(kind, option, contents, widget)
            return QSize(size.width(), max(size.height(), look.px(28)))
        if kind == CT.CT_ToolButton:
            padding = look.px(8) if _is(option, QStyleOptionToolButton) and option.text else look.px(4)
            return QSize(contents.width() + 2 * padding, max(contents.height(), look.px(28)))
        if kind == CT.CT_MenuBarItem:
            return QSize(contents.width() + look.px(16), look.px(28))
        size = super().sizeFromContents(kind, option, contents, widget)
        if kind in CONTROL_HEIGHTS:
            size.setHeight(look.px(CONTROL_HEIGHTS[kind]))
        return size

    def subElementRect(self, element: QStyle.SubElement, option: Option, widget: Widget = None) -> QRect:
        """The text of a field keeps 4 px from its border."""
        rect = super().subElementRect(element, option, widget)
        return rect.adjusted(4, 0, -4, 0) if element == SE.SE_LineEditContents and _framed(option) else rect

    def subControlRect(
        self,
        control: QStyle.ComplexControl,
        option: Option,
        part: QStyle.SubControl,
        widget: Widget = None,
    ) -> QRect:
        """A scroll bar is all groove; it has no arrows."""
        if control == CC.CC_ScrollBar and _is(option, QStyleOptionSlider):
            return self._scroll_bar_part(option, part)
        return super().subControlRect(control, option, part, widget)

    def _push_button(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        kind = _kind(widget)
        pressed = bool(option.state & (State.State_Sunken | State.State_On))
        over = bool(option.state & State.State_MouseOver)
        is_filled = kind == "primary" or bool(option.features & QStyleOptionButton.ButtonFeature.DefaultButton)
        if not option.state & State.State_Enabled:
            if kind not in {"flat", "link"}:
                self._box(painter, option.rect, theme.line, theme.view)
            return
        if is_filled:
            fill = theme.fill.darker(112) if pressed else theme.fill
            self._box(painter, option.rect, theme.accent if over else fill, fill)
        elif kind == "link":
            pass
        elif kind == "flat":
            if pressed or over:
                self._box(painter, option.rect, None, theme.seloff if pressed else theme.hover)
        else:
            ground = theme.seloff if pressed else theme.hover if over else theme.view
            self._box(painter, option.rect, theme.ctl, ground)
        if option.state & State.State_HasFocus and is_filled:
            self._ring(painter, option.rect.adjusted(2, 2, -2, -2), theme.onfill)
        elif option.state & State.State_HasFocus and kind == "link":
            rect = option.rect  # a ring would cover its text
            painter.fillRect(rect.left(), rect.bottom() - 1, rect.width(), 2, theme.accent)
        elif option.state & State.State_HasFocus:
            self._ring(painter, option.rect)

    def _push_button_label(self, option: Option, painter: QPainter, widget: Widget) -> None:
        kind = _kind(widget)
        default = kind == "primary" or option.features & QStyleOptionButton.ButtonFeature.DefaultButton
        copy: Option = QStyleOptionButton(option)
        if option.state & State.State_Enabled and (default or kind == "link"):
            color = self.look.theme.onfill if default else self.look.theme.accent
            copy.palette.setColor(QPalette.ColorRole.ButtonText, color)
        if option.icon.isNull() or not option.text:
            super().drawControl(CE.CE_PushButtonLabel, copy, painter, widget)
        else:
            self._icon_and_text(copy, painter, widget)

    def _tool_button(self, option: Option, painter: QPainter, widget: Widget) -> None:
        active = State.State_On | State.State_Sunken | State.State_MouseOver
        if option.state & active and (option.state & State.State_Enabled or option.state & State.State_On):
            self._tool_button_panel(option, painter, widget)
        label: Option = QStyleOptionToolButton(option)
        label.rect = super().subControlRect(CC.CC_ToolButton, option, SC.SC_ToolButton, widget)
        if _kind(widget) == "tab" and not option.state & State.State_On:
            label.palette.setColor(QPalette.ColorRole.ButtonText, self.look.theme.t2)
        if option.icon.isNull() or option.toolButtonStyle != Qt.ToolButtonStyle.ToolButtonTextBesideIcon:
            super().drawControl(CE.CE_ToolButtonLabel, label, painter, widget)
        else:
            self._icon_and_text(label, painter, widget)
        if option.subControls & SC.SC_ToolButtonMenu:
            menu = super().subControlRect(CC.CC_ToolButton, option, SC.SC_ToolButtonMenu, widget)
            self._chevron("chevron-down", menu, painter, bool(option.state & State.State_Enabled))
        if option.state & State.State_HasFocus:
            self._ring(painter, option.rect)

    def _icon_and_text(self, option: Option, painter: QPainter, widget: Widget) -> None:
        """Both in the middle, with a gap between them: Fusion keeps 4 px, and puts text at the left of its room."""
        rect, size, gap = QRect(option.rect), QSize(option.iconSize), self.look.px(ICON_GAP)
        enabled = bool(option.state & State.State_Enabled)
        flags = Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine
        shown = self.styleHint(SH.SH_UnderlineShortcut, option, widget)
        flags |= Qt.TextFlag.TextShowMnemonic if shown else Qt.TextFlag.TextHideMnemonic
        width = option.fontMetrics.size(int(flags), option.text).width()
        left = rect.left() + max(0, (rect.width() - size.width() - gap - width) // 2)
        mode = QIcon.Mode.Normal if enabled else QIcon.Mode.Disabled
        pixmap = option.icon.pixmap(size, painter.device().devicePixelRatio(), mode)
        painter.drawPixmap(left, rect.top() + (rect.height() - size.height()) // 2, pixmap)
        rect.setLeft(left + size.width() + gap)
        role = QPalette.ColorRole.ButtonText
        group = QPalette.ColorGroup.Active if enabled else QPalette.ColorGroup.Disabled
        painter.setFont(widget.font())
        painter.setPen(option.palette.color(group, role))
        painter.drawText(rect, int(flags), option.text)

    def _tool_button_panel(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        rect = option.rect
        on = bool(option.state & State.State_On)
        if _kind(widget) == "tab":
            if on:
                painter.fillRect(rect.left(), rect.bottom() - 1, rect.width(), 2, theme.accent)
            return
        ground = theme.sel if on else theme.seloff if option.state & State.State_Sunken else theme.hover
        self._box(painter, rect, None, ground, RADIUS - 1 if _kind(widget) == "segment" else RADIUS)

    def _line_edit(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        enabled = bool(option.state & State.State_Enabled)
        if not _framed(option):
            painter.fillRect(option.rect, theme.view if enabled else theme.window)
            return
        self._box(painter, option.rect, theme.ctl if enabled else theme.line, theme.view if enabled else theme.window)
        if option.state & State.State_HasFocus:
            self._ring(painter, option.rect)

    def _focus(self, option: Option, painter: QPainter, widget: Widget) -> None:
        if isinstance(widget, QAbstractItemView) and option.state & State.State_Selected:
            return
        self._ring(painter, option.rect)

    def _check_box(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        enabled = bool(option.state & State.State_Enabled)
        selected = bool(option.state & State.State_Selected)
        side = self.look.px(16)
        box = QRect(0, 0, side, side)
        box.moveCenter(option.rect.center())
        glyph = ""
        if option.state & State.State_NoChange:
            glyph = "minus"
        elif option.state & State.State_On:
            glyph = "check-bold"
        if glyph and enabled:
            self._box(painter, box, theme.accent if selected else theme.fill, theme.fill, 3.0)
        else:
            border = (theme.t2 if selected else theme.ctl) if enabled else theme.track
            self._box(painter, box, border, theme.view if enabled else theme.window, 3.0)
        if glyph:
            self._glyph(glyph, "onfill" if enabled else "t3", box, painter, self.look.px(14))

    def _radio_button(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        enabled = bool(option.state & State.State_Enabled)
        side = self.look.px(16)
        box = QRect(0, 0, side, side)
        box.moveCenter(option.rect.center())
        on = bool(option.state & State.State_On)
        border = (theme.fill if on else theme.ctl) if enabled else theme.track
        self._box(painter, box, border, border if on else theme.view, side / 2)
        if on:
            hole = QRectF(box).adjusted(side * 0.32, side * 0.32, -side * 0.32, -side * 0.32)
            painter.save()
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(theme.onfill)
            painter.drawEllipse(hole)
            painter.restore()

    def _branch(self, option: Option, painter: QPainter, widget: Widget) -> None:
        if option.state & State.State_Children:
            glyph = "chevron-down" if option.state & State.State_Open else "chevron-right"
            self._chevron(glyph, option.rect, painter, bool(option.state & State.State_Enabled))

    def _item(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        if _is(option, QStyleOptionViewItem) and option.backgroundBrush.style() != Qt.BrushStyle.NoBrush:
            painter.fillRect(option.rect, option.backgroundBrush)
        if option.state & State.State_Selected:
            focused = bool(option.state & State.State_Active) and (widget is None or widget.hasFocus())
            painter.fillRect(option.rect, theme.sel if focused else theme.seloff)
            if focused and option.rect.left() <= 0:
                painter.fillRect(option.rect.left(), option.rect.top(), 2, option.rect.height(), theme.accent)
        elif option.state & State.State_MouseOver and option.state & State.State_Enabled:
            painter.fillRect(option.rect, theme.hover)

    def _header(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        rect = option.rect
        painter.fillRect(rect, theme.window)
        if _is(option, QStyleOptionHeader) and option.orientation == Qt.Orientation.Vertical:
            painter.fillRect(rect.right(), rect.top(), 1, rect.height(), theme.line)
        else:
            painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, theme.line)

    def _header_label(self, option: Option, painter: QPainter, widget: Widget) -> None:
        copy: Option = QStyleOptionHeader(option)
        copy.palette.setColor(QPalette.ColorRole.ButtonText, self.look.theme.t3)
        copy.state &= ~State.State_On
        if option.section == 0 and widget is not None and widget.property("edge"):
            copy.rect = option.rect.adjusted(self.look.px(8), 0, 0, 0)
        super().drawControl(CE.CE_HeaderLabel, copy, painter, widget)

    def _tab(self, option: Option, painter: QPainter, widget: Widget) -> None:
        rect, padding = option.rect, self.pixelMetric(PM.PM_TabBarTabHSpace, option, widget) // 2
        if option.state & State.State_Selected:
            width = rect.width() - 2 * padding
            painter.fillRect(rect.left() + padding, rect.bottom() - 1, width, 2, self.look.theme.accent)

    def _tab_label(self, option: Option, painter: QPainter, widget: Widget) -> None:
        copy: Option = QStyleOptionTab(option)
        token = "t1" if option.state & State.State_Selected else "t2"
        copy.palette.setColor(QPalette.ColorRole.WindowText, self.look.theme.color(token))
        super().drawControl(CE.CE_TabBarTabLabel, copy, painter, widget)

    def _tab_base(self, option: Option, painter: QPainter, widget: Widget) -> None:
        rect = option.rect
        painter.fillRect(rect.left(), rect.bottom(), rect.width(), 1, self.look.theme.line)

    def _menu_bar_item(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        painter.fillRect(option.rect, theme.window)
        enabled = bool(option.state & State.State_Enabled)
        if enabled and option.state & (State.State_Selected | State.State_Sunken):
            self._box(painter, option.rect.adjusted(2, 2, -2, -2), None, theme.seloff)
        flags = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextSingleLine
        shown = self.styleHint(SH.SH_UnderlineShortcut, option, widget)
        flags |= Qt.TextFlag.TextShowMnemonic if shown else Qt.TextFlag.TextHideMnemonic
        painter.setPen(theme.t2 if enabled else theme.t3)
        painter.drawText(option.rect, flags, option.text)

    def _combo_box(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        enabled = bool(option.state & State.State_Enabled)
        over = enabled and option.state & State.State_MouseOver
        if option.frame:
            ground = theme.hover if over and not option.editable else theme.view
            self._box(painter, option.rect, theme.ctl if enabled else theme.line, ground)
        arrow = super().subControlRect(CC.CC_ComboBox, option, SC.SC_ComboBoxArrow, widget)
        self._chevron("chevron-down", arrow, painter, enabled)
        if option.state & State.State_HasFocus:
            self._ring(painter, option.rect)

    def _spin_box(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        enabled = bool(option.state & State.State_Enabled)
        self._box(painter, option.rect, theme.ctl if enabled else theme.line, theme.view)
        for part, glyph, step in (
            (SC.SC_SpinBoxUp, "chevron-up", QAbstractSpinBox.StepEnabledFlag.StepUpEnabled),
            (SC.SC_SpinBoxDown, "chevron-down", QAbstractSpinBox.StepEnabledFlag.StepDownEnabled),
        ):
            rect = super().subControlRect(CC.CC_SpinBox, option, part, widget)
            self._chevron(glyph, rect, painter, enabled and bool(option.stepEnabled & step), 12)
        if option.state & State.State_HasFocus:
            self._ring(painter, option.rect)

    def _scroll_bar(self, option: Option, painter: QPainter, widget: Widget) -> None:
        theme = self.look.theme
        painter.fillRect(option.rect, theme.view)
        if option.maximum <= option.minimum:
            return
        handle = QRectF(self._scroll_bar_part(option, SC.SC_ScrollBarSlider))
        handle = handle.adjusted(3, 2, -3, -2) if _upright(option) else handle.adjusted(2, 3, -2, -3)
        grabbed = option.activeSubControls & SC.SC_ScrollBarSlider and option.state & (
            State.State_Sunken | State.State_MouseOver
        )
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.ctl if grabbed else theme.track)
        painter.drawRoundedRect(handle, 3, 3)
        painter.restore()

    def _scroll_bar_part(self, option: Option, part: QStyle.SubControl) -> QRect:
        rect = option.rect
        length = rect.height() if _upright(option) else rect.width()
        span = option.maximum - option.minimum
        handle = length
        if span > 0:
            handle = length * option.pageStep // max(span + option.pageStep, 1)
            handle = min(max(handle, self.look.px(32)), length)
        start = self.sliderPositionFromValue(
            option.minimum, option.maximum, option.sliderPosition, length - handle, option.upsideDown
        )
        extents = {
            SC.SC_ScrollBarGroove: (0, length),
            SC.SC_ScrollBarSlider: (start, handle),
            SC.SC_ScrollBarSubPage: (0, start),
            SC.SC_ScrollBarAddPage: (start + handle, length - start - handle),
        }
        if part not in extents:
            return QRect()
        first, size = extents[part]
        if _upright(option):
            return QRect(rect.left(), rect.top() + first, rect.width(), size)
        return self.visualRect(option.direction, rect, QRect(rect.left() + first, rect.top(), size, rect.height()))

    def _panel(self, option: Option, painter: QPainter, widget: Widget) -> None:
        painter.fillRect(option.rect, self.look.theme.raised)
        self._frame(option, painter, widget)

    def _frame(self, option: Option, painter: QPainter, widget: Widget) -> None:
        painter.save()
        painter.setPen(self.look.theme.line)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRect(option.rect.adjusted(0, 0, -1, -1))
        painter.restore()

    def _fill_window(self, option: Option, painter: QPainter, widget: Widget) -> None:
        painter.fillRect(option.rect, self.look.theme.window)

    def _fill_view(self, option: Option, painter: QPainter, widget: Widget) -> None:
        painter.fillRect(option.rect, self.look.theme.view)

    def _fill_line(self, option: Option, painter: QPainter, widget: Widget) -> None:
        painter.fillRect(option.rect, self.look.theme.line)

    def _nothing(self, option: Option, painter: QPainter, widget: Widget) -> None:
        """Leave it out."""

    def _box(
        self, painter: QPainter, rect: QRect, border: QColor | None, ground: QColor, radius: float = RADIUS
    ) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen if border is None else QPen(border))
        painter.setBrush(ground)
        inset = 0.0 if border is None else 0.5
        painter.drawRoundedRect(QRectF(rect).adjusted(inset, inset, -inset, -inset), radius, radius)
        painter.restore()

    def _ring(self, painter: QPainter, rect: QRect, color: QColor | None = None) -> None:
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(QPen(color or self.look.theme.accent, 2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawRoundedRect(QRectF(rect).adjusted(1, 1, -1, -1), RADIUS - 1, RADIUS - 1)
        painter.restore()

    def _chevron(self, name: str, rect: QRect, painter: QPainter, enabled: bool, size: int = 16) -> None:
        self._glyph(name, "t2" if enabled else "track", rect, painter, min(self.look.px(size), rect.width()))

    def _glyph(self, name: str, token: str, rect: QRect, painter: QPainter, size: int) -> None:
        pixmap = self.look.pixmap(name, token, size, painter.device().devicePixelRatio())
        center = QRectF(rect).center()
        painter.drawPixmap(QPointF(center.x() - size / 2, center.y() - size / 2), pixmap)


def _kind(widget: QWidget | None) -> str:
    return str(widget.property("kind") or "") if widget is not None else ""


def _is(option: Option, kind: type[QStyleOption]) -> bool:
    return isinstance(option, kind)


def _framed(option: Option) -> bool:
    return _is(option, QStyleOptionFrame) and bool(option.lineWidth > 0)


def _upright(option: Option) -> bool:
    return bool(option.orientation == Qt.Orientation.Vertical)
