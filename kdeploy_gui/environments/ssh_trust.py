"""Whether the machine that answers is the one that is meant; nothing is sent to it before."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import asyncssh

from kdeploy_gui.environments.ssh_errors import NOTHING_SENT
from kdeploy_gui.errors import TrustError
from kdeploy_gui.model.check import CheckOutcome, CheckPart, CheckStep
from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.host_key import HostKey

Tell = Callable[[CheckStep], None]


def untold(step: CheckStep) -> None:
    """Nobody listens."""


def passed(part: CheckPart, text: str, offered: HostKey | None = None) -> CheckStep:
    """A part of the way that is behind us."""
    return CheckStep(part, CheckOutcome.OK, text, offered=offered)


def revoked_keys(environment: Environment) -> list[asyncssh.SSHKey]:
    """The keys that never count, as asyncssh takes them."""
    return [asyncssh.import_public_key(each) for each in environment.revoked_host_key]


class HostKeyClient(asyncssh.SSHClient):
    """Accepts a host key when, and only when, it is pinned or certified; remembers what was offered.

    `answered` goes before what the server says it is; `accepted` are the ways in which it lets people in, as far as it
    came to that.
    """

    def __init__(self, environment: Environment, tell: Tell) -> None:
        self._environment = environment
        self._tell = tell
        self._connection: asyncssh.SSHClientConnection | None = None
        self._greeted = False
        self.answered = ""
        self.offered: HostKey | None = None
        self.authority: HostKey | None = None
        self.accepted: Sequence[str] = ()

    def connection_made(self, conn: asyncssh.SSHClientConnection) -> None:
        self._connection = conn

    def tell_port(self) -> None:
        """Tell what the server says it is, if it has said so."""
        said = self._connection.get_extra_info("server_version", "") if self._connection else ""
        if said and not self._greeted:
            self._greeted = True
            banner = said.decode(errors="replace") if isinstance(said, bytes) else str(said)
            self._tell(passed(CheckPart.PORT, f"{self.answered}{banner.removeprefix('SSH-2.0-')}"))

    def tell_certificate(self) -> None:
        """Tell that the certificate is good, if it was one that let the machine in."""
        if self.authority is not None and self._connection and self._connection.get_server_host_key() is not None:
            text = f"certified for {self._environment.host} by {self.authority.fingerprint}"
            self._tell(passed(CheckPart.HOST_KEY, text))

    @property
    def is_satisfied(self) -> bool:
        """Whether a pinned key was offered."""
        return self.offered is not None and self.offered.fingerprint in self._environment.host_keys

    def validate_host_public_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.tell_port()
        known, offered = self.offered, HostKey.read(key.public_data)
        self.offered = offered
        if self.is_satisfied and known is None:  # and not once more when keys are renewed
            self._tell(passed(CheckPart.HOST_KEY, f"{offered.algorithm} {offered.fingerprint} is pinned", offered))
        return self.is_satisfied

    def public_key_auth_requested(self) -> None:
        self._remember_ways()

    def password_auth_requested(self) -> None:
        self._remember_ways()

    def _remember_ways(self) -> None:
        """Called when we have nothing more to show."""
        if self._connection is not None:
            self.accepted = tuple(self._connection.get_server_auth_methods())

    def validate_host_ca_key(self, host: str, addr: str, port: int, key: asyncssh.SSHKey) -> bool:
        self.tell_port()
        self.authority = HostKey.read(key.public_data)
        return self.authority.fingerprint in map(_fingerprint, self._environment.host_ca)


def _fingerprint(key: str) -> str:
    return key if key.startswith("SHA256:") else HostKey.parse(key).fingerprint


def not_trusted(environment: Environment, seen: Sequence[HostKeyClient], said: str) -> TrustError:
    """Why the machine is not let in: what the visits saw of it, and what asyncssh said of the first one."""
    offers = [each.offered for each in seen if each.offered is not None]
    offered = offers[0].fingerprint if offers else "no key that can be read"
    pins = ", ".join(environment.host_keys)
    name = environment.name or environment.address
    if "revoked" in said:
        return _revoked(environment, name)
    authority = seen[0].authority
    if environment.host_ca and (authority is not None or not pins):
        what = f"its certificate of {authority.fingerprint} is not accepted: {said}" if authority else "it shows none"
        message = f"{name} needs a host certificate for {environment.host}: {what}"
        return TrustError("E-HOSTKEY-CERT", message, on_target=NOTHING_SENT, offered=offered)
    if not pins:
        message = f"no host key is pinned for {name}; it offers {offered}"
        return TrustError("E-HOSTKEY-UNKNOWN", message, on_target=NOTHING_SENT, offered=offered)
    types = set(environment.host_key_type)
    if types and types.isdisjoint(each.algorithm for each in offers):
        kinds = " and ".join(environment.host_key_type)
        message = f"{name} no longer offers a key of the pinned type {kinds}: pinned {pins}, offered {offered}"
        return TrustError("E-HOSTKEY-TYPE", message, on_target=NOTHING_SENT, offered=offered, pinned=pins, types=kinds)
    message = f"the host key of {name} is not the pinned one: pinned {pins}, offered {offered}"
    return TrustError("E-HOSTKEY-CHANGED", message, on_target=NOTHING_SENT, offered=offered, pinned=pins)


def _revoked(environment: Environment, name: str) -> TrustError:
    revoked = ", ".join(HostKey.parse(each).fingerprint for each in environment.revoked_host_key)
    message = f"{name} proves itself with a revoked key: whoever has it may pose as that machine ({revoked})"
    return TrustError("E-HOSTKEY-REVOKED", message, on_target=NOTHING_SENT, offered=revoked)
