"""A plan and what was found for it, as in a lab of thirteen machines."""

from __future__ import annotations

from dataclasses import replace

from kdeploy_gui.engine.diff import diff_lines
from kdeploy_gui.errors import Category
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.failure import Place as FailedAt
from kdeploy_gui.model.plan import ArtifactType, Dependency, Instrumentation, Plan, PlannedFile, SourceFile, Want
from kdeploy_gui.model.preview import (
    DependencyChange,
    DependencyPreview,
    EnvironmentPreview,
    FileChange,
    FilePreview,
    InstrumentPresence,
    InstrumentPreview,
)

NAMES = (
    *("imx8mp-evk-1", "imx8mp-evk-2", "rk3588-evb", "am62-sk", "rpi5-net", "s32g3-rdb", "zcu102-lab"),
    *("vm-kasan", "vm-kcov", "vm-lockdep", "vm-gcov", "vm-stock", "vm-amd64"),
)
FRESH = {"imx8mp-evk-2", "am62-sk", "zcu102-lab", "vm-gcov"}
REFUSED = "vm-amd64"
OLD = "".join(f"line {number}\n" for number in range(1, 12)) + (
    'dev=${1:?device}\nethtool -S "$dev" > "$OUT/before.txt"\niperf3 -c "$PEER" -t 10 -P 4 --json > "$OUT/iperf.json"\n'
    'ethtool -S "$dev" > "$OUT/after.txt"\nbin/netload --compare "$OUT/before.txt" "$OUT/after.txt"\n'
)
NEW = OLD.replace("-t 10", '-t "${CASE_SECONDS:-30}"').replace(
    'ethtool -S "$dev" > "$OUT/after', 'sleep 1  # let the counters settle\nethtool -S "$dev" > "$OUT/after'
)
DIFF = diff_lines(OLD, NEW)
FILES = (
    *((f"scripts/{name}.sh", "scripts/*.sh", 2260) for name in ("rx-drop", *(f"case-{n}" for n in range(8)))),
    *((f"conf/{name}", "conf/*", 900) for name in ("net-smoke.conf", "peers")),
    ("bin/netload", "bin/netload", 5_450_000),
    *((f"corpus/{n}.bin", "corpus/*", 18_000_000) for n in range(2)),
)
CHANGED = {"scripts/rx-drop.sh", "conf/net-smoke.conf", "bin/netload"}
PACKAGES = ("iperf3", "ethtool", "tcpdump", "linux-perf")
INSTRUMENTS = {"ftrace": "ftrace", "kasan": "KASAN", "lockdep": "lockdep", "kcov": "KCOV", "perf": "perf events"}


def plan(names: tuple[str, ...] = NAMES) -> Plan:
    """The plan net-smoke."""
    files = tuple(
        PlannedFile(
            source=SourceFile(f"/plans/{source}", source, size),
            target=f"/opt/tests/net/{source.rpartition('/')[2]}",
            type=ArtifactType.SCRIPT,
            mode=0o755,
            artifact=artifact,
        )
        for source, artifact, size in FILES
    )
    return Plan(
        name="net-smoke",
        environments=tuple(Environment(name=name, host=f"{name}.invalid") for name in names),
        files=files,
        dependencies=tuple(Dependency(name=name) for name in PACKAGES),
        instrumentation=Instrumentation(dict.fromkeys(INSTRUMENTS, Want.WANTED)),
    )


def preview(name: str) -> EnvironmentPreview:
    """What was found for one environment."""
    fresh = name in FRESH
    found = EnvironmentPreview(
        environment=name,
        files=tuple(_file(*each, fresh) for each in FILES),
        dependencies=tuple(
            DependencyPreview(
                label=each,
                change=DependencyChange.INSTALL if fresh or each == "linux-perf" else DependencyChange.PRESENT,
            )
            for each in PACKAGES
        ),
        instruments=tuple(
            InstrumentPreview(
                name=each, title=title, want=Want.WANTED, presence=_presence(each), note=f"evidence of {title}"
            )
            for each, title in INSTRUMENTS.items()
        ),
    )
    if name == REFUSED:
        refusal = Failure(
            "E-ISDIR",
            Category.TARGET,
            "a folder stands where a file shall be: /opt/tests/net/netload",
            where=FailedAt(name, path="/opt/tests/net/netload"),
            on_target="Nothing was sent.",
            remedy="Move /opt/tests/net/netload away, or choose another target.",
        )
        files = (*found.files[:11], replace(found.files[11], change=FileChange.REFUSED, refusal=refusal))
        return replace(found, files=(*files, *found.files[12:]), refusals=(refusal,))
    return found


def _file(source: str, artifact: str, size: int, fresh: bool) -> FilePreview:
    change = FileChange.NEW if fresh else FileChange.CHANGED if source in CHANGED else FileChange.SAME
    changes = change is FileChange.CHANGED
    return FilePreview(
        source=source,
        target=f"/opt/tests/net/{source.rpartition('/')[2]}",
        change=change,
        size=size,
        old_size=0 if fresh else size - 146 * changes,
        mode=0o755,
        old_mode=0o644 if changes else 0o755,
        content_changes=changes,
        mode_changes=changes,
        diff=DIFF if changes and not source.startswith("bin") else (),
        note="not a text" if source.startswith("bin") and changes else "",
        artifact=artifact,
    )


def _presence(name: str) -> InstrumentPresence:
    return {"ftrace": InstrumentPresence.OFF, "perf": InstrumentPresence.ON, "kcov": InstrumentPresence.ABSENT}.get(
        name, InstrumentPresence.NOT_CHECKED
    )
