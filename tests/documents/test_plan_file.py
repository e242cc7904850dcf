"""plan.toml: a good one becomes a draft; of a bad one every mistake is told at once, by line and field."""

from __future__ import annotations

from pathlib import Path

import pytest

from kdeploy_gui.documents.plan_file import PlanFile, read_plan
from kdeploy_gui.documents.plan_write import write_plan
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.model.plan import (
    Artifact,
    ArtifactType,
    Backoff,
    Dependency,
    Instrumentation,
    OnSplat,
    PlanDraft,
    Policy,
    Rollback,
    Validation,
    Want,
)
from kdeploy_gui.model.problem import Problem

WHOLE = """\
name = "net-smoke"
environments = ["board-*", "tag:arm64", "vm-debug"]   # names, globs, tag:..., group:...

[policy]
priority = 5
max_parallel = 4
retries = 1
backoff = { initial = "500ms", factor = 2, max = "1m", jitter = 0 }
stage_timeout = "10m"
rollback = "all"
keep_versions = 3
splats = "warn"

[[artifacts]]
source = "scripts/*.sh"
type = "script"
target = "/opt/tests/net/"
mode = "0755"
owner = "root:root"
sensitive = false
expand = false
depends_on = ["lib/*"]

[[artifacts]]
source = "su"
type = "binary"
target = "~/su"
mode = "4755"
allow_setuid = true

[[dependencies]]
name = "iperf3"
version = ">=3.9"
names = { apk = "iperf3", dnf = "iperf3" }
required = false

[[dependencies]]
tool = "perf"

[[dependencies]]
pip = "pyserial"
version = ">=3.4"
files = ["wheels/*.whl"]

[instrumentation]
kasan = "required"
kcsan = "off"
perf = "wanted"
kernel_params = ["kasan_multi_shot", 'dyndbg="file a.c +p"']
may_reboot = true

[validation]
kernel = ">=6.1,<6.13"
arch = ["x86_64", "aarch64"]
kernel_config = ["CONFIG_BPF_SYSCALL=y", "MODULES!=n", "LOG_BUF_SHIFT>=14"]
memory = "256MiB"
disk = { "/opt" = "64MiB", "~" = 1000 }
load = 8
network = ["tcp://192.0.2.1:80", "dns:example.org", "icmp:workstation"]
tools = ["sh", "perf"]
clock_skew = "5s"
temperature = "85.5 °C"
"""

SMALL = 'name = "x"\nenvironments = ["*"]\n'
ARTIFACT = '[[artifacts]]\nsource = "a"\ntype = "data"\ntarget = "/opt/a"\nmode = "0644"\n'


def read(folder: Path, text: str) -> PlanFile:
    path = folder / "plan.toml"
    path.write_text(text, encoding="utf-8")
    return read_plan(path, Catalogue())


def only_problem(folder: Path, text: str) -> Problem:
    problems = read(folder, text).problems
    assert len(problems) == 1, [str(each) for each in problems]
    return problems[0]


def test_whole_plan_becomes_a_draft(tmp_path: Path) -> None:
    plan = read(tmp_path, WHOLE)
    assert not plan.problems
    assert not plan.notices
    assert plan.draft == PlanDraft(
        name="net-smoke",
        environments=("board-*", "tag:arm64", "vm-debug"),
        artifacts=(
            Artifact(
                source="scripts/*.sh",
                type=ArtifactType.SCRIPT,
                target="/opt/tests/net/",
                mode=0o755,
                owner="root:root",
                depends_on=("lib/*",),
            ),
            Artifact(source="su", type=ArtifactType.BINARY, target="~/su", mode=0o4755, allow_setuid=True),
        ),
        dependencies=(
            Dependency(name="iperf3", version=">=3.9", names={"apk": "iperf3", "dnf": "iperf3"}, required=False),
            Dependency(tool="perf"),
            Dependency(pip="pyserial", version=">=3.4", files=("wheels/*.whl",)),
        ),
        instrumentation=Instrumentation(
            {"kasan": Want.REQUIRED, "kcsan": Want.OFF, "perf": Want.WANTED},
            may_reboot=True,
            kernel_params=("kasan_multi_shot", 'dyndbg="file a.c +p"'),
        ),
        validation=Validation(
            kernel=">=6.1,<6.13",
            arch=("x86_64", "aarch64"),
            kernel_config=("CONFIG_BPF_SYSCALL=y", "MODULES!=n", "LOG_BUF_SHIFT>=14"),
            network=("tcp://192.0.2.1:80", "dns:example.org", "icmp:workstation"),
            memory=256 * 2**20,
            disk={"/opt": 64 * 2**20, "~": 1000},
            load=8.0,
            tools=("sh", "perf"),
            clock_skew=5.0,
            temperature=85.5,
        ),
        policy=Policy(5, 4, 1, Backoff(0.5, 2.0, 60.0, 0.0), 600.0, Rollback.ALL, 3, OnSplat.WARN),
    )


