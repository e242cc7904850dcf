"""Where a deployment stages what on a target, and the lists that `place.sh` works off there. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from posixpath import basename, dirname, join

from kdeploy_gui import defaults
from kdeploy_gui.model.files import Batch, ManifestEntry, Placement, VersionedSet
from kdeploy_gui.model.versioned import holder, leads_to, version_name


@dataclass(frozen=True)
class Staging:
    """One batch under the names of one attempt: `token` names the staging folders, of 8 digits are `unique` ones.

    `resumed` maps paths to where their bytes wait on the target already, so that they are not sent.
    """

    batch: Batch
    token: str
    unique: str
    resumed: Mapping[str, str] = field(default_factory=dict)

    @property
    def folders(self) -> tuple[str, ...]:
        """Folders on the target that get a staging folder, each once; the first also holds the control lists."""
        entries = [each.entry for each in self.batch.send]
        if not entries and not self.batch.sets:
            entries = list(self.batch.attributes[:1])
        homes = [_home(each.path) for each in entries]
        versioned = [folder for each in self.batch.sets for folder in (holder(each.link), _home(each.link))]
        return tuple(dict.fromkeys((*homes, *versioned)))

    @property
    def control(self) -> str:
        """The folder of the control lists."""
        return join(self.folders[0], self.token, "control")

    @property
    def arriving(self) -> tuple[Placement, ...]:
        """Files whose bytes are in the archive."""
        return tuple(each for each in self.batch.sent if each.entry.path not in self.resumed)

    @property
    def checked(self) -> int:
        """Bytes that the target hashes when all of them are there; those of large files it hashes as they come."""
        sent = sum(each.entry.size for each in self.batch.sent)
        copied = sum(each.size for one in self.batch.sets for each in one.copied)
        return sent + copied - sum(each.entry.size for each in self.arriving if is_large(each))

    def staged(self, placement: Placement) -> str:
        """Where the bytes of a file wait before they come into place."""
        return self._staged(placement.entry.path, placement.link)

    def staged_link(self, versioned: VersionedSet) -> str:
        """Where a link waits before it is renamed into place."""
        return self._staged(versioned.link, "")

    def leads_to(self, versioned: VersionedSet) -> str:
        """What a link will say."""
        return leads_to(versioned.link, self._version(versioned.link))

    def file_list(self, versioned: VersionedSet) -> str:
        """Where the list of a version's files waits; it will stand beside the version."""
        return self._staged_version(versioned.link) + ".files"

    def inner_folders(self, versioned: VersionedSet) -> list[str]:
        """A staged version and its folders, outer ones first."""
        top = self._staged_version(versioned.link)
        return [top, *(join(top, each) for each in _folders_in(versioned))]

    def version_files(self, versioned: VersionedSet) -> list[str]:
        """A version's files (`f`) and folders (`d`), inner ones first, relative to it."""
        files = [f"f\t{_below(versioned.link, each.path)}" for each in versioned.entries]
        return [*files, *(f"d\t{each}" for each in reversed(_folders_in(versioned)))]

    def lists(self) -> dict[str, list[str]]:
        """The control lists by name; a line is `key<TAB>path`, and lines with one key are neighbours."""
        batch, sent = self.batch, self.batch.sent
        by_folder = sorted(batch.send, key=lambda each: (dirname(each.entry.path), each.entry.path))
        placed = [each.entry.path for each in by_folder] + [each.link for each in batch.sets]
        waiting = [self.staged(each) for each in by_folder] + [self.staged_link(each) for each in batch.sets]
        homes = [_home(each) for each in placed]
        large = [each for each in self.arriving if is_large(each)]
        small = [each for each in sent if not is_large(each) or each.entry.path in self.resumed]
        return {
            "sizes": [f"{each.entry.size}\t{each.entry.sha256}\t{self.staged(each)}" for each in large],
            "sums_large": [f"{each.entry.sha256}  {self.staged(each)}" for each in large],
            "sums": [*(f"{each.entry.sha256}  {self.staged(each)}" for each in small), *self._copies()],
            "attributes": sorted(self._attributes()),
            "linked": self._taken_over("linked"),
            "copied": self._taken_over("copied"),
            "resumed": [f"{dirname(self.staged(each))}\t{self.resumed[each.entry.path]}" for each in self._continued()],
            "previous": [f"{join(home, self.token)}/old\t{path}" for home, path in zip(homes, placed, strict=True)],
            "commit": [f"{home}\t{staged}" for home, staged in zip(homes, waiting, strict=True)],
            "versions": [line for each in batch.sets for line in self._arriving_version(each)],
            "holders": [f"-\t{holder(each.link)}" for each in batch.sets],
            "leads": [f"{self.leads_to(each)}\t{each.link}" for each in batch.sets],
            "placed": [f"{each.entry.sha256}  {each.entry.path}" for each in sent],
            "large": [
                f"{each.entry.sha256}\t{self.staged(each)}\t{each.entry.path}" for each in sent if is_large(each)
            ],
            "fix": sorted(f"{_attributes(each)}\t{each.path}" for each in batch.attributes),
        }

    def _attributes(self) -> Iterator[str]:
        for each in self.batch.sent:
            yield f"{_attributes(each.entry)}\t{self.staged(each)}"
        for one in self.batch.sets:
            yield from (f"{_attributes(each)}\t{self._staged(each.path, one.link)}" for each in one.copied)
            yield from (f"0755 -\t{folder}" for folder in self.inner_folders(one))

    def _taken_over(self, which: str) -> list[str]:
        entries: list[tuple[str, str]] = []
        for one in self.batch.sets:
            chosen: Iterable[ManifestEntry] = one.linked if which == "linked" else one.copied
            entries.extend((dirname(self._staged(each.path, one.link)), each.path) for each in chosen)
        return [f"{folder}\t{path}" for folder, path in sorted(entries)]

    def _copies(self) -> Iterator[str]:
        for one in self.batch.sets:
            yield from (f"{each.sha256}  {self._staged(each.path, one.link)}" for each in one.copied)

    def _continued(self) -> list[Placement]:
        return [each for each in self.batch.sent if each.entry.path in self.resumed]

    def _arriving_version(self, versioned: VersionedSet) -> Iterator[str]:
        yield f"{holder(versioned.link)}\t{self.file_list(versioned)}"
        yield f"{holder(versioned.link)}\t{self._staged_version(versioned.link)}"

    def _staged(self, path: str, link: str) -> str:
        if link:
            return join(self._staged_version(link), _below(link, path))
        return join(_home(path), self.token, "new", basename(path))

    def _staged_version(self, link: str) -> str:
        return join(holder(link), self.token, "new", self._version(link))

    def _version(self, link: str) -> str:
        return self._versions[link]

    @cached_property
    def _versions(self) -> Mapping[str, str]:
        return {each.link: version_name(self.batch.run, each.entries, self.unique) for each in self.batch.sets}


def is_large(placement: Placement) -> bool:
    """Whether a transfer of the file that was cut short is worth going on with."""
    return placement.entry.size >= defaults.RESUME_FROM


def _home(path: str) -> str:
    return dirname(path) or "/"


def _below(link: str, path: str) -> str:
    return path[len(link) + 1 :]


def _folders_in(versioned: VersionedSet) -> list[str]:
    """Folders of a set, relative to it, outer ones first."""
    found: set[str] = set()
    for each in versioned.entries:
        folder = dirname(_below(versioned.link, each.path))
        while folder:
            found.add(folder)
            folder = dirname(folder)
    return sorted(found)


def _attributes(entry: ManifestEntry) -> str:
    return f"{entry.mode:04o} {entry.owner or '-'}"
