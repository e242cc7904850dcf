"""What goes on around a report: a running test suite, a boot, an emulated processor."""

from __future__ import annotations

import re

from kdeploy_gui.engine.splats.lines import Line
from kdeploy_gui.model.splat import Grade, Severity

HINTS = (
    "KTAP version",
    "TAP version",
    "# Subtest: ",
    "Linux version ",
    "login: ",
    "Startup finished in ",
    "QEMU TCG CPU",
)
"""One of these is in every line that opens something here."""
BOOT = 300.0
"""Seconds after which a boot is over, seen or not."""
_SUITE_SECONDS = 300.0
_SUITE_LINES = 5000
"""A suite of which nothing is heard for so long has ended unseen."""
_RESULT = re.compile(r"(?:not )?ok \d+ ")
_SUBTEST = re.compile(r"\s*# Subtest: (\S+)")
_GRAVE = frozenset({Severity.CRASH, Severity.HANG})
_WANTING_CRASHES = frozenset({"kunit_fault"})
_TEST_CODE = re.compile(
    r"\bkunit_(?:try_catch|try_run_case|generic_run_threadfn_adapter)\b"
    r"|\[(?:kasan_test(?:_module)?|test_kasan(?:_module)?|kcsan_test|kfence_test|kmsan_test|test_ubsan)\]"
)


class Surroundings:
    """Follows the lines between reports. `emulated`: the processor is known to be slow, as under QEMU's TCG."""

    def __init__(self, emulated: bool = False) -> None:
        self.emulated = emulated
        self._booting = False
        self._suite: str | None = None
        self._lines = 0
        self._heard: float | None = None

    @property
    def in_suite(self) -> bool:
        """Whether a test suite runs, so that every line counts."""
        return self._suite is not None

    def follow(self, line: Line) -> None:
        """Take one line."""
        text = line.text
        self._forget_suite(line)
        if text.startswith("Linux version "):
            self._booting, self._suite = True, None
        elif "login:" in text or "Startup finished in " in text:
            self._booting = False
        elif "QEMU TCG CPU" in text:
            self.emulated = True
        else:
            self._tests(line)

    def _forget_suite(self, line: Line) -> None:
        self._lines += 1
        if self._lines > _SUITE_LINES or _later(line, self._heard, _SUITE_SECONDS):
            self._suite = None

    def _tests(self, line: Line) -> None:
        text = line.text
        bare = text.lstrip()
        if bare.startswith(("KTAP version", "TAP version", "# Subtest: ")):
            named = _SUBTEST.match(text)
            self._suite = named[1] if named else self._suite or ""
        elif self._suite is None or not _RESULT.match(bare):
            return
        elif bare == text:
            self._suite = None
        self._lines, self._heard = 0, line.seconds

    def grade(self, line: Line, severity: Severity) -> Grade:
        """What a report that begins with this line is to be taken for."""
        self._forget_suite(line)
        if self._suite is not None and (severity not in _GRAVE or self._suite in _WANTING_CRASHES):
            return Grade.EXPECTED
        booting = self._booting and (line.seconds is None or line.seconds < BOOT)
        return Grade.SUSPECT if severity is Severity.HANG and (booting or self.emulated) else Grade.REAL


def of_tests(text: str) -> bool:
    """Whether a line of a report names the kernel's own test code."""
    return _TEST_CODE.search(text) is not None


def _later(line: Line, than: float | None, by: float) -> bool:
    return than is not None and line.seconds is not None and line.seconds - than > by
