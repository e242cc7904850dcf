"""lab.toml: environments as written, every mistake by line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy_gui.documents.lab_file import LabFile, read_lab
from kdeploy_gui.model.environment import Become, Console, ConsoleProtocol, Environment, Kernel, Kind, Lab, Power

KEY = "SHA256:" + "A" * 43
PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI" + "A" * 43
WHOLE = f"""\
[[environment]]
name = "board-a"                 # unique
kind = "board"
group = "rack-1/left"
tags = ["arm64", "net"]
host = "192.0.2.10"
port = 2022
user = "lab"
identity_file = "~/.ssh/lab_ed25519"
credential = "lab-board-a"
jump = "vm-debug"
become = "sudo"
become_credential = "lab-sudo"
host_key_type = "ED25519"
host_ca = ["{PUBLIC}", "{KEY}"]
revoked_host_key = "{PUBLIC} old"
legacy = true
host_key = "{KEY}"
boot_timeout = "90s"
[environment.power]
on = "pdu 3 on"
off = "pdu 3 off"
reset = "pdu 3 cycle"
[environment.console]
tcp = "[2001:db8::7]:4001"
protocol = "rfc2217"

[[environment]]
name = "vm-debug"
kind = "qemu"
uri = "qemu:///session"
domain = "kd-debug"
host = "::1"
autostart = true
snapshot = "never"
host_key = ["{KEY}", "{KEY[:-1]}B"]
[[environment.kernel]]
name = "kasan"
image = "/srv/kernels/bzImage-kasan"
initrd = "/srv/kernels/initrd.gz"
cmdline = "console=ttyS0 kasan.fault=report"
[[environment.kernel]]
name = "plain"
image = "/srv/kernels/bzImage"
"""


def read(folder: Path, text: str) -> LabFile:
    path = folder / "lab.toml"
    path.write_text(text, encoding="utf-8")
    return read_lab(path)


def test_whole_lab(tmp_path: Path) -> None:
    lab = read(tmp_path, WHOLE)
    assert not lab.problems
    assert lab.lab == Lab(
        (
            Environment(
                name="board-a",
                host="192.0.2.10",
                group="rack-1/left",
                tags=("arm64", "net"),
                port=2022,
                user="lab",
                identity_file="~/.ssh/lab_ed25519",
                credential="lab-board-a",
                jump="vm-debug",
                become=Become.SUDO,
                become_credential="lab-sudo",
                host_keys=(KEY,),
                host_key_type=("ED25519",),
                host_ca=(PUBLIC, KEY),
                revoked_host_key=(f"{PUBLIC} old",),
                legacy=True,
                power=Power("pdu 3 on", "pdu 3 off", "pdu 3 cycle"),
                console=Console(tcp="[2001:db8::7]:4001", protocol=ConsoleProtocol.RFC2217),
                boot_timeout=90.0,
            ),
            Environment(
                name="vm-debug",
                host="::1",
                kind=Kind.QEMU,
                uri="qemu:///session",
                domain="kd-debug",
                autostart=True,
                snapshot="never",
                host_keys=(KEY, f"{KEY[:-1]}B"),
                kernels=(
                    Kernel(
                        "kasan",
                        "/srv/kernels/bzImage-kasan",
                        "/srv/kernels/initrd.gz",
                        "console=ttyS0 kasan.fault=report",
                    ),
                    Kernel("plain", "/srv/kernels/bzImage"),
                ),
            ),
        )
    )


@pytest.mark.parametrize("text", ['name = "a"\nenvironments = ["*"]\n', "[[artifacts]]\n"])
def test_a_plan_is_told_as_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "plan.toml"
    path.write_text(text)
    found = read_lab(path)
    assert [(each.file, each.message[:34]) for each in found.problems] == [
        (str(path), "this is a plan, not a lab file, wh")
    ]
    assert not found.lab.environments


def test_a_lab_file_with_keys_of_a_plan_is_still_one(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text('environments = ["*"]\n[[environment]]\nname = "a"\nhost = "h"\n')
    found = read_lab(path)
    assert [each.field for each in found.problems] == ["environments"]
    assert [each.name for each in found.lab.environments] == ["a"]


def test_missing_file_is_an_empty_lab_that_says_so(tmp_path: Path) -> None:
    assert read_lab(tmp_path / "lab.toml") == LabFile(str(tmp_path / "lab.toml"), exists=False)


@pytest.mark.parametrize("text", ["", "# none yet\n"])
def test_empty_file_is_an_empty_lab(tmp_path: Path, text: str) -> None:
    lab = read(tmp_path, text)
    assert lab.exists
    assert not lab.problems
    assert lab.lab == Lab()


BAD = [
    ('name = "Board"', "name", "name must be 1 to 64 of a-z, 0-9, dot, _ and -, not starting with . _ -, not"),
    ('name = "-x"', "name", "name must be 1 to 64"),
    (f'name = "{"a" * 65}"', "name", "name must be 1 to 64"),
    ('name = "a/b"', "name", "name must be 1 to 64"),
    ('kind = "boar"', "kind", "kind must be one of board, qemu, not \"boar\" - did you mean 'board'?"),
    ('host = ""', "host", "host must be a host name or an address"),
    ('host = "-oProxyCommand=id"', "host", "host must be a host name or an address"),
    ('host = "10.0.0.1:22"', "host", "the port is a key of its own"),
    ("port = 0", "port", "port must be at least 1, not 0"),
    ("port = 65536", "port", "port must be at most 65535, not 65536"),
    ('port = "22"', "port", 'port must be a whole number, not "22"'),
    ('user = "-l"', "user", "user must be a user's name"),
    ('user = "a b"', "user", "user must be a user's name"),
    ('user = "root;id"', "user", "user must be a user's name"),
    ('group = "/rack"', "group", 'group must be a path such as "rack-1/left"'),
    ('group = "a/../b"', "group", "group must be a path"),
    ('tags = ["a b"]', "tags[0]", "tags[0] must be a word of letters, digits"),
    ('host_key = "SHA256:short"', "host_key", 'host_key must be "SHA256:" and 43 characters'),
    ('host_key = "ssh-ed25519 AAAA"', "host_key", 'host_key must be "SHA256:" and 43 characters'),
    ("host_key = []", "host_key", "host_key must be a fingerprint"),
    ("host_key = [1]", "host_key", "host_key must be"),
    ("become_credential = 1", "become_credential", "become_credential must be a string"),
    ('become = "su"', "become", "become must be one of none, sudo"),
    ('jump = "me@gate:99999"', "jump", "jump must be user@host:port"),
    ('jump = "-l@gate"', "jump", "jump must be user@host:port"),
    ('jump = "gate:22"', "jump", "jump must be the name of another environment or user@host:port"),
    ('jump_host_key = "SHA256:short"', "jump_host_key", 'jump_host_key must be "SHA256:" and 43 characters'),
    (f'jump_host_key = "{KEY}"', "jump_host_key", "goes with a jump host that is named as user@host:port"),
    ('host_key_type = "DSA"', "host_key_type", "host_key_type must be one of ED25519, ECDSA, RSA"),
    ("host_ca = []", "host_ca", "host_ca must be a public key"),
    ('host_ca = "ssh-ed25519 AAAA"', "host_ca", "host_ca must be a public key such as"),
    ('host_ca = "SHA256:x"', "host_ca", 'host_ca must be "SHA256:" and 43 characters'),
    (f'revoked_host_key = "{KEY}"', "revoked_host_key", "revoked_host_key must be a public key such as"),
    (f'revoked_host_key = "ssh-rsa {PUBLIC[12:]}"', "revoked_host_key", "must be a public key such as"),
    ("revoked_host_key = [1]", "revoked_host_key", "must be a public key such as"),
    ('legacy = "yes"', "legacy", "legacy must be true or false"),
    ('jump = "other-1"', "jump", "no environment is called 'other-1' - did you mean 'other'?"),
    ('jump = "board"', "jump", "leads back to itself: board -> board"),
    ('snapshot = "always"', "snapshot", "snapshot must be one of auto, never"),
    ('autostart = "yes"', "autostart", "autostart must be true or false"),
    ('hots = "x"', "hots", "unknown key 'hots' - did you mean 'host'?"),
    ("power = { on = 1 }", "power.on", "on must be a string, not 1"),
    ("power = { rset = 'x' }", "power.rset", "unknown key 'rset'"),
    ("power = { on = 'pdu \"3 on' }", "power.on", "must be a program with its arguments, but has no closing quotation"),
    ("power = { off = '\"\" 3 off' }", "power.off", "must name a program"),
    ("console = { tpc = 'h:1' }", "console.tpc", "unknown key 'tpc' - did you mean 'tcp'?"),
    ("console = { tcp = 'h' }", "console.tcp", 'must be host:port such as "ser2net.lab:4001"'),
    ("console = { tcp = '::1:4001' }", "console.tcp", "must be host:port"),
    ("console = { tcp = 'h:70000' }", "console.tcp", "must be host:port"),
    ("console = { tcp = '-o:1' }", "console.tcp", "must be host:port"),
    ("console = { command = '' }", "console.command", "must not be empty"),
    ("console = { tcp = 'h:1', protocol = 'telnet' }", "console.protocol", "must be one of raw, rfc2217"),
    ("console = { tcp = 'h:1', protocol = 'rfc2271' }", "console.protocol", "did you mean 'rfc2217'?"),
    ("console = { protocol = 'raw' }", "console.protocol", "goes with `tcp`"),
    ("console = { command = 'picocom /dev/x', tcp = 'h:1' }", "console.command", "goes without `tcp`"),
    ("boot_timeout = 90", "boot_timeout", 'must be a duration such as "500ms", "30s"'),
    ('boot_timeout = "0s"', "boot_timeout", "must be longer than nothing"),
    ('kernel = [{ name = "a" }]', "kernel[0].image", "image is missing"),
    (
        'kernel = [{ name = "a", image = "/i" }, { name = "a", image = "/j" }]',
        "kernel[1].name",
        "kernel 'a' is listed twice",
    ),
]
OTHER = '[[environment]]\nname = "other"\nhost = "192.0.2.1"\n'


@pytest.mark.parametrize(("text", "field", "part"), BAD, ids=[each[0][:40] for each in BAD])
def test_one_mistake(tmp_path: Path, text: str, field: str, part: str) -> None:
    entry = ['name = "board"', 'host = "192.0.2.2"']
    kept = [line for line in entry if line.partition(" ")[0] != text.partition(" ")[0]]
    lab = read(tmp_path, "\n".join([OTHER, "[[environment]]", *kept, text, ""]))
    assert len(lab.problems) == 1, lab.problems
    problem = lab.problems[0]
    assert part in problem.message
    assert problem.field == f"environment[1].{field}"
    assert problem.line == len(OTHER.splitlines()) + 3 + len(kept)
    assert problem.file == str(tmp_path / "lab.toml")
    assert [each.name for each in lab.lab.environments] == ["other"]


@pytest.mark.parametrize(
    ("text", "field", "message"),
    [
        ('[[environment]]\nhost = "a"\n', "environment[0].name", "name is missing"),
        ('[[environment]]\nname = "a"\n', "environment[0].host", "host is missing"),
        (
            '[[environment]]\nname = "a"\nkind = "qemu"\n',
            "environment[0].host",
            "host is missing: an address, or the guest's name in libvirt as `domain`",
        ),
        (
            '[environment]\nname = "a"\n',
            "environment",
            "environment must be written with double brackets: [[environment]]",
        ),
        ('[[environments]]\nname = "a"\n', "environments", "unknown key 'environments' - did you mean 'environment'?"),
        ("environment = 3\n", "environment", "environment must be an array, not 3"),
    ],
)
def test_mistakes_in_the_shape(tmp_path: Path, text: str, field: str, message: str) -> None:
    lab = read(tmp_path, text)
    assert [(each.field, each.message) for each in lab.problems] == [(field, message)]
    assert lab.problems[0].line == 1
    assert lab.lab == Lab()


def test_name_used_twice_names_the_first(tmp_path: Path) -> None:
    lab = read(tmp_path, OTHER + OTHER)
    assert [(each.line, each.field, each.message) for each in lab.problems] == [
        (5, "environment[1].name", "name 'other' is taken already by environment[0]")
    ]


def test_circle_of_jumps_is_told_in_full(tmp_path: Path) -> None:
    entries = [("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]
    text = "".join(f'[[environment]]\nname = "{name}"\nhost = "h"\njump = "{jump}"\n' for name, jump in entries)
    assert [each.message for each in read(tmp_path, text).problems] == [
        "leads back to itself: a -> b -> c -> a",
        "leads back to itself: b -> c -> a -> b",
        "leads back to itself: c -> a -> b -> c",
    ]


def test_all_mistakes_at_once_and_sound_environments_stay(tmp_path: Path) -> None:
    text = OTHER + '[[environment]]\nname = "x"\nport = 0\nuser = "-"\n' + OTHER.replace("other", "third")
    lab = read(tmp_path, text)
    assert [(each.line, each.field) for each in lab.problems] == [
        (4, "environment[1].host"),
        (6, "environment[1].port"),
        (7, "environment[1].user"),
    ]
    assert [each.name for each in lab.lab.environments] == ["other", "third"]


def test_broken_file(tmp_path: Path) -> None:
    lab = read(tmp_path, "[[environment]\n")
    assert lab.problems[0].line == 1
    assert "not valid TOML" in lab.problems[0].message


def test_roots_are_folders_on_the_machine(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text('[[environment]]\nname = "a"\nhost = "h"\nroots = ["/", "~", "~/t", "/opt/tests/"]\n')
    (environment,) = read_lab(path).lab.environments
    assert environment.roots == ("/", "~", "~/t", "/opt/tests")
    assert read_lab(path).problems == ()
    path.write_text('[[environment]]\nname = "a"\nhost = "h"\nroots = ["opt", "/a/../b", "", "/a//b"]\n')
    assert [each.field for each in read_lab(path).problems] == [f"environment[0].roots[{index}]" for index in range(4)]


def test_a_guest_that_libvirt_knows_needs_no_host_but_is_no_jump_host(tmp_path: Path) -> None:
    guest = '[[environment]]\nname = "vm"\nkind = "qemu"\ndomain = "kd"\n'
    lab = read(tmp_path, guest)
    assert lab.problems == ()
    assert (lab.lab.environments[0].address, lab.lab.environments[0].is_guest) == ("root@kd:22", True)
    lab = read(tmp_path, guest + '[[environment]]\nname = "b"\nhost = "h"\njump = "vm"\n')
    assert [each.message for each in lab.problems] == ["'vm' has no host: a jump host needs an address"]