def test_defaults_of_the_file_are_those_of_the_model(tmp_path: Path) -> None:
    plan = read(tmp_path, SMALL + ARTIFACT)
    artifact = Artifact(source="a", type=ArtifactType.DATA, target="/opt/a", mode=0o644)
    assert plan.draft == PlanDraft(name="x", environments=("*",), artifacts=(artifact,))
    assert plan.folder == tmp_path


def test_bundled_sample_plan_has_no_problem() -> None:
    sample = Path(__file__).parents[2] / "resources" / "demo" / "plan.toml"
    assert read_plan(sample, Catalogue()).problems == ()


BAD = [
    ("name = 3", "name", "name must be a string, not 3"),
    ('name = ""', "name", "name must not be empty"),
    (f'name = "{"n" * 101}"', "name", "name must have at most 100 characters, but has 101"),
    (r'name = "a\nb"', "name", r'name must not contain control characters: "a\nb"'),
    ('environments = "a"', "environments", 'environments must be an array, not "a"'),
    ('environments = ["a", 4]', "environments[1]", "environments[1] must be a string, not 4"),
    ('environments = ["a", "a"]', "environments[1]", "'a' is listed twice"),
    ('environments = ["tag:"]', "environments[0]", "'tag:' selects nothing: write a name after it"),
    ("policy.priority = 101", "policy.priority", "priority must be at most 100, not 101"),
    ("policy.priority = -101", "policy.priority", "priority must be at least -100, not -101"),
    ("policy.priority = true", "policy.priority", "priority must be a whole number, not true"),
    ("policy.priority = 1.0", "policy.priority", "priority must be a whole number, not 1.0"),
    ("policy.max_parallel = 0", "policy.max_parallel", "max_parallel must be at least 1, not 0"),
    ("policy.retries = 11", "policy.retries", "retries must be at most 10, not 11"),
    ("policy.retries = -1", "policy.retries", "retries must be at least 0, not -1"),
    ("policy.splats = 'ignore'", "policy.splats", 'splats must be one of fail, warn, not "ignore"'),
    ("policy.keep_versions = -1", "policy.keep_versions", "keep_versions must be at least 0, not -1"),
    ("policy.backoff.jitter = 1.1", "policy.backoff.jitter", "jitter must be at most 1.0, not 1.1"),
    ("policy.backoff.jitter = nan", "policy.backoff.jitter", "jitter must be a finite number, not nan"),
    ("policy.backoff.factor = 0.5", "policy.backoff.factor", "factor must be at least 1.0, not 0.5"),
    ('policy.backoff.max = "0s"', "policy.backoff.max", 'max must be longer than nothing, not "0s"'),
    ("policy.backoff = 3", "policy.backoff", "backoff must be a table, not 3"),
    ("policy = []", "policy", "policy must be a table, not an array"),
    ("policy.stage_timeout = 600", "policy.stage_timeout", "stage_timeout must be a duration such as"),
    ('policy.rollback = "none "', "policy.rollback", "rollback must be one of failed, all, none, not"),
    ("policy.retires = 3", "policy.retires", "unknown key 'retires' - did you mean 'retries'?"),
    ("policy.name = 'x'", "policy.name", "unknown key 'name' here - it belongs above the first [table]"),
    ("artefacts = []", "artefacts", "unknown key 'artefacts' - did you mean 'artifacts'?"),
    ("xyz = 1", "xyz", "unknown key 'xyz'"),
    ("validation.kernel = 6.1", "validation.kernel", "kernel must be a string, not 6.1"),
    ('validation.kernel = "6.x"', "validation.kernel", "kernel must be a version range such as"),
    ('validation.arch = ["arm64"]', "validation.arch[0]", 'arch[0] must be as "uname -m" prints it: "aarch64"'),
    ("validation.load = 0", "validation.load", "load must be above 0.0, not 0"),
    ("validation.load = inf", "validation.load", "load must be a finite number, not inf"),
    ('validation.tools = ["/bin/sh"]', "validation.tools[0]", "tools[0] must be a command without its folder"),
    ('validation.tools = ["-x"]', "validation.tools[0]", "tools[0] must be a command without its folder"),
    ('validation.disk = { opt = "1MiB" }', "validation.disk", "disk has a path that must be absolute"),
    ('validation.disk = { "/o" = "1" }', 'validation.disk."/o"', '"/o" must be a size such as'),
    ('validation.temperature = "85F"', "validation.temperature", 'must be a temperature such as "85C"'),
    ("validation.clock_skew = 07:32:00", "validation.clock_skew", "not a date or time"),
    ('validation.network = ["ping:x"]', "validation.network[0]", 'must be like "tcp://192.0.2.1:80"'),
    ('validation.network = ["tcp://x:99999"]', "validation.network[0]", 'must be like "tcp://192.0.2.1:80"'),
    ('validation.kernel_config = ["CONFIG_A"]', "validation.kernel_config[0]", 'must be like "CONFIG_X=y"'),
    ('validation.kernel_config = ["A>=y"]', "validation.kernel_config[0]", "compares with a number"),
    ('instrumentation.kernel_params = "a"', "instrumentation.kernel_params", 'kernel_params must be an array, not "a"'),
    ('instrumentation.kernel_params = ["a b"]', "instrumentation.kernel_params[0]", 'not "a b"'),
    ('instrumentation.kernel_params = ["a", ""]', "instrumentation.kernel_params[1]", "must be one kernel parameter"),
    ("instrumentation.kernel_params = ['a=\"b']", "instrumentation.kernel_params[0]", "must be one kernel parameter"),
    ('instrumentation.kernel_params = ["a\\u0007"]', "instrumentation.kernel_params[0]", 'not "a\\x07"'),
    ('instrumentation.kernel_params = ["é=1"]', "instrumentation.kernel_params[0]", "in ASCII"),
    ('instrumentation.kernel_params = ["--"]', "instrumentation.kernel_params[0]", "must be one kernel parameter"),
    (
        'instrumentation.kernel_params = ["root=/dev/vdb"]',
        "instrumentation.kernel_params[0]",
        "kernel_params[0] must not set root, because it says which root file system is mounted: write it as `cmdline`",
    ),
    (
        'instrumentation.kernel_params = ["a", "console=tty1"]',
        "instrumentation.kernel_params[1]",
        "must not set console, because it moves the console that tells why a kernel does not come up",
    ),
    (
        'instrumentation.kernel_params = ["a-b=1", "c", "a_b=2"]',
        "instrumentation.kernel_params[2]",
        "'a_b=2' sets again what 'a-b=1' sets: remove one",
    ),
    ("instrumentation.may_reboot = 1", "instrumentation.may_reboot", "may_reboot must be true or false, not 1"),
    ('instrumentation.kasn = "off"', "instrumentation.kasn", "unknown instrument 'kasn' - did you mean 'kasan'?"),
    ("instrumentation.kasan = true", "instrumentation.kasan", "kasan must be one of required, wanted, off, not true"),
    ('dependencies = [{ tool = "a", x = 1 }]', "dependencies[0].x", "unknown key 'x'"),
    (
        "dependencies = [{}]",
        "dependencies[0]",
        "name (a package), tool (a command) or pip (a Python package) is missing",
    ),
    ('dependencies = [{ name = "a", tool = "b" }]', "dependencies[0]", "exclude each other"),
    ('dependencies = [{ name = "-o" }]', "dependencies[0].name", 'name must be a package name, not "-o"'),
    (
        'dependencies = [{ name = "a", pip = "b" }]',
        "dependencies[0]",
        "name (a package) and pip (a Python package) exclude",
    ),
    ('dependencies = [{ pip = "a[b]" }]', "dependencies[0].pip", "must be a name as pip knows it"),
    ('dependencies = [{ pip = "a" }, { pip = "a" }]', "dependencies[1]", "'a' is listed already in dependencies[0]"),
    ('dependencies = [{ tool = "a", files = ["a.deb"] }]', "dependencies[0].files", "not for a command"),
    ('dependencies = [{ pip = "a", names = { apt = "b" } }]', "dependencies[0].names", "names is for packages"),
    ('dependencies = [{ name = "a", files = [""] }]', "dependencies[0].files[0]", "must not be empty"),
    ('dependencies = [{ tool = "a" }, { tool = "a" }]', "dependencies[1]", "listed already in dependencies[0]"),
    ('dependencies = [{ name = "a", names = { apd = "b" } }]', "dependencies[0].names", "did you mean 'apt'?"),
    ('dependencies = [{ name = "a", version = ">1:2" }]', "dependencies[0].version", "must be a version range"),
    ("artifacts = 3", "artifacts", "artifacts must be an array, not 3"),
    ("[artifacts]", "artifacts", "artifacts must be written with double brackets: [[artifacts]]"),
]


