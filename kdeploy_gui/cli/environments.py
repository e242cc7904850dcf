"""`kdeploy env`: the environments of the lab file."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from kdeploy_gui.cli.asking import unlock
from kdeploy_gui.cli.check import print_check
from kdeploy_gui.cli.options import EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output
from kdeploy_gui.cli.session import services
from kdeploy_gui.cli.text import local_time
from kdeploy_gui.errors import PlanError, TrustError
from kdeploy_gui.model.check import EnvironmentCheck
from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.figures import duration
from kdeploy_gui.model.host_key import HostKey
from kdeploy_gui.model.problem import did_you_mean
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.visible import visible

if TYPE_CHECKING:
    from kdeploy_gui.app import Services


@click.group()
def env() -> None:
    """Environments: add, define, show, check, trust, history ..."""


@env.command("list")
@command_options(on_plan_error=EXIT_FAILED)
def list_(output: Output, /) -> int:
    """List all environments with their last known readiness."""
    with services(output) as opened:
        reading = opened.inventory.read()
        marks = {each.name: opened.readiness.latest(each.name) for each in reading.lab.environments}
        where = opened.lab_file
    if output.json:
        listed = [{"environment": each, "mark": marks[each.name]} for each in reading.lab.environments]
        output.document({"lab_file": str(where), "environments": listed, "problems": reading.problems})
        return EXIT_FAILED if reading.problems else 0
    _print_list(output, reading.lab.environments, marks)
    if not reading.lab.environments and not reading.problems:
        output.note(f"No environments in {where} yet: kdeploy env add NAME --host HOST")
    output.problems(reading.problems)
    return EXIT_FAILED if reading.problems else 0


def _print_list(output: Output, environments: tuple[Environment, ...], marks: dict[str, ReadyMark | None]) -> None:
    from kdeploy_gui.cli.look import Screen, cell, plain_table

    if output.quiet or not environments:
        return
    table = plain_table("name", "kind", "group", "address", "tags", "host key", "last known")
    for each in environments:
        pinned = "pinned" if each.host_keys else "certified" if each.host_ca else "not pinned"
        if each.legacy:
            pinned += ", legacy algorithms"
        words = [each.name, each.kind.value, each.group, each.address, " ".join(each.tags), pinned]
        table.add_row(*(cell(word) for word in words), cell(_mark_words(marks[each.name])))
    Screen().show(table)


def _mark_words(mark: ReadyMark | None) -> str:
    if mark is None:
        return "never READY"
    state = "READY" if mark.ready else f"not READY: {mark.because}"
    return f"{state} ({local_time(mark.time)})"


@env.command()
@click.argument("name")
@command_options(on_plan_error=EXIT_FAILED)
def show(output: Output, /, name: str) -> int:
    """Show everything the lab file says about an environment, and what a guest is doing now."""
    with services(output) as opened:
        environment = known(opened, name)
        mark = opened.readiness.latest(name)
        guest = opened.inventory.guest_state(name)
    if output.json:
        output.document({"environment": environment, "mark": mark, **({"guest": guest} if guest else {})})
        return 0
    for label, value in _described(environment):
        output.say(f"{label + ':':<15}{visible(value)}")
    if guest:
        output.say(f"{'guest:':<15}{visible(guest)}")
    output.say(f"{'last known:':<15}{visible(_mark_words(mark))}")
    return 0


def _described(environment: Environment) -> list[tuple[str, str]]:
    rows = [
        ("name", environment.name),
        ("kind", environment.kind.value),
        ("group", environment.group),
        ("tags", " ".join(environment.tags)),
        ("address", environment.address),
        ("identity file", environment.identity_file),
        ("credential", environment.credential),
        ("jump", environment.jump),
        ("jump host key", " ".join(environment.jump_host_key)),
        ("become", environment.become.value),
        ("sudo password", environment.become_credential and f"the credential {environment.become_credential}"),
        ("host keys", " ".join(environment.host_keys) or "none pinned"),
        ("key types", " ".join(environment.host_key_type)),
        ("authorities", "; ".join(environment.host_ca)),
        ("revoked keys", "; ".join(environment.revoked_host_key)),
        ("legacy", "algorithms that are no longer safe are allowed" if environment.legacy else ""),
        ("power on", environment.power.on),
        ("power off", environment.power.off),
        ("power reset", environment.power.reset),
        ("console", environment.console.words or ("that of the guest" if environment.is_guest else "")),
        ("autostart", "a run switches it on when it does not answer" if environment.autostart else ""),
        ("boot timeout", duration(environment.boot_timeout) if environment.boot_timeout else ""),
        ("libvirt", f"{environment.uri} {environment.domain}".strip()),
        ("snapshot", environment.snapshot if environment.is_guest else ""),
        ("kernels", " ".join(each.name for each in environment.kernels)),
    ]
    return [(label, value) for label, value in rows if value]


def known(opened: Services, name: str) -> Environment:
    """The environment of that name. Raises PlanError."""
    lab = opened.inventory.read().lab
    environment = lab.get(name)
    if environment is None:
        hint = did_you_mean(name, (each.name for each in lab.environments))
        message = f"there is no environment '{name}' in {opened.lab_file}{hint}"
        raise PlanError("E-LAB-UNKNOWN", message)
    return environment


@env.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--host", default="", help="Name or address.")
@click.option("--port", type=click.IntRange(1, 65535), default=22, show_default=True)
@click.option("--user", default="root", show_default=True)
@click.option("--identity-file", default="", help="Private key; without it the ssh agent.")
@click.option("--group", default="", help="Folder in the tree of environments: rack-1/left.")
@click.option("--tag", "tags", multiple=True, help="May be given several times.")
@click.option("--kind", type=click.Choice([each.value for each in Kind]), default=Kind.BOARD.value, show_default=True)
@click.option("--from-libvirt", "uri", default="", metavar="URI", help="Add the guests there, or those named.")
@command_options(on_plan_error=EXIT_FAILED)
def add(output: Output, /, names: tuple[str, ...], uri: str, kind: str, host: str, **given: object) -> int:
    """Add an environment to the lab file, or guests of a libvirt such as qemu:///system that are not in it yet."""
    if uri and host:
        raise click.UsageError("--from-libvirt takes no --host: libvirt is asked for the address of each guest")
    if not uri and (len(names) != 1 or not host):
        raise click.UsageError("name one environment and its --host, or --from-libvirt URI")
    base = Environment(name=names[0] if names else "", host=host, kind=Kind(kind), **given)  # type: ignore[arg-type]
    with services(output) as opened:
        added = opened.inventory.new_guests(uri, base, names) if uri else (base,)
        problems = opened.inventory.add_all(added)
        where = opened.lab_file
    if problems:
        output.problems(problems)
        return EXIT_FAILED
    if output.json:
        output.document({"added": added if uri else base, "lab_file": str(where)})
        return 0
    for each in added:
        output.say(f"Added {each.name} to {where}. Next, pin its host key: {trust_command(output, each.name)}")
    if not added:
        output.say(f"All guests at {uri} are in {where} already")
    return 0


