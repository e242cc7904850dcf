"""The algorithms that are offered to a server: safe ones, and on request those of old boards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from kdeploy_gui.model.environment import Environment
from kdeploy_gui.model.host_key import ALGORITHMS

_SIGNATURES: Mapping[str, Sequence[str]] = {
    "ED25519": ("ssh-ed25519",),
    "ECDSA": ("ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"),
    "RSA": ("rsa-sha2-256", "rsa-sha2-512"),
}
_SHA1 = "ssh-rsa"
_QUICK = "^aes128-gcm@openssh.com,aes256-gcm@openssh.com"
"""Ciphers that cost a third of what the first one of asyncssh's own choice does."""
SAFE: Mapping[str, str] = {"kex_algs": "-diffie-hellman-group14-sha1,gss-*-sha1", "encryption_algs": _QUICK}
"""asyncssh's own choice, less what OpenSSH no longer offers."""
LEGACY: Mapping[str, str] = {
    "kex_algs": "+diffie-hellman-group-exchange-sha1,diffie-hellman-group14-sha1,diffie-hellman-group1-sha1",
    "encryption_algs": "+aes256-cbc,aes192-cbc,aes128-cbc,3des-cbc",
    "mac_algs": "+hmac-sha1-96,hmac-md5",
}
"""What old boards need besides; asked for after everything that is safe."""


def transport(environment: Environment) -> Mapping[str, str]:
    """Key exchanges, ciphers and MACs, as asyncssh takes them."""
    return LEGACY if environment.legacy else SAFE


def signatures(environment: Environment, algorithm: str = "") -> tuple[str, ...]:
    """What a server may prove itself with: with that algorithm, or with any, as OpenSSH prefers them."""
    return _of([name for name in ALGORITHMS if algorithm in ("", name)], environment.legacy)


def first_signatures(environment: Environment) -> tuple[str, ...]:
    """What the machine is asked for first: certificates where an authority is trusted, then the pinned algorithms."""
    pinned = [each for each in ALGORITHMS if each in environment.host_key_type]
    plain = _of(list(dict.fromkeys([*pinned, *ALGORITHMS])), environment.legacy)
    return tuple(f"{each}-cert-v01@openssh.com" for each in plain if environment.host_ca) + plain


def _of(algorithms: Sequence[str], legacy: bool) -> tuple[str, ...]:
    names = [each for name in algorithms for each in _SIGNATURES[name]]
    return (*names, _SHA1) if legacy and "RSA" in algorithms else tuple(names)
