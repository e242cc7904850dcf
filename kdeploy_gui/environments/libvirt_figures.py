"""What a guest has used, from libvirt's statistics. Blocks."""

from __future__ import annotations

from typing import Any

from kdeploy_gui.environments.libvirt_connection import module
from kdeploy_gui.model.guest import GuestFigures

NANOSECONDS = 1e-9
KIBIBYTE = 1024


def read(domain: Any, at: float) -> GuestFigures:
    """All figures that this hypervisor has. Raises libvirtError, also where the guest is off."""
    libvirt = module()
    _, _, _, cores, cpu_time = domain.info()
    memory = domain.memoryStats()
    wanted = libvirt.VIR_DOMAIN_STATS_BLOCK | libvirt.VIR_DOMAIN_STATS_INTERFACE
    (_, counted), *_ = domain.connect().domainListGetStats([domain], wanted)
    actual = int(memory.get("actual", 0)) * KIBIBYTE
    return GuestFigures(
        at=at,
        cpu_seconds=cpu_time * NANOSECONDS,
        cores=cores,
        memory=int(memory.get("available", 0)) * KIBIBYTE or actual,
        memory_used=_used(memory),
        disk_read=_sum(counted, "block.", ".rd.bytes"),
        disk_written=_sum(counted, "block.", ".wr.bytes"),
        received=_sum(counted, "net.", ".rx.bytes"),
        sent=_sum(counted, "net.", ".tx.bytes"),
    )


def _used(memory: dict[str, int]) -> int | None:
    """What programs hold; only a guest with a balloon driver tells."""
    if "available" not in memory or not {"usable", "unused"} & memory.keys():
        return None
    return (memory["available"] - memory.get("usable", memory.get("unused", 0))) * KIBIBYTE


def _sum(counted: dict[str, int], start: str, end: str) -> int:
    return sum(int(value) for name, value in counted.items() if name.startswith(start) and name.endswith(end))
