"""What libvirt tells of a guest's state and address. These block: `LibvirtConnections.ask` runs them."""

from __future__ import annotations

from typing import Any

from kdeploy_gui.environments.libvirt_connection import module
from kdeploy_gui.model.guest import GuestState, GuestStatus

NOT_SUPPORTED = frozenset({3, 84})
"""VIR_ERR_NO_SUPPORT, VIR_ERR_OPERATION_UNSUPPORTED: this hypervisor has no such verb."""
NO_ANSWER = frozenset({3, 9, 55, 84, 86, 8, 1, 38})
"""Numbers of a no to the question for an address: no agent, none that answers, no leases."""

_STATES = {
    0: GuestState.RUNNING,
    1: GuestState.RUNNING,
    2: GuestState.RUNNING,
    3: GuestState.PAUSED,
    4: GuestState.SHUTTING_DOWN,
    5: GuestState.OFF,
    6: GuestState.CRASHED,
    7: GuestState.PAUSED,
}
"""virDomainState."""
_REASONS = {
    GuestState.OFF: {
        1: "it shut down",
        2: "somebody switched it off",
        3: "its QEMU died",
        4: "it was migrated",
        5: "it was saved",
        6: "it could not be started",
        7: "a snapshot was taken",
        8: "its QEMU was gone when libvirt came back",
    },
    GuestState.CRASHED: {1: "its kernel panicked"},
    GuestState.PAUSED: {
        1: "somebody paused it",
        2: "it migrates",
        3: "it is saved",
        4: "it is dumped",
        5: "an error of its disk: is the storage full?",
        6: "a watchdog",
        7: "a snapshot",
        8: "it shuts down",
        9: "a snapshot is taken",
        10: "its kernel panicked",
        11: "it starts",
    },
}
"""virDomainShutoffReason, virDomainCrashedReason, virDomainPausedReason."""
_DEAD = frozenset({3, 8})
"""Reasons of a guest that is off for which nobody switched it off."""
_PANICKED = 10
_GUEST_MEMORY = 7


def status(domain: Any) -> GuestStatus:
    """The state that libvirt knows, without asking QEMU."""
    number, reason = domain.state()
    state = _STATES.get(number, GuestState.RUNNING)
    words = _REASONS.get(state, {}).get(reason, "")
    if number == _GUEST_MEMORY:
        return GuestStatus(state, "it suspended itself")
    if (state is GuestState.OFF and reason in _DEAD) or (state is GuestState.PAUSED and reason == _PANICKED):
        return GuestStatus(GuestState.CRASHED, words)
    return GuestStatus(state, words)


def ping(domain: Any) -> None:
    """Ask QEMU for something; hangs where it hangs."""
    libvirt = module()
    try:
        domain.ioThreadInfo()
    except libvirt.libvirtError as error:
        if error.get_error_code() not in NOT_SUPPORTED:
            raise


def address(domain: Any) -> str:
    """An address of the guest, from its lease, else from its agent, else from this host's neighbours; empty: none."""
    libvirt = module()
    sources = (
        libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_LEASE,
        libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_AGENT,
        libvirt.VIR_DOMAIN_INTERFACE_ADDRESSES_SRC_ARP,
    )
    for source in sources:
        try:
            cards = domain.interfaceAddresses(source)
        except libvirt.libvirtError as error:
            if error.get_error_code() not in NO_ANSWER:
                raise
            continue
        found = [each for card in cards.values() for each in card["addrs"] or ()]
        plain = [str(each["addr"]) for each in sorted(found, key=lambda each: int(each["type"]))]
        usable = [each for each in plain if not each.startswith(("127.", "::1", "fe80:", "169.254."))]
        if usable:
            return usable[0]
    return ""
