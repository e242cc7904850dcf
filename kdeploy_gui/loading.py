"""Large modules, loaded at once."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def loading(module: str) -> Iterator[None]:
    """Around the first import of a module: nothing that it makes is garbage, now or later, so nobody looks for any.

    Each full collection would stop all threads to look at it.
    """
    if module in sys.modules:
        yield
        return
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()