def trust_command(output: Output, name: str, fingerprint: str = "", *, jump_host: bool = False) -> str:
    """The command that pins a machine's host key."""
    words = ["kdeploy", "env", "trust", name, *(["--jump-host"] if jump_host else [])]
    if fingerprint:
        words += ["--fingerprint", fingerprint]
    if output.lab:
        words += ["--lab", str(output.lab)]
    return shlex.join(words)


@env.command()
@click.argument("name")
@command_options(on_plan_error=EXIT_FAILED)
def remove(output: Output, /, name: str) -> int:
    """Remove an environment from the lab file; nothing changes on the machine."""
    with services(output) as opened:
        known(opened, name)
        opened.inventory.remove(name)
        where = opened.lab_file
    if output.json:
        output.document({"removed": name, "lab_file": str(where)})
    else:
        output.say(f"Removed {name} from {where}")
    return 0


@env.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@command_options(on_plan_error=EXIT_FAILED)
def check(output: Output, /, names: tuple[str, ...]) -> int:
    """Connect to environments and see whether they are still READY; changes nothing there.

    Exit status 0: all were reached, and whatever was READY still is.
    """
    with services(output) as opened:
        unlock(output, opened, [known(opened, name) for name in names])
        checks = [opened.inventory.check(name) for name in names]
    if output.json:
        output.document({"checks": checks})
    else:
        for each in checks:
            print_check(output, each)
    return EXIT_FAILED if any(_is_bad(each) for each in checks) else 0


