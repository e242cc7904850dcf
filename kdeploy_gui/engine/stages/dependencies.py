"""Dependency installation: look, install what is missing where that is possible, look again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from posixpath import basename

from kdeploy_gui import defaults
from kdeploy_gui.engine import shortfall, snapshots
from kdeploy_gui.engine.context import Context
from kdeploy_gui.engine.shortfall import Way, satisfies
from kdeploy_gui.errors import KdeployError, NetworkError, PackagesLocked, TargetBusy
from kdeploy_gui.model.event import DependencyDone
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.files import ManifestEntry, Placement
from kdeploy_gui.model.packages import PIP, Found, Meaning, Offers, Order, manager_of
from kdeploy_gui.model.plan import Dependency, SourceFile
from kdeploy_gui.ports import Target

WAITING = "~/.cache/kdeploy"
"""Where package files wait on a machine until they are installed."""
TELLING = 1.0
"""Seconds between two notes of what a package manager does."""


async def run(context: Context) -> None:
    """Check, install what is missing, check again. Raises TargetError that names exactly what is still not there."""
    wanted = context.plan.dependencies
    if not context.plan.takes_back:
        await context.target()
        await snapshots.take(context)
    if not wanted:
        return
    found = await look(await context.target(), context.known, wanted)
    lacking = [each for each in wanted if not each.tool and not satisfies(each, found[each])]
    context.lacked.update(lacking)
    installing = _Installing(context)
    if lacking:
        await installing.bring(lacking)
        offered = installing.offered
        found = {
            each: replace(state, offered=offered.get(each, ()))
            for each, state in (await look(await context.target(), context.known, wanted)).items()
        }
    _report(context, found, installing.refusals)
    missing = [each for each in wanted if each.required and not satisfies(each, found[each])]
    if missing:
        raise shortfall.missing_error(missing, found, installing.refusals)


def _report(context: Context, found: Mapping[Dependency, Found], refusals: Mapping[Dependency, KdeployError]) -> None:
    wanted = context.plan.dependencies
    for number, each in enumerate(wanted, 1):
        good = satisfies(each, found[each])
        action = "missing" if not good else "installed" if each in context.lacked else "present"
        note = "" if good else _note(each, found[each], refusals.get(each))
        context.emit(DependencyDone(each.label, action, found[each].version, each.version, each.required, note))
        context.progress(number, len(wanted), "dependencies", each.label)


def _note(dependency: Dependency, found: Found, refusal: KdeployError | None) -> str:
    if refusal is not None:
        return refusal.message
    return shortfall.in_words(dependency, found) if shortfall.is_outdated(dependency, found) else ""


async def look(
    target: Target, facts: Facts, wanted: Sequence[Dependency], offers: Offers = Offers.NO
) -> dict[Dependency, Found]:
    """What the machine has of these dependencies."""
    items = {each: shortfall.wanted_of(facts, each) for each in wanted}
    found = await target.dependencies(manager_of(facts), tuple(items.values()), offers)
    return {each: found[item] for each, item in items.items()}


class _Installing:
    """One attempt to bring what is lacking: `offered` versions and `refusals`, by dependency."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._told = float("-inf")
        self._notes = 0
        self.offered: dict[Dependency, tuple[str, ...]] = {}
        self.refusals: dict[Dependency, KdeployError] = {}

    async def bring(self, lacking: Sequence[Dependency]) -> None:
        """Install the required packages together, then each optional one by itself, so that none gets in the way.

        Raises PackagesLocked while something else installs; for optional ones only as long as that is waited for.
        """
        required = [each for each in lacking if each.required]
        groups = [[each for each in required if self._way(each) is way] for way in Way]
        groups += [[each] for each in lacking if not each.required]
        for group in filter(None, groups):
            try:
                await self._install(group)
            except (TargetBusy, NetworkError) as error:
                if group[0].required or not self._has_waited(error):
                    raise
                self.refusals[group[0]] = error
            except KdeployError as error:
                self.refusals.update(dict.fromkeys(group, error))

    def _has_waited(self, error: KdeployError) -> bool:
        """Whether a package manager was waited for long enough."""
        now = self._context.ports.clock.monotonic()
        if self._context.locked_since is None:
            self._context.locked_since = now
        waited = now - self._context.locked_since
        return isinstance(error, PackagesLocked) and waited >= defaults.PACKAGE_LOCK_PATIENCE

    def _files(self, dependency: Dependency) -> tuple[SourceFile, ...]:
        files = self._context.plan.package_files.get(dependency, ())
        return shortfall.fitting(self._context.known, dependency, files)

    def _way(self, dependency: Dependency) -> Way:
        return shortfall.way_of(self._context.known, dependency, self._files(dependency))

    async def _install(self, group: Sequence[Dependency]) -> None:
        """Install packages that come in the same way; raises why that failed."""
        context, way = self._context, self._way(group[0])
        packages = [shortfall.package_name(context.known, each) or each.pip for each in group]
        refused = shortfall.cannot_install(context.known, way, packages)
        if refused is not None:
            raise refused
        manager = PIP if way.is_pip else manager_of(context.known)
        order = Order(run=context.run, manager=manager)
        if way.is_pip:
            order = replace(order, names=await self._ask_pip(group))
        elif not way.has_files:
            order = replace(order, names=await self._ask_sources(group))
        if way.has_files:
            order = replace(order, names=(), files=self._placed([file for each in group for file in self._files(each)]))
        if order.names or order.files:
            await self._carry_out(order, packages)

    async def _ask_pip(self, group: Sequence[Dependency]) -> tuple[str, ...]:
        """How pip is asked for packages; raises why it cannot bring them."""
        context = self._context
        asked: list[str] = []
        for each, found in (await look(await context.target(), context.known, group)).items():
            refused = shortfall.cannot_use_pip(found, each)
            if refused is not None:
                raise refused
            asked.append(f"{each.pip} {shortfall.pip_range(each, found)}".strip())
        return tuple(asked)

    async def _ask_sources(self, group: Sequence[Dependency]) -> tuple[str, ...]:
        """How the packages are asked for; those of which no version on offer will do are left out."""
        facts = self._context.known
        found = await self._offers([each for each in group if each.version])
        choices = (
            shortfall.choice(each, found[each], shortfall.package_name(facts, each))
            if each in found
            else shortfall.package_name(facts, each)
            for each in group
        )
        return tuple(each for each in choices if each is not None)

    async def _offers(self, group: Sequence[Dependency]) -> Mapping[Dependency, Found]:
        """What the package sources offer of packages whose version matters; where none will do, with fresh lists."""
        if not group:
            return {}
        context = self._context
        found = await look(await context.target(), context.known, group, Offers.ALL)
        if any(not state.offered or shortfall.is_outdated(each, state) for each, state in found.items()):
            manager = manager_of(context.known)
            await self._carry_out(Order(run=context.run, manager=manager), [], may_fail=True)
            found = await look(await context.target(), context.known, group, Offers.ALL)
        self.offered.update({each: state.offered for each, state in found.items()})
        return found

    def _placed(self, files: Sequence[SourceFile]) -> tuple[Placement, ...]:
        """Package files as they wait on the machine; equal names are told apart."""
        context = self._context
        folder = context.known.expand(WAITING)
        placed: dict[str, Placement] = {}
        for source in {each.path: each for each in files}.values():
            name = basename(source.path)
            while name in placed:
                name = f"{len(placed)}-{name}"
            entry = ManifestEntry(f"{folder}/{name}", context.hashes[source.path], 0o600, size=source.size)
            placed[name] = Placement(entry, source.path)
        return tuple(placed.values())

    async def _carry_out(self, order: Order, packages: Sequence[str], *, may_fail: bool = False) -> None:
        context = self._context
        names = ", ".join(packages)
        target = await context.target()
        if packages:
            await context.drop_mark(f"run {context.run} began to install packages and has not made it READY since")

        def sent(size: int) -> None:
            context.progress(size, order.size, "bytes", f"sending files of {names}")

        def output(data: bytes) -> None:
            context.output(data)
            self._tell(data)

        doing = f"installing {names}" if packages else "fetching lists of packages"
        context.progress(0, len(packages), "packages", doing)
        ended = await target.install(order, output, sent)
        busy = ended.meaning in {Meaning.LOCKED, Meaning.STALE, Meaning.HALF}
        if ended.meaning is not Meaning.DONE and (busy or not may_fail):
            raise shortfall.refusal(order, ended, packages)

    def _tell(self, data: bytes) -> None:
        """The last line of the output as the stage's note, now and then."""
        now = self._context.ports.clock.monotonic()
        lines = data.decode(errors="replace").split("\n")
        line = next((each.strip() for each in reversed(lines) if each.strip()), "")
        if line and now - self._told >= TELLING:
            self._told = now
            self._notes += 1
            self._context.progress(self._notes, 0, "lines", line[:120])
