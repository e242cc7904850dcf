"""`kdeploy-gui` that deploys a plan as soon as its window is there: `python -m tests.ui.deploying_window PLAN`."""

from __future__ import annotations

import sys
from pathlib import Path

from kdeploy_gui.ui import application


class DeployingProgram(application.Program):
    """The program, and a run that its user has started."""

    def start(self, *, demo: bool) -> None:
        """Open the window and submit the plan."""
        super().start(demo=demo)
        assert self.window is not None
        session = self.window.session
        planned = session.services.plans.check(Path(sys.argv[1]))
        assert planned.plan is not None
        session.navigator.fleet(session.services.submit(planned.plan, planned.source))


if __name__ == "__main__":
    application.Program = DeployingProgram  # type: ignore[misc]
    sys.exit(application.run(application.Arguments()))
