"""Which of a board's kernel images is the one that runs, told by every shell from what the images hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from kdeploy_gui import resources
from tests.contract.local_shell import LocalShell
from tests.model.test_kernel import bzimage
from tests.properties.peers import INTERPRETERS

SCRIPT = resources.text("remote/running_kernel.sh")
RELEASE, BUILD = os.uname().release, os.uname().version
BANNER = f"Linux version {RELEASE} (me@here) (gcc 12) {BUILD}\n".encode()


@pytest.mark.parametrize("interpreter", INTERPRETERS, ids=lambda each: Path(each[0]).name)
@pytest.mark.parametrize(
    ("images", "expected"),
    [
        ({"a": bzimage(f"{RELEASE} (me@here) #1 of another day"), "b": bzimage(f"{RELEASE} (me@here) {BUILD}")}, "b"),
        ({"a": b"\x7fELF\0\1\n\0" + BANNER.replace(RELEASE.encode(), b"0.1"), "b": b"\0\xff\0" + BANNER + b"\0"}, "b"),
        ({"a": b"\x1f\x8b", f"vmlinuz-{RELEASE}": b"\x1f\x8b"}, f"vmlinuz-{RELEASE}"),
        ({"a": b"\x1f\x8b", f"b-{RELEASE}.old": b""}, ""),
        ({f"vmlinuz-{RELEASE}": b"", "with space": BANNER}, "with space"),
        ({}, ""),
    ],
)
async def test_an_image_is_known_by_what_it_holds(
    tmp_path: Path, interpreter: Sequence[str], images: dict[str, bytes], expected: str
) -> None:
    for name, data in images.items():
        (tmp_path / name).write_bytes(data)
    names = [str(tmp_path / each) for each in ("missing", *images)]
    done = await LocalShell(interpreter, tmp_path).run(SCRIPT, names)
    assert (done.status, done.text, done.error_text) == (0, f"{tmp_path / expected}\n" if expected else "", "")