def _is_bad(check: EnvironmentCheck) -> bool:
    return check.failure is not None or (not check.ready and check.mark is not None)


@env.command()
@click.argument("name")
@click.option("--fingerprint", metavar="SHA256:...", help="Pin this key, if it is the one that the machine offers.")
@click.option("--jump-host", is_flag=True, help="Pin its jump host, where that is named as user@host:port.")
@click.option(
    "--from-known-hosts",
    "known_hosts",
    is_flag=False,
    flag_value="",
    metavar="[FILE]",
    help="Pin what OpenSSH's known_hosts says of it, without contact: keys, authorities, revoked keys.",
)
@command_options(on_plan_error=EXIT_FAILED)
def trust(output: Output, /, name: str, fingerprint: str | None, jump_host: bool, known_hosts: str | None) -> int:
    """Pin the host key of a machine after you have compared it.

    Without --fingerprint the offered one is shown and you are asked.
    """
    with services(output) as opened:
        if known_hosts is not None:
            known(opened, name)
            return _imported(output, opened.inventory.trust_known(name, [Path(known_hosts)] if known_hosts else []))
        known(opened, name)
        subject = opened.inventory.pinned(name, jump_host=jump_host)
        if fingerprint is None:
            key = opened.inventory.offered(name, jump_host=jump_host)
            fingerprint = key.fingerprint
            if fingerprint in subject.host_keys:
                return _pinned(output, subject.name, fingerprint, "was pinned before")
            command = trust_command(output, name, fingerprint, jump_host=jump_host)
            _ask(output, subject, key, command)
        opened.inventory.trust(name, fingerprint, jump_host=jump_host)
    return _pinned(output, subject.name, fingerprint, "is pinned")


def _imported(output: Output, environment: Environment) -> int:
    if output.json:
        output.document({"environment": environment})
        return 0
    rows = (
        ("pinned", environment.host_keys),
        ("authority", environment.host_ca),
        ("revoked", environment.revoked_host_key),
        ("pinned for the jump host", environment.jump_host_key),
    )
    for label, keys in rows:
        for key in keys:
            output.say(f"{visible(environment.name)}: {label}: {visible(key)}")
    return 0


def _ask(output: Output, subject: Environment, key: HostKey, command: str) -> None:
    name, pinned = subject.name, subject.host_keys
    offered = key.fingerprint
    lines = [
        f"{name} offers the host key  {offered} ({key.algorithm})",
        *(f"pinned until now           {each}" for each in pinned),
        *key.randomart.splitlines(),
        "Compare it on the machine's own console, not over the network:",
        f"  ssh-keygen -lvf {key.file}",
    ]
    if not output.json:
        click.echo("\n".join(visible(each) for each in lines), err=True)
    if output.json or not sys.stdin.isatty():
        message = f"{name} offers {offered}: nobody can confirm that here, nothing was pinned"
        if output.lab:
            message += f" (once you have compared: {command})"
        raise TrustError("E-HOSTKEY-UNKNOWN", message, offered=offered)
    if not click.confirm("Is it the same? Pin it", default=False, err=True):
        raise TrustError("E-HOSTKEY-UNKNOWN", "you said no, nothing was pinned", offered=offered)


def _pinned(output: Output, name: str, fingerprint: str, words: str) -> int:
    if output.json:
        output.document({"environment": name, "fingerprint": fingerprint})
    else:
        output.say(f"{fingerprint} {words} for {name}")
    return 0