@pytest.mark.parametrize(("text", "field", "part"), BAD, ids=[each[0][:40] for each in BAD])
def test_one_mistake(tmp_path: Path, text: str, field: str, part: str) -> None:
    kept = [line for line in SMALL.splitlines() if line.partition(" ")[0] != text.partition(" ")[0]]
    problem = only_problem(tmp_path, "\n".join([*kept, "# here", text, ""]))
    assert part in problem.message
    assert problem.field == field
    assert problem.line == len(kept) + 2
    assert problem.file == str(tmp_path / "plan.toml")


BAD_ARTIFACTS = [
    ("mode = 755", "mode", 'mode must be an octal string such as "0755", not 755'),
    ('mode = "rwx"', "mode", 'mode must be an octal string such as "0755", not "rwx"'),
    ('mode = "4755"', "mode", 'mode "4755" sets setuid, setgid or sticky; that needs allow_setuid = true'),
    (
        'type = "scrip"',
        "type",
        "type must be one of script, binary, config, data, not \"scrip\" - did you mean 'script'?",
    ),
    ('source = ""', "source", "source must not be empty"),
    ('source = "store:suite@"', "source", 'source names no stored artifact, "store:suite@": after store: write NAME'),
    ('target = "opt/a"', "target", 'target must be absolute ("/opt/x") or under the home folder ("~/x"), not "opt/a"'),
    ('target = "/opt/../a"', "target", 'target must not contain ".." as a part of the path: "/opt/../a"'),
    ('owner = "0:0"', "owner", 'owner must be "user" or "user:group" by name, not "0:0"'),
    ("sensitive = true", "mode", 'mode must give nothing to group and others, such as "0600"'),
    ("sensitive = 1", "sensitive", "sensitive must be true or false, not 1"),
    ("expand = true", "expand", "expand is not supported yet: this version cannot unpack archives; remove it"),
    ('layout = "link"', "layout", 'layout must be one of files, versioned, not "link"'),
    ('depends_on = "lib/*"', "depends_on", 'depends_on must be an array, not "lib/*"'),
    ("depends_on = [1]", "depends_on[0]", "depends_on[0] must be a string, not 1"),
    ('taget = "/x"', "taget", "unknown key 'taget' - did you mean 'target'?"),
    ('environments = ["a"]', "environments", "unknown key 'environments' here - it belongs above the first [table]"),
]


