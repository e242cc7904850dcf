"""The doctor: what on this workstation kdeploy depends on."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from kdeploy_gui import doctor
from kdeploy_gui.app.home import Home, home_from_environment
from kdeploy_gui.credentials import Credentials
from kdeploy_gui.doctor import Check
from kdeploy_gui.documents.lab_file import read_lab
from kdeploy_gui.environments import libvirt_guest
from kdeploy_gui.errors import LocalError
from kdeploy_gui.history import SQLITE_VERSION, open_history
from kdeploy_gui.model.check import Finding
from kdeploy_gui.remedies import bundled


def examine_workstation(lab_file: Path | None = None) -> tuple[Finding, ...]:
    """The doctor: everything on this workstation that kdeploy depends on. Changes nothing but its own empty home."""
    home = home_from_environment()
    checks = [
        *doctor.own_checks(home.data, tuple({home.config, home.data}), SQLITE_VERSION),
        ("keyring", Credentials(timeout=doctor.DEADLINE / 2).probe),
        ("libvirt", libvirt_guest.probe),
        *_hypervisor_checks(lab_file or home.lab_file),
        ("history", lambda: _history_finding(home)),
        ("lab file", lambda: _lab_finding(lab_file or home.lab_file)),
    ]
    return doctor.examine(checks)


def _hypervisor_checks(lab_file: Path) -> list[tuple[str, Check]]:
    """One for each hypervisor that the lab file's guests are on."""
    lab = read_lab(lab_file).lab
    guests: dict[str, set[str]] = {}
    for each in lab.environments:
        if each.is_guest:
            guests.setdefault(each.uri, set()).add(each.domain)
    return [(f"guests at {uri}", partial(libvirt_guest.look, uri, wanted)) for uri, wanted in guests.items()]


def _history_finding(home: Home) -> Finding:
    try:
        open_history(home.data, remedy=bundled().remedy).close()
    except LocalError as error:
        return Finding("history", False, error.message, bundled().remedy(error, ""))
    return Finding("history", True, f"{home.data} is sound")


def _lab_finding(path: Path) -> Finding:
    document = read_lab(path)
    if not document.exists:
        return Finding("lab file", None, f"{path} does not exist yet", "kdeploy env add NAME --host ADDRESS")
    if document.problems:
        return Finding("lab file", False, "; ".join(map(str, document.problems)), "mend the lines named here")
    return Finding("lab file", True, f"{path}: {len(document.lab.environments)} environments")
