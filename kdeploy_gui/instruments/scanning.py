"""The `Scanners` port: tools that look for weak spots, on the machine or here on what was read there."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from kdeploy_gui import resources
from kdeploy_gui.errors import Evidence, LocalError, TargetError
from kdeploy_gui.instruments.local_process import started
from kdeploy_gui.instruments.rules.surroundings import HOLES, is_settled
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.instrument import Where
from kdeploy_gui.model.scan import ScanFinding, Scanner
from kdeploy_gui.ports import Target

CHECKER = "kernel-hardening-checker"
SCANNERS = (
    Scanner("vulnerabilities", "CPU vulnerabilities", Where.TARGET),
    Scanner(
        "hardening", CHECKER, Where.WORKSTATION, f"`pipx install {CHECKER}`, or from its source, on this workstation"
    ),
    Scanner("lynis", "Lynis", Where.TARGET, "lynis (apt, dnf, zypper, apk, pacman)"),
)
HERE_TIMEOUT, AUDIT_TIMEOUT = 60.0, 900.0
"""Seconds for a tool of this workstation, and for an audit of a slow machine."""
_NOT_THERE = 127


class MachineScanners:
    """See `Scanners`."""

    def all(self) -> tuple[Scanner, ...]:
        """See `Scanners.all`."""
        return SCANNERS

    async def scan(self, target: Target, name: str) -> tuple[ScanFinding, ...]:
        """See `Scanners.scan`."""
        return await _SCANS[name](target)


async def _vulnerabilities(target: Target) -> tuple[ScanFinding, ...]:
    script = f"cd {HOLES} 2>/dev/null && grep . -- *"
    done = await target.execute(Command(script, title="CPU vulnerabilities"))
    found = dict(line.split(":", 1) for line in done.text.splitlines() if ":" in line)
    if not found:
        raise TargetError("E-SCAN-OUTPUT", f"the kernel has no list of them in {HOLES}", scanner="vulnerabilities")
    return tuple(
        ScanFinding(f"{name}: {value}", f"{name}: {value}")
        for name, value in sorted(found.items())
        if not is_settled(value)
    )


async def _hardening(target: Target) -> tuple[ScanFinding, ...]:
    program = await asyncio.to_thread(shutil.which, CHECKER)
    if program is None:
        message = f"{CHECKER} is not installed on this workstation"
        raise LocalError("E-SCAN-MISSING", message, scanner="hardening", packages=_packages("hardening"))
    done = await target.execute(Command(resources.text("remote/kernel_state.sh"), title="kernel configuration"))
    head, found, config = done.stdout.partition(b"config\t")
    state = dict(line.split("\t", 1) for line in head.decode(errors="replace").splitlines() if "\t" in line)
    if not found:
        message = "the kernel's configuration cannot be read there"
        raise TargetError("E-SCAN-CONFIG", message, scanner="hardening")
    files = {
        "-c": config.partition(b"\n")[2],
        "-v": f"{state.get('version', '')}\n".encode(),
        "-l": f"{state.get('cmdline', '')}\n".encode(),
    }
    return _failed_options(await run_here(program, files))


async def run_here(program: str, files: Mapping[str, bytes]) -> Completed:
    """Run a tool of this workstation on texts in files, whose options are their keys; JSON is what it shall say."""
    with tempfile.TemporaryDirectory(prefix="kdeploy-scan-") as folder:
        arguments = ["-m", "json"]
        for number, (option, text) in enumerate(files.items()):
            path = Path(folder, str(number))
            await asyncio.to_thread(path.write_bytes, text)
            arguments += [option, str(path)]
        try:
            async with started((program, *arguments), Path(folder)) as process, asyncio.timeout(HERE_TIMEOUT):
                said, complained = await process.communicate()
        except TimeoutError as error:
            message = f"{CHECKER} did not end within {HERE_TIMEOUT:.0f} s"
            raise LocalError("E-SCAN-OUTPUT", message, scanner="hardening") from error
    return Completed(process.returncode or 0, said, complained)


def _failed_options(done: Completed) -> tuple[ScanFinding, ...]:
    """Its findings; it ends with 0 whatever it found."""
    try:
        rows = json.loads(done.stdout)
        failed = [row for row in rows if not row["check_result_bool"]]
        return tuple(
            ScanFinding(
                f"{row['type']} {row['option_name']}",
                f"{row['option_name']}: {row['check_result']}, wanted {row['desired_val']} ({row['reason']})",
            )
            for row in failed
        )
    except (ValueError, TypeError, KeyError) as error:
        said = done.error_text or done.text[-200:]
        evidence = Evidence(command=CHECKER, exit_status=done.status, stderr=said)
        message = f"{CHECKER} ended with status {done.status} and said nothing that can be read"
        raise LocalError("E-SCAN-OUTPUT", message, evidence=evidence, scanner="hardening") from error


async def _lynis(target: Target) -> tuple[ScanFinding, ...]:
    command = Command(resources.text("remote/lynis.sh"), title="lynis audit", timeout=AUDIT_TIMEOUT)
    done = await target.execute(command)
    if done.status == _NOT_THERE:
        message = "lynis is not installed there"
        raise TargetError("E-SCAN-MISSING", message, scanner="lynis", packages=_packages("lynis"))
    if done.status:
        evidence = Evidence(command="lynis audit system", exit_status=done.status, stderr=done.error_text)
        message = f"lynis ended with status {done.status} and left no report"
        raise TargetError("E-SCAN-OUTPUT", message, evidence=evidence, scanner="lynis")
    return audited(done.text)


def audited(report: str) -> tuple[ScanFinding, ...]:
    """The findings of a report of lynis: lines `warning[]=ID|text|details|solution|`, and `suggestion[]=` alike."""
    found: dict[str, ScanFinding] = {}
    for line in report.splitlines():
        key, _, value = line.partition("=")
        if key in {"warning[]", "suggestion[]"} and "|" in value:
            number, text, details, *_ = (*value.split("|"), "")
            shown = text if details in {"", "-"} else f"{text} ({details})"
            finding = ScanFinding(f"{number} {shown}", f"{number}: {shown}", key.removesuffix("[]"))
            found.setdefault(finding.id, finding)
    return tuple(found.values())


def _packages(name: str) -> str:
    return next(each.packages for each in SCANNERS if each.name == name)


_SCANS: Mapping[str, Callable[[Target], Awaitable[tuple[ScanFinding, ...]]]] = {
    "vulnerabilities": _vulnerabilities,
    "hardening": _hardening,
    "lynis": _lynis,
}
