"""Guests under libvirt. libvirt is imported when it is first needed: most workstations have none."""

from __future__ import annotations

from kdeploy_gui.model.check import Finding

LOCAL = "qemu:///session"


def probe(uri: str = LOCAL) -> Finding:
    """Whether libvirt answers at `uri`. Blocks as long as libvirt does: call it with a deadline."""
    try:
        import libvirt  # type: ignore[import-untyped,import-not-found,unused-ignore]
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
