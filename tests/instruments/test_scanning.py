"""Scanners of this workstation that do not end by themselves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from kdeploy_gui.errors import LocalError
from kdeploy_gui.instruments import scanning


async def test_one_that_floods_and_never_ends_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "checker"
    program.write_text("#!/bin/sh\nyes | head -c 4000000\nsleep 600\n")
    program.chmod(0o755)
    monkeypatch.setattr(scanning, "HERE_TIMEOUT", 0.5)

    async with asyncio.timeout(60):
        with pytest.raises(LocalError, match="did not end within") as caught:
            await scanning.run_here(str(program), {})

    assert caught.value.code == "E-SCAN-OUTPUT"
