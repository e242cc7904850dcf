"""The gate as a table: files and machines that fit, and those that do not, with both values."""

from __future__ import annotations

from dataclasses import replace
from posixpath import dirname
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui import defaults
from kdeploy_gui.engine.gate import checks_of, first_of, query_of, refusals
from kdeploy_gui.errors import Category, KdeployError
from kdeploy_gui.model.abi import AARCH64, ARM, I386, MIPS, X86_64, Abi
from kdeploy_gui.model.facts import Disk, Facts, FactsQuery, Folder, Parent, Presence
from kdeploy_gui.model.files import FileKind, FileState, ManifestEntry, Staged
from kdeploy_gui.model.plan import ArtifactType
from kdeploy_gui.model.requirement import Arrival, Broken, Module, Program, Requirement, Script
from tests.rehearsal import MemoryContent, memory_file

X86, I3, ARM64 = Abi(X86_64, 64, True), Abi(I386, 32, True), Abi(AARCH64, 64, True)
ARMHF, ARMEL = Abi(ARM, 32, True, 0x5000400), Abi(ARM, 32, True, 0x5000200)
MIB = 1 << 20
ROOT = Parent("/", FileKind.FOLDER, 0, 0, 0o755)
OPT = Parent("/opt", FileKind.FOLDER, 0, 0, 0o755)
FOLDER = Folder("/opt/t", "/opt/t", (ROOT, OPT), Disk(1 << 40, 1 << 41, 1 << 20), "/")
FACTS = Facts(
    kernel_release="6.1.0-50-amd64",
    kernel_build="#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-2",
    machine="x86_64",
    boot_id="b",
    uid=1000,
    gid=1000,
    user="lab",
    group="lab",
    home="/home/lab",
    userland=X86,
    loaders=("/lib64/ld-linux-x86-64.so.2",),
    folders={"/opt/t": FOLDER},
)


def arrival(
    needs: Requirement = None,
    path: str = "/opt/t/x",
    mode: int = 0o755,
    kind: ArtifactType = ArtifactType.BINARY,
    size: int = 9,
) -> Arrival:
    return Arrival(ManifestEntry(path, "ab", mode, "", size), kind, needs)


def codes(found: tuple[KdeployError, ...]) -> list[str]:
    return [each.code for each in found]


def the_only(found: tuple[KdeployError, ...], code: str) -> KdeployError:
    assert codes(found) == [code], [each.message for each in found]
    assert found[0].on_target == "Unchanged: nothing was sent."
    assert found[0].details["needed"]
    assert found[0].details["found"]
    return found[0]


def machine(name: str, userland: Abi | None = None, **programs: Presence) -> Facts:
    paths = {f"/lib/{each}": presence for each, presence in programs.items()}
    return replace(FACTS, machine=name, userland=userland, programs=paths)


@pytest.mark.parametrize(
    ("needs", "facts"),
    [
        (None, FACTS),
        (Program(X86), FACTS),
        (Program(I3), FACTS),
        (Program(X86, "/lib/ld"), machine("x86_64", X86, ld=Presence.RUNS)),
        (Program(I3, "/lib/ld"), machine("x86_64", X86, ld=Presence.RUNS)),
        (Program(ARMHF), machine("aarch64", ARM64)),
        (Program(ARM64), machine("aarch64", ARMHF)),
        (Program(ARMHF), machine("armv7l")),
        (Program(ARMHF), machine("e2k")),
        (Program(ARM64), replace(FACTS, emulated=(ARM64,))),
        (Program(Abi(MIPS, 32, False)), machine("mips", Abi(MIPS, 32, False))),
        (Program(I3), replace(FACTS, options=frozenset({"IA32_EMULATION"}))),
        (Program(X86, "/never/asked"), FACTS),
    ],
)
def test_programs_that_may_run_pass(needs: Requirement, facts: Facts) -> None:
    assert refusals([arrival(needs)], facts) == ()


