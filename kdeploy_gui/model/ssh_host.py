"""A host that the user's own SSH configuration knows."""

from __future__ import annotations

from dataclasses import dataclass

from kdeploy_gui.model.environment import Environment


@dataclass(frozen=True, slots=True)
class SshHost:
    """A host of ~/.ssh/config and the environment it would become.

    `alias` is its name there, `left_out` what of it an environment cannot have, a line each.
    """

    alias: str
    environment: Environment
    left_out: tuple[str, ...] = ()
