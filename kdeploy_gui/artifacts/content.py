"""The bytes of local files."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO

from kdeploy_gui import defaults
from kdeploy_gui.artifacts.inspection import inspect
from kdeploy_gui.errors import ArtifactError, Cancelled
from kdeploy_gui.model.plan import SourceFile
from kdeploy_gui.model.requirement import Requirement


class LocalContent:
    """Port `Content` on the workstation's own file system."""

    def digest(self, source: SourceFile, stop: Callable[[], bool] = lambda: False) -> str:
        """SHA-256 of a file in hexadecimal.

        Raises ArtifactError when it is missing, cannot be read, or has another size than when the plan was made, and
        Cancelled soon after `stop` says so: a huge file never holds up the end of the program.
        """
        with _opened(source.path) as file:
            size = os.fstat(file.fileno()).st_size
            if size != source.size:
                message = f"{source.path} had {source.size} bytes when the plan was made and has {size} now"
                raise ArtifactError("E-HASH", message, path=source.path)
            digest = hashlib.sha256()
            while chunk := file.read(defaults.CHUNK):
                if stop():
                    raise Cancelled("E-CANCELLED", f"{source.path} was not read to its end", path=source.path)
                digest.update(chunk)
            return digest.hexdigest()

    def requirement(self, source: SourceFile) -> Requirement:
        """See `Content.requirement`."""
        with _opened(source.path) as file:
            return inspect(file)

    def read(self, path: str) -> Iterator[bytes]:
        """A file's bytes in chunks of at most `defaults.CHUNK`. Raises ArtifactError."""
        with _opened(path) as file:
            while chunk := file.read(defaults.CHUNK):
                yield chunk


@contextmanager
def _opened(path: str) -> Iterator[FileIO]:
    """A regular file, open for reading; never waits for the other end of a pipe."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with FileIO(descriptor) as raw:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ArtifactError("E-SOURCE-UNREADABLE", f"{path} is no longer a regular file", path=path)
            yield raw
    except FileNotFoundError as error:
        raise ArtifactError("E-SOURCE-MISSING", f"{path} is no longer there", path=path) from error
    except OSError as error:
        message = f"{path} cannot be read: {error.strerror or error}"
        raise ArtifactError("E-SOURCE-UNREADABLE", message, path=path) from error