@pytest.mark.parametrize(
    ("needs", "facts", "needed", "found"),
    [
        (Program(ARM64), FACTS, "aarch64", "x86_64"),
        (Program(X86), machine("aarch64"), "x86_64", "aarch64"),
        (Program(ARMHF), FACTS, "ARM hard float (armhf)", "x86_64"),
        (Program(ARM64), machine("armv7l"), "aarch64", "armv7l"),
        (Program(Abi(ARM, 32, False)), machine("armv7l"), "big-endian 32-bit ARM", "armv7l"),
        (Program(X86), machine("i686"), "x86_64", "i686"),
        (Program(I3, "/lib/ld"), machine("x86_64", X86, ld=Presence.MISSING), "i386", "x86_64"),
        (
            Program(ARMHF, "/lib/ld"),
            machine("armv7l", ARMEL, ld=Presence.MISSING),
            "ARM hard float (armhf)",
            "ARM soft float (armel)",
        ),
        (
            Program(Abi(MIPS, 32, True)),
            machine("mips", Abi(MIPS, 32, False)),
            "little-endian 32-bit MIPS",
            "big-endian 32-bit MIPS",
        ),
        (Program(I3), replace(FACTS, options=frozenset()), "i386", "x86_64 without CONFIG_IA32_EMULATION"),
        (Program(ARMHF), replace(machine("aarch64"), options=frozenset()), None, "aarch64 without CONFIG_COMPAT"),
        (Module(I3, "6.1.0-50-amd64 SMP preempt"), FACTS, "i386", "x86_64"),
        (Module(ARMHF, "6.1.0-50-amd64 SMP preempt"), machine("aarch64"), None, "aarch64"),
    ],
)
def test_other_machines_are_refused_with_both_values(
    needs: Requirement, facts: Facts, needed: str | None, found: str
) -> None:
    error = the_only(refusals([arrival(needs)], facts), "E-ARCH")
    assert error.category is Category.ARTIFACT
    assert error.path == "/opt/t/x"
    assert (needed or error.details["needed"], found) == (error.details["needed"], error.details["found"])
    assert error.details["needed"] in error.message
    assert error.details["found"] in error.message


def test_a_library_or_data_needs_no_loader_and_no_whole_file() -> None:
    facts = machine("x86_64", X86, ld=Presence.MISSING)
    for needs in (Program(X86, "/lib/ld"), Broken("cut off"), Script("/lib/ld")):
        assert codes(refusals([arrival(needs, mode=0o644)], facts)) == []
    the_only(refusals([arrival(Program(ARM64), mode=0o644)], facts), "E-ARCH")
    assert "cut off" in the_only(refusals([arrival(Broken("cut off"))], facts), "E-ELF").message


@pytest.mark.parametrize(
    ("loader", "words"),
    [
        ("/lib/ld-musl-x86_64.so.1", "linked with musl"),
        ("/lib64/ld-linux-x86-64.so.3", "linked with glibc"),
        ("/lib/ld-uClibc.so.0", "linked with uClibc"),
        ("/system/bin/linker64", "linked with Android"),
    ],
)
def test_a_missing_loader_names_both_c_libraries(loader: str, words: str) -> None:
    facts = replace(FACTS, programs={loader: Presence.MISSING})
    error = the_only(refusals([arrival(Program(X86, loader))], facts), "E-INTERPRETER")
    assert words in error.message
    assert f"through {loader}, which is missing" in error.message
    assert error.details["found"] == "glibc (/lib64/ld-linux-x86-64.so.2)"
    bare = refusals([arrival(Program(X86, loader))], replace(facts, loaders=()))
    assert the_only(bare, "E-INTERPRETER").details["found"] == "no dynamic loader"
    assert refusals([arrival(Program(X86, loader))], facts, complete=False) == ()


def test_what_the_plan_brings_is_there() -> None:
    facts = replace(
        FACTS,
        programs={"/opt/t/ld": Presence.MISSING, "/opt/t/python": Presence.MISSING},
        tools={"mytool": ""},
        folders={"/opt/t": FOLDER, "/usr/local/bin": replace(FOLDER, path="/usr/local/bin")},
    )
    files = [
        arrival(Program(X86, "/opt/t/ld")),
        arrival(Program(X86), "/opt/t/ld"),
        arrival(Script("/opt/t/python"), "/opt/t/y"),
        arrival(Program(X86), "/opt/t/python"),
        arrival(Script("/usr/bin/env", "mytool"), "/opt/t/z"),
        arrival(Program(X86), "/usr/local/bin/mytool"),
    ]
    assert refusals(files, facts) == ()
    assert codes(refusals(files[::2], facts)) == ["E-INTERPRETER", "E-SHEBANG", "E-SHEBANG"]


