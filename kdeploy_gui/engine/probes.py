"""Checks that need more than facts: the kernel's configuration, the network as the machine sees it, tools that run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kdeploy_gui import resources
from kdeploy_gui.engine.checks import with_reason
from kdeploy_gui.model.command import Command, Completed
from kdeploy_gui.model.event import CheckDone
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.kernel_config import ConfigNeed
from kdeploy_gui.model.network import Reach
from kdeploy_gui.model.packages import Found, Kind, Presence, Wanted, manager_of
from kdeploy_gui.model.plan import Validation
from kdeploy_gui.ports import Target

OWN = "/proc/config.gz"
"""The running kernel's own configuration."""


@dataclass(frozen=True, slots=True)
class Probed:
    """What a machine answered. `config` is None where no configuration can be read there."""

    config: Mapping[str, str] | None = None
    source: str = ""
    reached: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    tools: Mapping[str, Found] = field(default_factory=dict)


async def probe(target: Target, limits: Validation, facts: Facts) -> Probed:
    """Ask for what a plan limits; nothing where it limits none of this."""
    tools: Mapping[Wanted, Found] = {}
    if limits.tools:
        wanted = [Wanted(Kind.COMMAND, each, versioned=True) for each in limits.tools]
        tools = await target.dependencies(manager_of(facts), wanted)
    found = {each.name: state for each, state in tools.items()}
    asked = "".join(_question(limits))
    if not asked:
        return Probed(tools=found)
    script = resources.text("remote/kernel_config.sh") + resources.text("remote/probes.sh")
    return probed_in(await target.execute(Command(script, (asked,), title="readiness probes")), found)


def _question(limits: Validation) -> Iterator[str]:
    for need in limits.kernel_config:
        yield f"config\t{ConfigNeed.parse(need).option}\n"
    for text in limits.network:
        yield f"{_words(Reach.parse(text))}\n".replace(" ", "\t", 1)


def _words(reach: Reach) -> str:
    return f"{reach.kind} {reach.host} {reach.port}" if reach.port else f"{reach.kind} {reach.host}"


def probed_in(done: Completed, tools: Mapping[str, Found]) -> Probed:
    """What `probes.sh` said."""
    config: dict[str, str] = {}
    reached: dict[str, tuple[str, str]] = {}
    source = ""
    for line in done.text.split("\n"):
        key, _, value = line.partition("\t")
        match key:
            case "config_source":
                source = value
            case "config" if not value.startswith("#"):
                name, _, setting = value.partition("=")
                config[name.removeprefix("CONFIG_")] = setting.strip('"')
            case "probe":
                words, _, rest = value.partition("\t")
                outcome, _, why = rest.partition("\t")
                reached[words] = (outcome, why)
            case _:
                pass
    return Probed(config if source else None, source, reached, tools)


def probe_checks(limits: Validation, probed: Probed) -> Iterator[CheckDone]:
    """The checks, the failed ones too. Pure."""
    for text in limits.kernel_config:
        yield _config(ConfigNeed.parse(text), probed)
    for text in limits.network:
        yield _network(Reach.parse(text), probed)
    for tool in limits.tools:
        yield _tool(tool, probed.tools.get(tool))


def _network(reach: Reach, probed: Probed) -> CheckDone:
    outcome, why = probed.reached.get(_words(reach), ("unknown", "the machine did not answer"))
    value = "reached" if outcome == "ok" else f"{'not reached' if outcome == 'failed' else 'not tried'}: {why}"
    check = CheckDone(f"network {reach}", outcome == "ok", value.removesuffix(": "), "reached from the machine")
    code = NETWORK[reach.kind] if outcome == "failed" else "E-CHECK-UNTRIED"
    return with_reason(check, code, f"{TRIED[reach.kind]} on the machine, 5 s at most")


NETWORK = {"tcp": "E-CHECK-TCP", "dns": "E-CHECK-DNS", "icmp": "E-CHECK-ICMP"}
"""The code of what is not reached, by how that is tried."""
TRIED = {"tcp": "a connection by bash, nc or python3", "dns": "getent or nslookup", "icmp": "ping"}


def _config(need: ConfigNeed, probed: Probed) -> CheckDone:
    name = f"kernel_config CONFIG_{need.option}"
    if probed.config is None:
        unread = CheckDone(name, False, "the kernel's configuration cannot be read", str(need))
        return with_reason(unread, "E-CHECK-UNREAD", "neither /proc/config.gz nor a file of this release can be read")
    value = probed.config.get(need.option)
    shown = "not set" if value is None else value
    doubt = "" if probed.source == OWN else f" ({probed.source}: may belong to another build)"
    check = CheckDone(name, need.met_by(value), f"{shown}{doubt}", str(need))
    return with_reason(check, "E-CHECK-CONFIG", f"read in {probed.source}")


def _tool(tool: str, found: Found | None) -> CheckDone:
    name, limit = f"tool {tool}", "present, running"
    match found:
        case Found(Presence.PRESENT):
            return CheckDone(name, True, "runs", limit)
        case Found(Presence.BROKEN, said):
            value = f"it is there and does not run: {said}".removesuffix(": ")
            return with_reason(CheckDone(name, False, value, limit), "E-CHECK-BROKEN", f"{tool} --version was run")
        case _:
            seen = f"command -v {tool} finds nothing in the PATH of the login"
            return with_reason(CheckDone(name, False, "missing", limit), "E-CHECK-TOOL", seen)
