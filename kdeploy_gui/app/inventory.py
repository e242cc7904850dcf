"""The environments of a lab file, and looks at the machines behind them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kdeploy_gui.documents import lab_edit, lab_update
from kdeploy_gui.documents.lab_edit import Removed
from kdeploy_gui.documents.lab_file import LabFile, read_lab
from kdeploy_gui.engine import instruments, power, readiness
from kdeploy_gui.engine.board_kernel import BoardSwitch
from kdeploy_gui.engine.context import Ports
from kdeploy_gui.engine.examine import examine
from kdeploy_gui.engine.guest import told_state
from kdeploy_gui.engine.kernels import KernelSwitch, kernel_of
from kdeploy_gui.engine.reboot import reboot
from kdeploy_gui.engine.thread import EngineThread
from kdeploy_gui.environments import ssh_config
from kdeploy_gui.environments.known_hosts import KnownHosts
from kdeploy_gui.errors import GuestError, PlanError, TrustError
from kdeploy_gui.model.check import CheckStep, EnvironmentCheck, InstrumentLook
from kdeploy_gui.model.environment import Environment, PowerAction, guests_of
from kdeploy_gui.model.event import Body
from kdeploy_gui.model.guest import GuestDescription, GuestFigures, GuestSeen, GuestStatus
from kdeploy_gui.model.host_key import ALGORITHMS, HostKey
from kdeploy_gui.model.kernel import KernelBooted
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.model.power import PowerDone, Rebooted
from kdeploy_gui.model.problem import Problem, did_you_mean
from kdeploy_gui.model.ssh_host import SshHost

_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2", "/etc/ssh/ssh_known_hosts")


class GuestWatching:
    """See `Guests.watch`."""

    def __init__(self, engine: EngineThread, changes: AsyncIterator[tuple[str, GuestStatus]]) -> None:
        self._engine = engine
        self._changes = changes

    def start_next(self) -> Future[tuple[str, GuestStatus]]:
        """The next change, whenever it comes. Raises GuestError; cancelling the future ends the watching."""
        return self._engine.start(self._next())

    async def _next(self) -> tuple[str, GuestStatus]:
        return await anext(self._changes)


class Inventory:
    """The machines of one lab file; verbs may be called from any thread but the engine's."""

    def __init__(self, lab_file: Path, ports: Ports, engine: EngineThread) -> None:
        self.lab_file = lab_file
        self.ssh_config = Path("~/.ssh/config").expanduser()
        self._ports = ports
        self._engine = engine

    def read(self) -> LabFile:
        """The lab file as it is now, with its problems."""
        return read_lab(self.lab_file)

    def get(self, name: str) -> Environment:
        """The environment of that name. Raises PlanError, with the nearest name."""
        document = self.read()
        environment = document.lab.get(name)
        if environment is None:
            refuse(document.problems)
            known = [each.name for each in document.lab.environments]
            hint = did_you_mean(name, known)
            raise PlanError("E-LAB-UNKNOWN", f"no environment is called '{name}'{hint}", path=str(self.lab_file))
        return environment

    def add(self, environment: Environment) -> tuple[Problem, ...]:
        """Write an environment into the lab file; returns why not, or nothing. Raises LocalError."""
        return lab_edit.add_environment(self.lab_file, environment)

    def add_all(self, environments: Sequence[Environment]) -> tuple[Problem, ...]:
        """Write several environments into the lab file or none of them; returns why not, or nothing.

        Raises LocalError.
        """
        return lab_edit.add_environments(self.lab_file, environments)

    def update(self, name: str, environment: Environment, known: Environment | None = None) -> tuple[Problem, ...]:
        """Write what is other in an environment, its name too; returns why not, or nothing. Raises LocalError.

        `known` is what the change was made from: what others changed meanwhile stays. Kernels stay as they are in the
        file.
        """
        return lab_update.update_environment(self.lab_file, name, environment, known)

    def problems(
        self, environment: Environment, name: str = "", known: Environment | None = None
    ) -> tuple[Problem, ...]:
        """What would speak against `add` or, with a name, `update`; writes nothing. Raises LocalError."""
        if name:
            return lab_update.updated_problems(self.lab_file, name, environment, known)
        return lab_edit.added_problems(self.lab_file, [environment])

    def remove(self, name: str) -> Removed:
        """Take an environment out of the lab file; `restore` takes what it returns. Raises PlanError, LocalError."""
        taken = lab_edit.take_environment(self.lab_file, name)
        if not isinstance(taken, Removed):
            refuse(taken)
            raise PlanError("E-LAB-UNKNOWN", f"no environment is called '{name}'", path=str(self.lab_file))
        return taken

    def restore(self, removed: Removed) -> None:
        """Put back what `remove` took out, the last one first. Raises PlanError where that is impossible now."""
        refuse(lab_edit.restore_environment(self.lab_file, removed))

    def importable(self) -> tuple[SshHost, ...]:
        """The hosts of `ssh_config` as environments that could be added. Raises LocalError where it cannot be read."""
        return ssh_config.hosts(self.ssh_config)

    def define(self, environment: Environment, description: GuestDescription) -> tuple[Problem, ...]:
        """Define a guest at the environment's hypervisor and write it into the lab file; returns why not, or nothing.

        Raises GuestError E-GUEST-DEFINE and LocalError; a lab file that would not take it is found before.
        """
        problems = self.problems(environment)
        if problems:
            return problems
        self._engine.ask(self._ports.guests.define(environment.uri, description))
        return self.add(environment)

    def new_guests(self, uri: str, base: Environment, domains: Sequence[str] = ()) -> tuple[Environment, ...]:
        """The guests of a hypervisor that are not in the lab file yet, or those of these names, as environments.

        How they are logged in at is taken from `base`. Raises GuestError, E-GUEST-UNKNOWN for a name that it has not.
        """
        seen = {each.name for each in self._engine.ask(self._ports.guests.seen(uri))}
        for domain in domains:
            if domain not in seen:
                hint = did_you_mean(domain, seen)
                message = f"libvirt at {uri} has no guest '{domain}'{hint}"
                raise GuestError("E-GUEST-UNKNOWN", message, on_target="Nothing was added.", uri=uri, domain=domain)
        return guests_of(domains or seen, replace(base, uri=uri), self.read().lab.environments)

    def offered(self, name: str, *, jump_host: bool = False) -> HostKey:
        """The host key that a machine offers now, or the jump host that it names by its address."""
        return self._engine.ask(self._ports.connector.host_key(self.pinned(name, jump_host=jump_host)))

    def pinned(self, name: str, *, jump_host: bool = False) -> Environment:
        """An environment, or its jump host where that is named by its address, with what is pinned for it.

        Raises PlanError.
        """
        environment = self.get(name)
        if not jump_host:
            return environment
        if environment.jump_address is None:
            message = f"{name} has no jump host of the form user@host:port; one that is an environment is pinned itself"
            raise PlanError("E-NO-JUMP-HOST", message, path=str(self.lab_file))
        return environment.jump_address

    def start_offered(self, environment: Environment) -> Future[HostKey]:
        """The host key that a machine offers now; it need not be in the lab file."""
        return self._engine.start(self._ports.connector.host_key(environment))

    def trust(self, name: str, fingerprint: str, *, jump_host: bool = False) -> None:
        """Pin the key that the machine, or its jump host, offers if it is exactly this one. Raises TrustError if not.

        Pins of other algorithms stay as long as the machine proves itself with them, too.
        """
        keys = self._engine.ask(self._still_offered(self.pinned(name, jump_host=jump_host), fingerprint))
        if jump_host:
            environment = self.get(name)
            changed = replace(environment, jump_host_key=tuple(keys))
            refuse(lab_update.update_environment(self.lab_file, name, changed, environment))
            return
        types = [algorithm for algorithm in ALGORITHMS if algorithm in keys.values()]
        refuse(lab_edit.set_host_keys(self.lab_file, name, list(keys), types))

    def trust_known(self, name: str, files: Sequence[Path] = ()) -> Environment:
        """Pin what OpenSSH's known_hosts files say of a machine, and of a jump host that is named by its address.

        Without `files` the user's and the system's. Nobody is contacted. Returns the environment as it is now. Raises
        PlanError E-KNOWN-HOSTS where they say nothing of it, LocalError.
        """
        environment = self.get(name)
        chosen = tuple(files) or (*(Path(each).expanduser() for each in _KNOWN_HOSTS),)
        known = KnownHosts.read(*chosen)
        seen = known.about(environment.host, environment.port)
        jump = environment.jump_address
        jump_pins = known.about(jump.host, jump.port).pins if jump is not None else ()
        if not (seen.pins or seen.authorities or seen.revoked or jump_pins):
            where = ", ".join(map(str, chosen))
            message = f"no key of {environment.host} port {environment.port} stands in {where}"
            raise PlanError("E-KNOWN-HOSTS", message, path=where)
        pinned = replace(ssh_config.trusting(environment, seen), jump_host_key=jump_pins or environment.jump_host_key)
        refuse(lab_update.update_environment(self.lab_file, name, pinned, environment))
        return self.get(name)

    async def _still_offered(self, environment: Environment, fingerprint: str) -> Mapping[str, str]:
        """The fingerprint and those pins that the machine still proves, with their types. Raises TrustError."""
        connector = self._ports.connector
        key = await connector.host_key(environment)
        offered = key.fingerprint
        if offered != fingerprint:
            raise TrustError(
                "E-HOSTKEY-OTHER",
                f"{environment.name} offers {offered}, not {fingerprint}",
                on_target="Nothing was sent.",
                offered=offered,
            )
        others = [pin for pin in environment.host_keys if pin != fingerprint]
        proven: dict[str, str] = {}
        for algorithm in ALGORITHMS if others else ():
            with suppress(PlanError):
                proven[(await connector.host_key(environment, algorithm)).fingerprint] = algorithm
        return {**{pin: proven[pin] for pin in others if pin in proven}, fingerprint: key.algorithm}

    def test(self, environment: Environment, tell: Callable[[CheckStep], None]) -> Future[EnvironmentCheck]:
        """Go to a machine part by part; it need not be in the lab file. `tell` is called on the engine's thread.

        Cancelling the future ends it there.
        """
        named = environment if environment.name else replace(environment, name=environment.host)
        return self._engine.start(examine(self._ports, named, tell))

    def check(self, name: str, *, files: bool = True, manifest: Plan | None = None) -> EnvironmentCheck:
        """Connect and say whether the machine is READY now. Changes nothing there; drops a mark that does not hold."""
        return self._engine.ask(readiness.check(self._ports, self.get(name), files=files, plan=manifest))

    def start_check(self, environment: Environment, folders: Sequence[str] = ()) -> Future[EnvironmentCheck]:
        """`check` without the deployed files, for many machines at once: cancelling the future ends it there.

        The facts tell `folders`, too; they may start with `~/`.
        """
        return self._engine.start(readiness.check(self._ports, environment, files=False, folders=folders))

    def start_seen(self, uri: str) -> Future[tuple[GuestSeen, ...]]:
        """All guests of a hypervisor with their states. Raises GuestError."""
        return self._engine.start(self._ports.guests.seen(uri))

    def watch_guests(self, uri: str) -> GuestWatching:
        """The states of a hypervisor's guests, one after the other."""
        return GuestWatching(self._engine, self._ports.guests.watch(uri))

    def start_figures(self, environment: Environment) -> Future[GuestFigures]:
        """What a running guest has used. Raises GuestError."""
        return self._engine.start(self._ports.guests.figures(environment))

    def guest_state(self, name: str) -> str:
        """What a guest is doing, in words, also where nobody can say; empty for other machines. Raises PlanError."""
        return self._engine.ask(told_state(self._ports.guests, self.get(name)))

    def instruments(self, name: str, *, prove: bool = False) -> InstrumentLook:
        """How all instruments of the catalogue are there; with `prove` they are seen working, and put back."""
        return self._engine.ask(instruments.look(self._ports, self.get(name), prove=prove))

    def start_instruments(self, environment: Environment, *, prove: bool = False) -> Future[InstrumentLook]:
        """`instruments` for a window: cancelling the future ends it there."""
        return self._engine.start(instruments.look(self._ports, environment, prove=prove))

    def switch(self, name: str, action: PowerAction) -> PowerDone:
        """Switch a machine and wait until that is done. Raises as `start_power`."""
        return self._engine.ask(power.switch(self._ports, self.get(name), action))

    def reboot(self, name: str, tell: Callable[[Body], None]) -> Rebooted:
        """Have a machine restart itself and wait for its next boot. See `start_reboot`."""
        return self._engine.see_through(reboot(self._ports, self.get(name), tell))

    def boot(self, name: str, kernel: str, tell: Callable[[Body], None] = lambda body: None) -> KernelBooted:
        """Boot a machine with one of its kernels and prove that it runs; `tell` is called on the engine's thread.

        Raises PlanError E-KERNEL-UNKNOWN, and what `KernelSwitch.boot` or, for boards, `BoardSwitch.boot` raise.
        """
        environment = self.get(name)
        chosen = kernel_of(environment, kernel)
        if environment.is_guest:
            switch = KernelSwitch(ports=self._ports, environment=environment, tell=tell)
            return self._engine.ask(switch.boot(chosen))
        return self._engine.ask(BoardSwitch(ports=self._ports, environment=environment, tell=tell).boot(chosen))

    def start_reboot(
        self, environment: Environment, tell: Callable[[Body], None] = lambda body: None
    ) -> Future[Rebooted]:
        """Have a machine restart itself over SSH; `tell` is called on the engine's thread. Raises as `engine.reboot`.

        Cancelling the future ends the waiting, not the restart.
        """
        return self._engine.start(reboot(self._ports, environment, tell))

    def start_power(self, environment: Environment, action: PowerAction) -> Future[PowerDone]:
        """Switch a machine: a guest by its hypervisor, others with the commands of their lab entry.

        See `engine.power.switch` for what is raised.

        Cancelling the future ends the command.
        """
        return self._engine.start(power.switch(self._ports, environment, action))


def refuse(problems: Sequence[Problem]) -> None:
    """Raise PlanError where there are problems."""
    if problems:
        raise PlanError("E-LAB", "\n".join(map(str, problems)), path=problems[0].file)