@pytest.mark.parametrize(
    ("script", "programs", "tools", "found"),
    [
        (Script("/opt/perl"), {"/opt/perl": Presence.MISSING}, {}, "/opt/perl missing"),
        (Script("/etc/passwd"), {"/etc/passwd": Presence.NOT_EXECUTABLE}, {}, "/etc/passwd not executable"),
        (Script("/usr/bin/env", "python9"), {}, {"python9": ""}, "python9 missing"),
        (Script("/bin/sh", "", carriage_return=True), {"/bin/sh": Presence.RUNS}, {}, "CR LF"),
    ],
)
def test_scripts_need_their_interpreter(
    script: Script, programs: dict[str, Presence], tools: dict[str, str], found: str
) -> None:
    facts = replace(FACTS, programs=programs, tools=tools)
    error = the_only(refusals([arrival(script, kind=ArtifactType.SCRIPT)], facts), "E-SHEBANG")
    assert error.details["found"] == found
    later = refusals([arrival(script, kind=ArtifactType.SCRIPT)], facts, complete=False)
    assert bool(later) == script.carriage_return
    well = replace(FACTS, programs=dict.fromkeys(programs, Presence.RUNS), tools=dict.fromkeys(tools, "/bin/x"))
    assert refusals([arrival(replace(script, carriage_return=False))], well) == ()


def test_windows_line_ends_are_called_that() -> None:
    error = the_only(refusals([arrival(Script("/usr/bin/env", "python3", carriage_return=True))], FACTS), "E-SHEBANG")
    assert "CR LF, as on Windows: the machine would look for 'python3\\r'" in error.message


OURS = "6.1.0-50-amd64 SMP preempt mod_unload modversions"
CONFIGURED = replace(FACTS, options=frozenset({"MODULES", "SMP", "PREEMPT_BUILD", "MODULE_UNLOAD", "MODVERSIONS"}))


@pytest.mark.parametrize(
    ("vermagic", "facts", "checksums"),
    [
        (OURS, FACTS, False),
        (OURS, CONFIGURED, True),
        ("6.1.0-49-amd64 SMP preempt mod_unload modversions", CONFIGURED, True),
        ("6.1.0-49-amd64 SMP preempt mod_unload modversions", FACTS, True),
        ("6.1.0-50-amd64 SMP preempt", FACTS, False),
        ("6.1.0-50-amd64 SMP preempt_rt", replace(FACTS, kernel_build="#1 SMP PREEMPT_RT Debian"), False),
        ("6.1.0-50-amd64 SMP preempt", replace(FACTS, kernel_build="#1 SMP PREEMPT RT"), False),
        ("6.1.0-50-amd64", replace(FACTS, kernel_build="strange"), False),
        ("6.1.0-50-amd64 SMP", replace(FACTS, kernel_build="#9 SMP Debian"), False),
    ],
)
def test_modules_that_the_kernel_may_take_pass(vermagic: str, facts: Facts, checksums: bool) -> None:
    assert refusals([arrival(Module(X86, vermagic, checksums), "/opt/t/x.ko", 0o644)], facts) == ()


