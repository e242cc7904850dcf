"""What a run would install on one machine, as far as looking can tell. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from kdeploy_gui.engine import shortfall
from kdeploy_gui.engine.shortfall import Way
from kdeploy_gui.errors import KdeployError
from kdeploy_gui.model.facts import Facts
from kdeploy_gui.model.figures import size
from kdeploy_gui.model.packages import Found, Presence
from kdeploy_gui.model.plan import Dependency, SourceFile
from kdeploy_gui.model.preview import DependencyChange, DependencyPreview


class Outlook:
    """What becomes of each dependency; `refusals` say why some cannot be installed."""

    def __init__(
        self, facts: Facts, found: Mapping[Dependency, Found], files: Mapping[Dependency, tuple[SourceFile, ...]]
    ) -> None:
        self._found = found
        self._files = {each: shortfall.fitting(facts, each, files.get(each, ())) for each in found}
        self._ways = {each: shortfall.way_of(facts, each, self._files[each]) for each in found}
        self._names = {each: shortfall.package_name(facts, each) for each in found}
        lacking = [each for each in found if not each.tool and not shortfall.satisfies(each, found[each])]
        brings_pip = any(not self._ways[each].is_pip for each in lacking)
        self.refusals: dict[Dependency, KdeployError] = {}
        for each in lacking:
            refused = self._refusal(facts, each, brings_pip)
            if refused is not None:
                self.refusals[each] = refused

    def _refusal(self, facts: Facts, dependency: Dependency, brings_pip: bool) -> KdeployError | None:
        """Packages that are installed before may bring pip itself."""
        way, found = self._ways[dependency], self._found[dependency]
        if way.is_pip:
            comes = found.state is Presence.NO_PIP and brings_pip
            return None if comes else shortfall.cannot_use_pip(found, dependency)
        return shortfall.cannot_install(facts, way, [self._names[dependency]])

    def change(self, dependency: Dependency) -> DependencyChange:
        """What becomes of it."""
        if shortfall.satisfies(dependency, self._found[dependency]):
            return DependencyChange.PRESENT
        lost = dependency.tool or dependency in self.refusals
        return DependencyChange.MISSING if lost else DependencyChange.INSTALL

    def preview(self, dependency: Dependency) -> DependencyPreview:
        """One dependency as people see it."""
        found, change = self._found[dependency], self.change(dependency)
        return DependencyPreview(
            label=dependency.label,
            change=change,
            found=found.version,
            offered=self._offered(dependency) if change is DependencyChange.INSTALL else "",
            wanted=dependency.version,
            required=dependency.required,
            note=self._note(dependency, change),
        )

    def _offered(self, dependency: Dependency) -> str:
        found = self._found[dependency]
        if self._ways[dependency] is not Way.SOURCES or not found.offered:
            return ""
        fit = [each for each in found.offered if shortfall.accepts(dependency.version, each)]
        return shortfall.newest(fit) or ("" if dependency.version else found.offered[0])

    def _note(self, dependency: Dependency, change: DependencyChange) -> str:
        found, files = self._found[dependency], self._files[dependency]
        if dependency in self.refusals:
            return self.refusals[dependency].message
        if change is not DependencyChange.INSTALL:
            return ""
        if files:
            count = "a package file" if len(files) == 1 else f"{len(files)} package files"
            return f"from {count} of this workstation, {size(sum(each.size for each in files))}"
        if self._ways[dependency] is Way.SOURCES and shortfall.is_outdated(dependency, found):
            return f"its lists offer {shortfall.newest(found.offered)}; new ones are fetched first"
        return ""