@pytest.mark.parametrize(("text", "field", "part"), BAD_ARTIFACTS, ids=[each[0] for each in BAD_ARTIFACTS])
def test_one_mistake_in_an_artifact(tmp_path: Path, text: str, field: str, part: str) -> None:
    kept = [line for line in ARTIFACT.splitlines() if line.partition(" ")[0] != text.partition(" ")[0]]
    lines = [*SMALL.splitlines(), *ARTIFACT.splitlines(), "", *kept, text, ""]
    problem = only_problem(tmp_path, "\n".join(lines))
    assert part in problem.message
    assert problem.field == f"artifacts[1].{field}"
    assert lines[problem.line - 1].startswith(field.partition("[")[0])


@pytest.mark.parametrize("key", ["source", "type", "target", "mode"])
def test_missing_key_is_told_at_its_table(tmp_path: Path, key: str) -> None:
    kept = [line for line in ARTIFACT.splitlines() if not line.startswith(key)]
    problem = only_problem(tmp_path, SMALL + "\n".join(kept))
    assert (problem.message, problem.field, problem.line) == (f"{key} is missing", f"artifacts[0].{key}", 3)


def test_a_stored_artifact_may_leave_out_its_type_and_mode(tmp_path: Path) -> None:
    stored = '[[artifacts]]\nsource = "store:suite@1.2"\ntarget = "/opt/suite/"\n'
    plan = read(tmp_path, SMALL + stored)
    assert plan.problems == ()
    assert plan.draft is not None
    artifact = plan.draft.artifacts[0]
    assert (artifact.source, artifact.type, artifact.mode) == ("store:suite@1.2", None, None)
    assert write_plan(plan.draft, "", Catalogue()).endswith(stored)
    secret = only_problem(tmp_path, SMALL + stored + "sensitive = true\n")
    assert (secret.field, secret.message) == (
        "artifacts[0].mode",
        'mode is missing: sensitive = true needs one such as "0600"',
    )
    wrong = only_problem(tmp_path, SMALL + stored + 'mode = "rwx"\n')
    assert wrong.field == "artifacts[0].mode"