@pytest.mark.parametrize(
    ("vermagic", "facts", "checksums", "words"),
    [
        ("6.1.0-49-amd64 SMP preempt mod_unload", FACTS, False, "another release"),
        ("6.1.0-49-amd64 SMP preempt mod_unload", FACTS, True, "another release"),
        ("6.1.0-49-amd64 SMP preempt mod_unload modversions", FACTS, False, "another release"),
        ("6.1.0-50-amd64 preempt", FACTS, False, "SMP on the machine only"),
        ("6.1.0-50-amd64 SMP", FACTS, False, "preempt on the machine only"),
        ("6.1.0-50-amd64 SMP preempt_rt", FACTS, False, "preempt on the machine only, preempt_rt in the module only"),
        (
            "6.1.0-50-amd64 SMP preempt",
            replace(FACTS, kernel_build="#9 SMP Debian"),
            False,
            "preempt in the module only",
        ),
        ("6.1.0-50-amd64 SMP preempt mod_unload", CONFIGURED, False, "modversions on the machine only"),
        (
            OURS,
            replace(CONFIGURED, options=CONFIGURED.options and CONFIGURED.options - {"MODULE_UNLOAD"}),
            False,
            "mod",
        ),
        (
            "6.1.0-49-amd64 SMP preempt modversions",
            replace(FACTS, options=frozenset({"MODULES", "SMP", "PREEMPT"})),
            True,
            "modv",
        ),
        ("", FACTS, False, "another release"),
    ],
)
def test_modules_that_the_kernel_refuses(vermagic: str, facts: Facts, checksums: bool, words: str) -> None:
    found = refusals([arrival(Module(X86, vermagic, checksums), "/opt/t/x.ko", 0o644)], facts)
    assert codes(found) == ["E-VERMAGIC"]
    assert words in found[0].message
    assert found[0].details["needed"] == vermagic
    assert found[0].details["found"].startswith("6.1.0-50-amd64")
    if facts is FACTS:
        assert found[0].details["found"] == "6.1.0-50-amd64 SMP preempt"


def test_a_kernel_that_loads_no_modules_is_told_as_one() -> None:
    (error,) = refusals([arrival(Module(X86, OURS), mode=0o644)], replace(FACTS, options=frozenset({"SMP"})))
    assert error.code == "E-VERMAGIC"
    assert error.message.endswith("it is built without CONFIG_MODULES and loads none")


def at(path: str, *parents: Parent, **changed: Any) -> Facts:
    values: dict[str, Any] = {"path": dirname(path), "real": dirname(path), "parents": (ROOT, *parents), **changed}
    return replace(FACTS, folders={dirname(path): replace(FOLDER, **values)})


@pytest.mark.parametrize(
    ("path", "roots"),
    [
        ("/opt/t/x", ()),
        ("/lib/modules/6.1/x.ko", ()),
        ("/procedures/x", ()),
        ("/boot/x", ("/boot",)),
        ("/opt/x", ("/opt", "~")),
        ("/home/lab/t/x", ("/opt", "~")),
        ("/x", ("/",)),
    ],
)
def test_places_inside_the_roots_pass(path: str, roots: tuple[str, ...]) -> None:
    assert refusals([arrival(path=path)], at(path), roots) == ()


@pytest.mark.parametrize(
    ("path", "roots", "found"),
    [
        ("/x", (), "/"),
        ("/proc/x", (), "/proc"),
        ("/sys/kernel/x", (), "/sys"),
        ("/dev/shm/x", (), "/dev"),
        ("/boot/x", (), "/boot"),
        ("/usr/x", ("/opt", "~"), "/usr"),
        ("/optional/x", ("/opt",), "/optional"),
        ("/home/other/x", ("~",), "/home/other"),
    ],
)
def test_places_outside_the_roots_are_refused_once(path: str, roots: tuple[str, ...], found: str) -> None:
    error = the_only(refusals([arrival(path=path), arrival(path=f"{path}2")], at(path), roots), "E-ROOT")
    assert error.category is Category.CONFIG
    assert (error.path, error.details["found"]) == (dirname(path), found)


def test_a_link_of_the_system_does_not_open_a_closed_place() -> None:
    the_only(refusals([arrival(path="/srv/x")], at("/srv/x", real="/boot/srv")), "E-ROOT")


@pytest.mark.parametrize(("name", "at_most"), [("n" * 256, 255), ("漢" * 86, 255), ("/".join(["d" * 200] * 21), 4095)])
def test_names_that_no_file_system_takes(name: str, at_most: int) -> None:
    path = f"/opt/t/{name}"
    error = the_only(refusals([arrival(path=path)], at(path)), "E-NAMETOOLONG")
    assert error.details["needed"] == f"at most {at_most} bytes"


