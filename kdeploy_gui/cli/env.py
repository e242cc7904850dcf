"""`kdeploy env` with all its commands."""

from __future__ import annotations

from kdeploy_gui.cli.define import define
from kdeploy_gui.cli.env_history import history
from kdeploy_gui.cli.environments import env

__all__ = ["define", "env", "history"]
