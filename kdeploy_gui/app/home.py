"""Where kdeploy keeps its own things on this workstation."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from kdeploy_gui.errors import LocalError


@dataclass(frozen=True, slots=True)
class Home:
    """Where kdeploy keeps its own things: `lab.toml` in `config`, history and logs in `data`."""

    config: Path
    data: Path

    @property
    def lab_file(self) -> Path:
        """The lab file used unless another one is named."""
        return self.config / "lab.toml"


def home_from_environment() -> Home:
    """The home that `KDEPLOY_HOME` names, else the user's own folders. Raises LocalError where it cannot be made."""
    named = os.environ.get("KDEPLOY_HOME")
    if named:
        home = Home(Path(named).absolute(), Path(named).absolute())
    else:
        folders = platformdirs.PlatformDirs("kdeploy", appauthor=False)
        home = Home(Path(folders.user_config_dir), Path(folders.user_data_dir))
    for folder in {home.config, home.data}:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise LocalError(
                "E-HOME", f"the folder {folder} cannot be made: {error.strerror}", path=str(folder)
            ) from error
    return home