def test_the_longest_names_pass() -> None:
    path = "/" + "/".join(["d" * 255] * 15 + ["e" * 254])
    assert len(path) == 4095
    assert refusals([arrival(path=path)], at(path)) == ()


HOME = Parent("/home/lab", FileKind.FOLDER, 1000, 1000, 0o755)


@pytest.mark.parametrize(
    "parent",
    [
        HOME,
        replace(HOME, mode=0o775),
        replace(HOME, mode=0o1777, uid=0, gid=0),
        replace(HOME, uid=0, gid=0, mode=0o775),
        Parent("/lib", FileKind.SYMLINK, 0, 0, 0o777),
        Parent("/var/run", FileKind.SYMLINK, 0, 0, 0o777),
    ],
)
def test_ways_that_only_root_and_we_can_change_pass(parent: Parent) -> None:
    assert refusals([arrival()], at("/opt/t/x", parent)) == ()


@pytest.mark.parametrize(
    ("parent", "code", "found"),
    [
        (replace(HOME, uid=1001), "E-PARENT", "owned by user 1001, mode 0755"),
        (replace(HOME, mode=0o777), "E-PARENT", "owned by user 1000, mode 0777"),
        (replace(HOME, mode=0o775, gid=50), "E-PARENT", "owned by user 1000, mode 0775"),
        (replace(HOME, uid=0, gid=0, mode=0o757), "E-PARENT", "owned by root, mode 0757"),
        (Parent("/opt/link", FileKind.SYMLINK, 0, 0, 0o777), "E-SYMLINK", "a symbolic link"),
        (Parent("/var/link", FileKind.SYMLINK, 1000, 0, 0o777), "E-SYMLINK", "a symbolic link"),
        (Parent("/opt/t", FileKind.FILE, 0, 0, 0o644), "E-NOTDIR", "file"),
        (Parent("/opt/t", FileKind.OTHER, 0, 0, 0o644), "E-NOTDIR", "other"),
    ],
)
def test_ways_that_others_can_change_are_refused_once(parent: Parent, code: str, found: str) -> None:
    facts = at("/opt/t/x", parent)
    both = replace(facts, folders={**facts.folders, "/opt/u": replace(facts.folders["/opt/t"], path="/opt/u")})
    error = the_only(refusals([arrival(), arrival(path="/opt/u/x")], both), code)
    assert (error.path, error.details["found"], error.category) == (parent.path, found, Category.TARGET)


def test_a_shared_group_is_not_private_because_the_plan_is_ours() -> None:
    facts = replace(at("/opt/t/x", replace(HOME, mode=0o775)), group="staff")
    the_only(refusals([arrival()], facts), "E-PARENT")


def test_noexec_matters_to_what_is_run() -> None:
    facts = at("/opt/t/x", noexec=True, mount="/opt")
    for each in (arrival(mode=0o644), arrival(kind=ArtifactType.DATA), arrival(kind=ArtifactType.CONFIG)):
        assert refusals([each], facts) == ()
    for kind in (ArtifactType.SCRIPT, ArtifactType.BINARY):
        error = the_only(refusals([arrival(kind=kind)], facts), "E-NOEXEC")
        assert (error.path, error.details["found"]) == ("/opt/t/x", "/opt noexec")


def standing(*arrivals: Arrival, same: bool = False) -> dict[str, FileState]:
    digest = "ab" if same else "cd"
    return {each.entry.path: FileState(each.entry.path, FileKind.FILE, digest) for each in arrivals}


def test_a_read_only_mount_matters_to_what_is_sent() -> None:
    facts, file = at("/opt/t/x", read_only=True, mount="/"), arrival()
    assert refusals([file], facts) == ()
    assert refusals([file], facts, states=standing(file, same=True)) == ()
    error = the_only(refusals([file], facts, states=standing(file)), "E-ROFS")
    assert (error.path, error.details["found"]) == ("/opt/t", "/ read-only")


