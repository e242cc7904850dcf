"""The embedded lab with services of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kdeploy_gui.app.home import Home
from kdeploy_gui.app.inventory import refuse
from kdeploy_gui.app.services import Services, open_services
from kdeploy_gui.environments.demo_lab import DemoLab
from kdeploy_gui.errors import PlanError
from kdeploy_gui.model.plan import Plan
from kdeploy_gui.resources import ROOT


@contextmanager
def open_demo(boards: int, root: Path | None = None, keep: bool = False) -> Iterator[tuple[Services, Plan]]:
    """The embedded lab, running, with services on a home of its own and the plan of the sample suite.

    Everything lies below `root` (a new temporary folder without it) and is removed at the end unless `keep`.
    """
    folder = root or Path(tempfile.mkdtemp(prefix="kdeploy-demo-"))
    try:
        with DemoLab(boards, folder / "lab") as lab:
            home = Home(folder / "home", folder / "home")
            home.data.mkdir(mode=0o700, parents=True, exist_ok=True)
            lab.write_lab_file(home.lab_file)
            sample = ROOT / "demo" / "plan.toml"
            with open_services(home, sample_plan=sample) as services:
                planned = services.plans.check(sample)
                if planned.plan is None:
                    refuse(planned.problems)
                    raise PlanError("E-PLAN", "the sample plan selects nothing")
                yield services, planned.plan
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
