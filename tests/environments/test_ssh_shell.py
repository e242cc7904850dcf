"""Arguments reach the script on the machine as they are, whatever bytes they hold and whatever shell logs in."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdeploy_gui.environments.ssh_sudo import Plain
from kdeploy_gui.model.command import Command
from tests.lab.sshd import Sshd
from tests.properties.peers import ssh

SHELLS = [words for words in (("dash",), ("bash",), ("busybox", "sh")) if shutil.which(words[0])]
SHOW_ARGUMENTS = r"""printf '%s\0' "$@" """

arguments = st.lists(
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
    | st.text("\t\n\r -$`\"'\\*?[]{}~!#&;|<>()=%^", max_size=12),
    min_size=100,
    max_size=120,
)


@settings(max_examples=100)
@given(given=arguments)
def test_ten_thousand_arguments_come_through_each_login_shell(given: list[str]) -> None:
    _, words = Plain().start(SHOW_ARGUMENTS, given)
    for shell in SHELLS:
        done = subprocess.run([*shell, "-c", shlex.join(words)], capture_output=True, check=True)

        assert done.stdout.decode().split("\0") == [*given, ""], shell


@pytest.mark.sshd
async def test_arguments_come_through_a_server(sshd: Sshd) -> None:
    given = ("", "-n", "--", "a b", "$(id)", "`id`", "'\"\\", "line\nline\r", "*", "~", "!!", "\x1b[31m", "\xe4\u202e")
    target = await ssh().connect(sshd.environment())
    try:
        done = await target.execute(Command(SHOW_ARGUMENTS, given))
    finally:
        await target.close()

    assert done.text.split("\0") == [*given, ""]