@given(st.integers(0, 1 << 40), st.booleans())
def test_room_is_a_tenth_and_the_reserve_more_than_what_is_sent(size: int, enough: bool) -> None:
    needed = size + size // 10 + 64 * MIB
    file = arrival(size=size)
    facts = at("/opt/t/x", disk=Disk(needed - (not enough), 1 << 50), mount="/opt")
    found = refusals([file], facts, states=standing(file))
    assert codes(found) == ([] if enough else ["E-NOSPC"])
    assert refusals([file], facts, states=standing(file, same=True)) == ()


def test_room_is_counted_per_mount() -> None:
    small = Disk(64 * MIB + 200, 1 << 30, 1000)
    files = [arrival(path=f"/{place}/x", size=100) for place in ("a", "b", "c")]
    folders = {f"/{each}": Folder(f"/{each}", f"/{each}", (), small, "/" if each != "c" else "/c") for each in "abc"}
    facts = replace(FACTS, folders=folders)
    error = the_only(refusals(files, facts, states=standing(*files)), "E-NOSPC")
    assert error.path == "/"
    assert refusals(files[1:], facts, states=standing(*files[1:])) == ()


@pytest.mark.parametrize(
    ("free", "files", "code"), [(10, 1, ""), (9, 1, "E-INODES"), (11, 12, "E-INODES"), (12, 12, "")]
)
def test_inodes_are_ten_or_one_a_file(free: int, files: int, code: str) -> None:
    sent = [arrival(path=f"/opt/t/{number}") for number in range(files)]
    facts = at("/opt/t/x", disk=Disk(1 << 40, 1 << 41, free))
    assert codes(refusals(sent, facts, states=standing(*sent))) == ([code] if code else [])
    assert defaults.SPARE_INODES == 10


def test_what_was_not_measured_is_not_refused() -> None:
    file = arrival()
    for disk in (None, Disk(0, 0)):
        assert refusals([file], at("/opt/t/x", disk=disk), states=standing(file)) == ()
    assert refusals([file], replace(FACTS, folders={}), states=standing(file)) == ()


def test_names_from_files_cannot_pass_for_questions() -> None:
    """A file is foreign text: what stands in it goes into what is sent to the machine."""
    needs: dict[str, Requirement] = {
        "a": Program(X86, "/lib/ld\nfolder\t/etc"),
        "b": Script("/bin/sh\0"),
        "c": Script("/usr/bin/env", "x\x1b[2J"),
        "d": Program(I3, "/lib/ld"),
        "e": Module(X86, "6.1.0 SMP"),
    }
    content = MemoryContent()
    files = [memory_file(content, f"/opt/{name}/x", b"") for name in needs]
    found = query_of(files, {file.source.path: needs[file.target[5]] for file in files})
    assert found.programs == ("/usr/bin/env", "/lib/ld")
    assert found.tools == ()
    assert found.folders == tuple(f"/opt/{name}" for name in needs)
    assert {"IA32_EMULATION", "MODVERSIONS"} <= set(found.options)
    assert query_of(files, {}) == FactsQuery(folders=found.folders)


def test_all_are_told_and_the_first_counts_the_others() -> None:
    files = [arrival(Program(ARM64)), arrival(Script("/p"), "/proc/y"), arrival(Program(ARM64), "/opt/t/z")]
    found = refusals(files, replace(FACTS, programs={"/p": Presence.MISSING}))
    assert codes(found) == ["E-ARCH", "E-SHEBANG", "E-ARCH", "E-ROOT"]
    checks = list(checks_of(found))
    assert [each.check for each in checks] == ["arch /opt/t/x", "shebang /proc/y", "arch /opt/t/z", "root /proc"]
    assert (checks[0].ok, checks[0].value, checks[0].limit) == (False, "x86_64", "aarch64")
    assert first_of(found).message.endswith("(and 3 more: E-SHEBANG, E-ARCH, E-ROOT)")
    assert "more" not in first_of(found[3:]).message


LINK = Parent("/opt/t", FileKind.SYMLINK, 1000, 1000, 0o777, "t.kdeploy/7-0123456789abcdef-89abcdef")
VERSION = Parent("/opt/t.kdeploy", FileKind.FOLDER, 1000, 1000, 0o755)