def test_message_reads_as_one_line(tmp_path: Path) -> None:
    problem = only_problem(tmp_path, SMALL + ARTIFACT.replace('"0644"', "755"))
    where = tmp_path / "plan.toml"
    assert str(problem) == f'{where}:7: artifacts[0].mode: mode must be an octal string such as "0755", not 755'


def test_all_mistakes_at_once_in_the_order_of_the_file(tmp_path: Path) -> None:
    every = [text for text, field, _ in BAD if text.startswith(("policy.", "validation.")) and field.count(".") == 1]
    keys = {text.partition(" ")[0]: text for text in every}
    plan = read(tmp_path, "\n".join([*keys.values(), ARTIFACT.replace('"data"', '"dat"'), ""]))
    fields = [each.field for each in plan.problems]
    assert {text.partition(" ")[0] for text in keys} <= {each.partition("[")[0] for each in fields}
    assert {"name", "environments", "artifacts[0].type"} <= set(fields)
    lines = [each.line for each in plan.problems]
    assert lines == sorted(lines)


def test_draft_goes_on_without_what_is_wrong(tmp_path: Path) -> None:
    plan = read(tmp_path, SMALL + ARTIFACT + ARTIFACT.replace('"0644"', "644").replace('"a"', '"b"'))
    assert [each.field for each in plan.problems] == ["artifacts[1].mode"]
    assert plan.draft is not None
    assert [each.source for each in plan.draft.artifacts] == ["a", "b"]


def test_later_findings_are_placed_and_mere_consequences_dropped(tmp_path: Path) -> None:
    plan = read(tmp_path, 'name = "x"\nenvironments = ["a", 3]\n' + ARTIFACT)
    found = [
        Problem("environments is empty", "environments"),
        Problem("the plan is empty"),
        Problem("'a' does not exist", "artifacts[0].source"),
    ]
    assert [(each.line, each.field) for each in plan.with_found(found)] == [
        (2, "environments[1]"),
        (4, "artifacts[0].source"),
    ]
    sound = read(tmp_path, SMALL)
    assert [each.message for each in sound.with_found(found[1:2])] == ["the plan is empty"]


def test_old_name_of_an_instrument_is_a_notice(tmp_path: Path) -> None:
    plan = read(tmp_path, SMALL + '[instrumentation]\nktsan = "required"\n')
    assert not plan.problems
    assert plan.draft is not None
    assert plan.draft.instrumentation.wants == {"kcsan": Want.REQUIRED}
    assert [(each.line, each.message) for each in plan.notices] == [
        (4, "'ktsan' is the old name of 'kcsan', which is used instead")
    ]


def test_old_and_new_name_together(tmp_path: Path) -> None:
    problem = only_problem(tmp_path, SMALL + '[instrumentation]\nktsan = "off"\nkcsan = "wanted"\n')
    assert problem.message == "'ktsan' is the old name of 'kcsan', which is set as well: remove one"


def test_a_lab_file_is_told_as_one(tmp_path: Path) -> None:
    path = tmp_path / "lab.toml"
    path.write_text('[[environment]]\nname = "a"\nhost = "h"\n')
    found = read_plan(path, Catalogue())
    assert [(each.file, each.message[:34]) for each in found.problems] == [
        (str(path), "this is a lab file, not a plan, wh")
    ]


@pytest.mark.parametrize("text", ["", "# nothing yet\n"])
def test_empty_file(tmp_path: Path, text: str) -> None:
    plan = read(tmp_path, text)
    assert plan.draft is None
    assert [each.message for each in plan.problems] == [
        "the plan is empty: it needs at least name, environments and something to do"
    ]


def test_missing_file_suggests_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").touch()
    plan = read_plan(tmp_path / "plam.toml", Catalogue())
    assert plan.draft is None
    assert str(plan.problems[0]) == f"{tmp_path}/plam.toml: no such file - did you mean 'plan.toml'?"


def test_missing_folder(tmp_path: Path) -> None:
    assert read_plan(tmp_path / "no" / "plan.toml", Catalogue()).problems[0].message == "no such file"


def test_syntax_error(tmp_path: Path) -> None:
    problem = only_problem(tmp_path, "name = \n")
    assert problem.message == "not valid TOML: Invalid value"
    assert problem.line == 1


def test_control_characters_never_reach_a_message(tmp_path: Path) -> None:
    plan = read(tmp_path, '"a\\u001b[31m" = 1\nname = "\\u001b]0;x\\u0007"\nenvironments = ["\\u202e"]\n')
    assert len(plan.problems) == 3
    assert all(str(each).isprintable() for each in plan.problems)
