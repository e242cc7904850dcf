"""What asyncssh and the sockets below it raise, as errors that people can act on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import asyncssh

from kdeploy_gui import defaults
from kdeploy_gui.errors import AuthError, Evidence, KdeployError, NetworkError, PlanError, TargetError
from kdeploy_gui.model.environment import Environment

NOTHING_SENT = "Nothing was sent."


@contextmanager
def explained(environment: Environment, on_target: str) -> Iterator[None]:
    """Translate what goes wrong; a host key refusal is left to whoever knows the pins."""
    try:
        yield
    except (KdeployError, asyncssh.HostKeyNotVerifiable):
        raise
    except (asyncssh.Error, OSError, UnicodeError) as error:
        raise _translated(error, environment, on_target) from error


def _translated(error: Exception, environment: Environment, on_target: str) -> KdeployError:
    where = f"{environment.host}:{environment.port}"
    said = Evidence(stderr=str(error) or type(error).__name__)
    match error:
        case socket.gaierror() | UnicodeError():
            message = f"the name {environment.host} cannot be resolved"
            return NetworkError("E-DNS", message, on_target=NOTHING_SENT, evidence=said, host=environment.host)
        case ConnectionRefusedError():
            return closed_port(environment, f"{where} refuses connections", said)
        case TimeoutError():
            return NetworkError(
                "E-TIMEOUT",
                f"no answer from {where} within {defaults.CONNECT_TIMEOUT:g} s",
                on_target=on_target,
                evidence=said,
                address=where,
            )
        case asyncssh.DisconnectError() if is_refusal(error):
            return refused(environment, error)
        case asyncssh.KeyExchangeFailed(reason=reason) if "No matching" in reason:
            return no_common_algorithm(environment, reason)
        case asyncssh.ProtocolNotSupported() | asyncssh.ServiceNotAvailable():
            return other_protocol(environment, str(error))
        case asyncssh.ChannelOpenError(reason=reason) if "connection closed" not in reason:
            return _no_channel(environment, reason)
        case asyncssh.ConnectionLost(reason=reason) if "keepalive" in reason:
            silence = defaults.KEEPALIVE_INTERVAL * (defaults.KEEPALIVE_COUNT + 1)
            message = f"no reply from {where} for {silence:.0f} s"
            return NetworkError("E-STALLED", message, on_target=on_target, evidence=said, address=where)
        case asyncssh.ConnectionLost(reason=reason) if "Login timeout" in reason:
            return unfinished_login(environment, on_target)
        case OSError(errno=errno.ENETUNREACH | errno.EHOSTUNREACH):
            message = f"{where} cannot be reached: {said.stderr}"
            return NetworkError("E-UNREACHABLE", message, on_target=NOTHING_SENT, evidence=said, address=where)
        case _:
            message = f"the connection to {where} was lost: {said.stderr}"
            return NetworkError("E-LOST", message, on_target=on_target, evidence=said)


def is_refusal(error: Exception) -> bool:
    """Whether a server does not let us in with what we showed."""
    return isinstance(error, asyncssh.PermissionDenied) or (
        isinstance(error, asyncssh.DisconnectError) and "authentication failures" in error.reason
    )


def closed_port(environment: Environment, message: str, said: Evidence) -> NetworkError:
    """Nobody listens there."""
    return NetworkError("E-REFUSED", message, on_target=NOTHING_SENT, evidence=said, port=str(environment.port))


def refused(environment: Environment, error: Exception, accepted: Sequence[str] = ()) -> AuthError:
    """Nobody is let in there with what we showed; `accepted` are the ways in which the server lets people in."""
    where = f"{environment.host}:{environment.port}"
    ways = f"; it accepts {', '.join(accepted)}" if accepted else ""
    message = f"{where} refuses user {environment.user} with {credential(environment)}{ways}"
    said = Evidence(stderr=str(error))
    return AuthError("E-AUTH", message, on_target=NOTHING_SENT, evidence=said, user=environment.user, host=where)


def login_timeout(environment: Environment) -> float:
    """Seconds for a login: a machine that may take long to boot, such as an emulated one, is slow at that, too."""
    return max(defaults.LOGIN_TIMEOUT, environment.boot_timeout / defaults.LOGINS_PER_BOOT)


def unfinished_login(environment: Environment, on_target: str) -> NetworkError:
    """It answers, and then it takes too long until somebody is logged in."""
    where = f"{environment.host}:{environment.port}"
    message = f"{where} does not finish the login within {login_timeout(environment):g} s"
    return NetworkError("E-TIMEOUT", message, on_target=on_target, address=where)


def full_server(environment: Environment, said: str) -> NetworkError:
    """It takes no more logins for now."""
    where = f"{environment.host}:{environment.port}"
    message = f"{where} takes no more logins for now: {said}"
    return NetworkError("E-FULL", message, on_target=NOTHING_SENT, evidence=Evidence(stderr=said), host=where)


def _no_channel(environment: Environment, reason: str) -> TargetError:
    """A server that is set to run less than one command at a time for us, which does not pass by itself."""
    message = f"{environment.host}:{environment.port} opens no channel: {reason}"
    on_target = "Unchanged by the command that could not be run."
    return TargetError("E-CHANNELS", message, on_target=on_target, evidence=Evidence(stderr=reason))


def no_common_algorithm(environment: Environment, reason: str) -> PlanError:
    """Both sides are SSH and have no algorithm of some kind in common; `reason` lists what both have."""
    where = f"{environment.host}:{environment.port}"
    message = f"no common algorithm with {where}: {reason}"
    return PlanError("E-KEX", message, on_target=NOTHING_SENT, evidence=Evidence(stderr=reason), host=where)


def other_protocol(environment: Environment, said: str) -> PlanError:
    """Something answers there, but no SSH server."""
    where = f"{environment.host}:{environment.port}"
    message = f"{where} does not speak SSH 2: {said}"
    return PlanError("E-PROTO", message, on_target=NOTHING_SENT, evidence=Evidence(stderr=said), address=where)


def credential(environment: Environment) -> str:
    """What a login is tried with, for messages."""
    if environment.identity_file:
        return f"the key {environment.identity_file}"
    return f"the credential {environment.credential}" if environment.credential else "the agent's and default keys"
