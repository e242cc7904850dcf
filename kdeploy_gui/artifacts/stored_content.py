"""The bytes of plans, whether they are local files or objects of the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from kdeploy_gui.artifacts.content import LocalContent
from kdeploy_gui.artifacts.store import ArtifactStore
from kdeploy_gui.model.plan import SourceFile


class StoredContent(LocalContent):
    """Port `Content`: objects of the store are checked whenever they are read, all else is a local file."""

    def __init__(self, store: ArtifactStore) -> None:
        self._store = store

    def digest(self, source: SourceFile, stop: Callable[[], bool] = lambda: False) -> str:
        """As `LocalContent.digest`; raises LocalError E-STORE-DAMAGED for an object that is not what it should be."""
        sha256 = self._store.objects.named(source.path)
        if not sha256:
            return super().digest(source, stop)
        self._store.check(sha256, stop)
        return sha256

    def read(self, path: str) -> Iterator[bytes]:
        """As `LocalContent.read`; raises LocalError E-STORE-DAMAGED before the last bytes of a damaged object."""
        sha256 = self._store.objects.named(path)
        return self._store.read(sha256) if sha256 else super().read(path)
