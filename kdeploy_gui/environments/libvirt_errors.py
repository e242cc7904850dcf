"""What libvirt says went wrong, as errors that say what to do."""

from __future__ import annotations

from typing import Any

from kdeploy_gui.errors import Evidence, GuestError, HypervisorLost, KdeployError

NO_DOMAIN, AUTH_FAILED, AUTH_CANCELLED, AUTH_UNAVAILABLE, ACCESS_DENIED, TIMED_OUT = 42, 45, 79, 94, 88, 68
NO_SNAPSHOT = 72
NO_CONNECT, INVALID_CONNECTION = 5, 6
FROM_RPC, FROM_REMOTE = 7, 13
"""Numbers of libvirt's C interface (virerror.h): they never change, and its module need not be there to name them."""

DENIED = frozenset({AUTH_FAILED, AUTH_CANCELLED, AUTH_UNAVAILABLE, ACCESS_DENIED})
UNCHANGED = "Nothing was changed."


def is_lost(error: Any) -> bool:
    """Whether the connection to libvirt is gone, so that a new one may help."""
    about_connection = error.get_error_domain() in {FROM_RPC, FROM_REMOTE}
    return error.get_error_code() in {NO_CONNECT, INVALID_CONNECTION} or about_connection


def connection_error(error: Any, uri: str) -> GuestError:
    """libvirt did not let us in, or the connection ended."""
    said = str(error.get_error_message())
    message = f"libvirt at {uri} does not answer: {said}"
    if error.get_error_code() in DENIED or "permission denied" in said.lower():
        message = f"libvirt at {uri} lets nobody in: {said}"
        return GuestError("E-LIBVIRT-DENIED", message, on_target=UNCHANGED, evidence=_evidence(uri, said), uri=uri)
    return HypervisorLost("E-LIBVIRT", message, on_target=UNCHANGED, evidence=_evidence(uri, said), uri=uri)


def too_late(uri: str, seconds: float) -> HypervisorLost:
    """libvirt was asked and did not answer."""
    message = f"libvirt at {uri} did not answer within {seconds:g} s"
    return HypervisorLost("E-LIBVIRT-TIMEOUT", message, on_target="Not known: it may still be done.", uri=uri)


def guest_error(error: Any, uri: str, domain: str, doing: str, code: str = "E-GUEST-ACTION") -> KdeployError:
    """What libvirt or QEMU said about a guest; `code` is that of a plain no while `doing`."""
    said = str(error.get_error_message())
    evidence = _evidence(uri, said)
    number = error.get_error_code()
    if is_lost(error) or number in DENIED:
        return connection_error(error, uri)
    if number == NO_DOMAIN:
        message = f"libvirt at {uri} has no guest '{domain}'"
        return GuestError("E-GUEST-UNKNOWN", message, on_target=UNCHANGED, evidence=evidence, uri=uri, domain=domain)
    if number == TIMED_OUT:
        return frozen(uri, domain, said)
    return GuestError(code, f"{doing} {domain} failed: {said}", evidence=evidence, uri=uri, domain=domain)


def frozen(uri: str, domain: str, said: str) -> GuestError:
    """QEMU runs and does not answer."""
    message = f"{domain} counts as running, but its QEMU does not answer"
    evidence = _evidence(uri, said)
    return GuestError("E-GUEST-FROZEN", message, on_target="Not known.", evidence=evidence, uri=uri, domain=domain)


def _evidence(uri: str, said: str) -> Evidence:
    return Evidence(f"libvirt {uri}", None, said)
