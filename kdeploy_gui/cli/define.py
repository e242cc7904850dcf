"""`kdeploy env define`: a new guest out of a disk."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

import click

from kdeploy_gui.cli.environments import env, trust_command
from kdeploy_gui.cli.options import EXIT_FAILED, command_options
from kdeploy_gui.cli.output import Output
from kdeploy_gui.cli.session import services
from kdeploy_gui.model.environment import Environment, Kind
from kdeploy_gui.model.guest import DirectBoot, GuestDescription

LOOPBACK = "127.0.0.1"


@env.command()
@click.argument("name")
@click.argument("uri")
@click.option("--disk", required=True, help="A qcow2 image with a system in it.")
@click.option("--memory", type=click.IntRange(16), default=1024, show_default=True, help="MiB.")
@click.option("--cores", type=click.IntRange(1, 512), default=1, show_default=True)
@click.option("--arch", type=click.Choice(["x86_64", "aarch64", "riscv64"]), default="x86_64", show_default=True)
@click.option("--kernel", default="", help="Boot this image and not what the disk holds.")
@click.option("--initrd", default="")
@click.option("--cmdline", default="", help="The kernel's command line.")
@click.option("--network", default="default", show_default=True, help="A network of libvirt's.")
@click.option("--port", type=click.IntRange(1024, 65535), help="Where its SSH server answers on this machine instead.")
@click.option("--user", default="root", show_default=True)
@click.option("--identity-file", default="", help="Private key; without it the ssh agent.")
@command_options(on_plan_error=EXIT_FAILED)
def define(output: Output, /, name: str, uri: str, port: int | None, **given: str) -> int:
    """Define a guest NAME at URI, such as qemu:///system, out of a disk image, and add it to the lab file.

    It stays off: `kdeploy power NAME on` starts it. All paths are those of the machine that runs libvirt, absolute.
    qemu:///session has no networks: give a --port there, which leads to the guest's port 22.
    """
    _refuse_what_cannot_work(uri, port, [given["disk"], given["kernel"], given["initrd"]])
    kernel = DirectBoot(given["kernel"], given["initrd"], given["cmdline"]) if given["kernel"] else None
    description = GuestDescription(
        name=name,
        disk=given["disk"],
        memory=int(given["memory"]),
        cores=int(given["cores"]),
        arch=given["arch"],
        kernel=kernel,
        network=given["network"],
        forward_port=port or 0,
    )
    environment = Environment(
        name=name,
        host=LOOPBACK if port else "",
        port=port or 22,
        kind=Kind.QEMU,
        uri=uri,
        domain=name,
        user=given["user"],
        identity_file=given["identity_file"],
    )
    with services(output) as opened:
        problems = opened.inventory.define(environment, description)
        where = opened.lab_file
    if problems:
        output.problems(problems)
        return EXIT_FAILED
    if output.json:
        output.document({"defined": description, "added": environment, "lab_file": str(where)})
        return 0
    output.say(f"Defined {name} at {uri} and added it to {where}. Start it: kdeploy power {name} on")
    output.say(f"Then pin its host key: {trust_command(output, name)}")
    return 0


def _refuse_what_cannot_work(uri: str, port: int | None, paths: list[str]) -> None:
    parts = urlsplit(uri)
    if parts.path == "/session" and port is None:
        raise click.UsageError("qemu:///session has no networks: give a --port that leads to the guest's port 22")
    if parts.hostname and port is not None:
        raise click.UsageError("--port leads to a guest of this machine, not to one of another")
    relative = [each for each in paths if each and not Path(each).is_absolute()]
    if relative:
        raise click.UsageError(f"must be an absolute path: {', '.join(relative)}")
