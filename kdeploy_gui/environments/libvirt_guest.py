"""What the doctor asks of libvirt."""

from __future__ import annotations

import asyncio
from collections.abc import Set

from kdeploy_gui.environments.libvirt_connection import LOCAL, LibvirtConnections
from kdeploy_gui.environments.libvirt_guests import LibvirtGuests
from kdeploy_gui.errors import GuestError
from kdeploy_gui.model.check import Finding
from kdeploy_gui.model.guest import GuestSeen


def probe(uri: str = LOCAL) -> Finding:
    """Whether libvirt answers at `uri`. Blocks as long as libvirt does: call it with a deadline."""
    try:
        import libvirt
    except ImportError:
        hint = "for guests: apt-get install libvirt-daemon-system, then pip install 'kdeploy[libvirt]'"
        return Finding("libvirt", None, "the Python module is not installed", hint)
    libvirt.registerErrorHandler(lambda context, error: None, None)
    try:
        connection = libvirt.openReadOnly(uri)
    except libvirt.libvirtError as error:
        hint = "for guests: start libvirtd (`systemctl --user start libvirtd` or as root)"
        return Finding("libvirt", None, f"{uri} does not answer: {error.get_error_message()}", hint)
    try:
        version = connection.getLibVersion()
        guests = connection.numOfDomains()
    finally:
        connection.close()
    numbers = f"{version // 1_000_000}.{version // 1000 % 1000}.{version % 1000}"
    running = f"{guests} guest{'' if guests == 1 else 's'} running"
    return Finding("libvirt", True, f"{uri} answers, libvirt {numbers}, {running}")


def look(uri: str, wanted: Set[str]) -> Finding:
    """What these guests of a hypervisor are doing. Blocks: call it with a deadline."""
    subject = f"guests at {uri}"
    connections = LibvirtConnections()
    try:
        seen = asyncio.run(LibvirtGuests(connections).seen(uri))
    except GuestError as error:
        return Finding(subject, False, error.message, f"virsh -c {uri} list --all")
    finally:
        connections.close()
    missing = wanted - {each.name for each in seen}
    if missing:
        words = f"it has no guest {', '.join(sorted(missing))}"
        return Finding(subject, False, words, "correct `domain` or `uri` in the lab file")
    return Finding(subject, True, ", ".join(_words(each) for each in seen if each.name in wanted))


def _words(guest: GuestSeen) -> str:
    return f"{guest.name} {guest.status.text}"