def of_a_set(path: str = "/opt/t/x") -> Arrival:
    return replace(arrival(path=path), link="/opt/t")


def set_facts(*parents: Parent) -> Facts:
    """Facts about the folders of a set with these steps on the way to all of them."""
    folders = ("/opt/t", "/opt/t.kdeploy")
    return replace(FACTS, folders={path: replace(FOLDER, path=path, parents=(ROOT, OPT, *parents)) for path in folders})


@pytest.mark.parametrize("link", [LINK, replace(LINK, uid=0)])
def test_the_link_of_a_versioned_set_is_gone_through_for_that_set(link: Parent) -> None:
    assert refusals([of_a_set()], set_facts(link, VERSION)) == ()
    assert refusals([of_a_set()], set_facts()) == (), "nothing stands there yet"
    error = the_only(refusals([arrival()], set_facts(link)), "E-SYMLINK")
    assert "which this plan does not deploy as one" in error.message


@pytest.mark.parametrize(
    ("parent", "code", "found"),
    [
        (replace(LINK, leads_to="/etc"), "E-LAYOUT", "a symbolic link to /etc"),
        (replace(LINK, leads_to=""), "E-LAYOUT", "a symbolic link"),
        (replace(LINK, leads_to="../t.kdeploy/7-0123456789abcdef-89abcdef"), "E-LAYOUT", "a symbolic link to ../t"),
        (replace(LINK, leads_to="u.kdeploy/7-0123456789abcdef-89abcdef"), "E-LAYOUT", "a symbolic link to u"),
        (replace(LINK, leads_to="t.kdeploy/7-0123456789abcdef-89abcdef/.."), "E-LAYOUT", "a symbolic link to t"),
        (replace(LINK, uid=1001), "E-PARENT", "owned by user 1001"),
        (Parent("/opt/t", FileKind.FOLDER, 1000, 1000, 0o755), "E-LAYOUT", "a folder"),
        (Parent("/opt/t", FileKind.FILE, 1000, 1000, 0o755), "E-LAYOUT", "a file"),
        (Parent("/opt/t", FileKind.OTHER, 1000, 1000, 0o755), "E-LAYOUT", "something else"),
        (replace(LINK, path="/opt/t.kdeploy", leads_to="elsewhere"), "E-SYMLINK", "a symbolic link"),
        (replace(VERSION, mode=0o777), "E-PARENT", "owned by user 1000, mode 0777"),
    ],
)
def test_anything_else_in_the_place_of_the_link_is_refused(parent: Parent, code: str, found: str) -> None:
    error = the_only(refusals([of_a_set()], set_facts(parent)), code)
    assert error.path == parent.path
    assert error.details["found"].startswith(found)


def test_the_folder_of_the_versions_must_lie_in_the_roots() -> None:
    assert codes(refusals([of_a_set()], set_facts(), ["/opt/t"])) == ["E-ROOT"]
    assert refusals([of_a_set()], set_facts(), ["/opt"]) == ()


def test_names_may_become_too_long_behind_the_link() -> None:
    name = "/".join("d" * 250 for _ in range(16))
    path = f"/opt/t/{name}"
    assert len(path) < 4095
    assert "E-NAMETOOLONG" in codes(refusals([of_a_set(path + "/" + "f" * 55)], set_facts()))
    assert "E-NAMETOOLONG" not in codes(refusals([of_a_set(path)], set_facts()))


def test_what_waits_there_already_needs_no_room_again() -> None:
    item = arrival(size=100 * MIB)
    disk = Disk(100 * MIB, 1 << 41, 1 << 20)
    facts = replace(FACTS, folders={"/opt/t": replace(FOLDER, disk=disk)})
    missing = FileState("/opt/t/x", FileKind.MISSING)
    assert codes(refusals([item], facts, states={"/opt/t/x": missing})) == ["E-NOSPC"]
    begun = replace(missing, staged=Staged(80 * MIB, "ab"))
    assert refusals([item], facts, states={"/opt/t/x": begun}) == ()
