"""The first steps, readable offline: from an empty window to a machine that is READY."""

from __future__ import annotations

from PySide6.QtWidgets import QDialog, QScrollArea, QVBoxLayout, QWidget

from kdeploy_gui import __version__
from kdeploy_gui.ui.look import Look, Text
from kdeploy_gui.ui.widgets import PlainLabel

STEPS = (
    (
        "1. Add an environment",
        "An environment is one machine: a board over SSH or a QEMU/KVM guest. Environment > Add environment asks for an"
        " address and a user, tests them line by line and shows the host key. Compare its fingerprint on the machine's"
        " own console before you pin it: kdeploy sends nothing to a machine whose key is not pinned. Environment > Add"
        " guests from libvirt lists what a hypervisor has.",
    ),
    (
        "2. Start a deployment",
        "Ctrl+N opens the wizard: environments, artifacts, dependencies, instrumentation, limits and policy, review. It"
        " stores itself and can be left at any time. The review says per machine and file what would change, with the"
        " difference, and touches nothing.",
    ),
    (
        "3. Watch it",
        "Every machine goes through six stages. The grid shows where each one is, the pane below the log of the chosen"
        " one. Closing the window during a run asks first; what was started with the command line shows here, too.",
    ),
    (
        "4. Understand what failed",
        "The tab Errors groups failures by cause and says what happened, what is on the target now and what you can do."
        " Alt+1 does the first of those. Retry runs only what failed; unchanged files are not sent again.",
    ),
    (
        "5. Trust READY",
        "READY is bound to the boot, the kernel build and the deployed files. Any change drops it. Scripts ask with:"
        " kdeploy ready NAME",
    ),
    (
        "Keys",
        "Ctrl+K finds every command and environment, Ctrl+/ lists all keys, F6 goes round the parts of the window.",
    ),
)


class FirstSteps(QDialog):
    """A window beside the main one; it may stay open."""

    def __init__(self, look: Look, parent: QWidget) -> None:
        super().__init__(parent)
        self.setWindowTitle("First steps with kdeploy")
        self.resize(look.px(560), look.px(560))
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(*[look.px(24)] * 4)
        column.setSpacing(look.px(8))
        column.addWidget(PlainLabel("First steps", look, Text.TITLE))
        for title, text in STEPS:
            column.addSpacing(look.px(8))
            column.addWidget(PlainLabel(title, look, Text.HEADING))
            column.addWidget(PlainLabel(text, look, Text.BODY, "t2", selectable=True, wrap=True))
        column.addSpacing(look.px(16))
        column.addWidget(PlainLabel(f"kdeploy {__version__}", look, Text.CELL, "t3"))
        column.addStretch()
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QScrollArea.Shape.NoFrame)
        scroll.setAccessibleName("First steps")
        scroll.setWidget(page)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 0, 0, 0)
        whole.addWidget(scroll)
