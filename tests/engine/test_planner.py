"""The planner: which environments, which targets, in which order, and everything that stands against a plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdeploy_gui.engine.planner import REPORTED, Planned, plan
from kdeploy_gui.instruments.catalogue import Catalogue
from kdeploy_gui.model.environment import Environment, Kernel, Lab
from kdeploy_gui.model.plan import (
    Artifact,
    ArtifactType,
    Dependency,
    Instrumentation,
    Layout,
    ListedFile,
    Listing,
    Plan,
    PlanDraft,
    Policy,
    SourceFile,
    Validation,
    Want,
)

LAB = Lab(
    (
        Environment(name="board-a", host="a", tags=("arm64",), group="rack-1/left"),
        Environment(name="board-b", host="b", tags=("arm64", "net"), group="rack-1/right"),
        Environment(name="vm", host="c", group="guests"),
    )
)


def artifact(source: str, target: str = "/opt/x/", *depends_on: str) -> Artifact:
    return Artifact(source=source, type=ArtifactType.DATA, target=target, mode=0o644, depends_on=depends_on)


def listing(*relatives: str, folder: bool = False, keep: str = "") -> Listing:
    """Files by their path below the plan's folder; `keep` is the part that the target does not repeat."""
    files = (SourceFile(f"/plans/{each}", each, 1) for each in relatives)
    kept = (each.relative.removeprefix(keep) if keep else each.relative.rpartition("/")[2] for each in files)
    named = zip(relatives, kept, strict=True)
    return Listing(tuple(ListedFile(SourceFile(f"/plans/{each}", each, 1), name) for each, name in named), folder)


def made(artifacts: Mapping[Artifact, Listing], environments: tuple[str, ...] = ("*",)) -> Planned:
    draft = PlanDraft(name="x", environments=environments, artifacts=tuple(artifacts))
    return plan(draft, LAB, dict(enumerate(artifacts.values())))


def good(artifacts: Mapping[Artifact, Listing]) -> Plan:
    planned = made(artifacts)
    assert planned.plan is not None, planned.problems
    return planned.plan


def targets(artifacts: Mapping[Artifact, Listing]) -> list[str]:
    return [each.target for each in good(artifacts).files]


def problems(planned: Planned) -> list[tuple[str, str]]:
    assert planned.plan is None
    return [(each.field, each.message) for each in planned.problems]


def sources(artifacts: Mapping[Artifact, Listing]) -> list[str]:
    return [each.source.relative for each in good(artifacts).files]


def test_plan_carries_everything_of_the_draft() -> None:
    draft = PlanDraft(
        name="net",
        environments=("board-*",),
        artifacts=(replace(artifact("a", "/opt/b"), mode=0o600, owner="root", sensitive=True),),
        dependencies=(Dependency(tool="perf"),),
        instrumentation=Instrumentation({"perf": Want.WANTED}),
        validation=Validation(kernel=">=6.1"),
        policy=Policy(priority=3),
    )
    planned = plan(draft, LAB, {0: listing("a")})
    assert planned.problems == ()
    made = planned.plan
    assert made is not None
    assert made.environments == LAB.environments[:2]
    (file,) = made.files
    assert (file.target, file.mode, file.owner, file.sensitive) == ("/opt/b", 0o600, "root", True)
    assert (made.name, made.dependencies, made.instrumentation, made.validation, made.policy) == (
        draft.name,
        draft.dependencies,
        draft.instrumentation,
        draft.validation,
        draft.policy,
    )


@pytest.mark.parametrize(
    ("patterns", "expected"),
    [
        (("*",), ["board-a", "board-b", "vm"]),
        (("vm", "board-a"), ["board-a", "vm"]),
        (("board-?", "board-a"), ["board-a", "board-b"]),
        (("tag:net",), ["board-b"]),
        (("group:rack-1",), ["board-a", "board-b"]),
    ],
)
def test_environments_are_chosen_once_each_in_the_order_of_the_lab(
    patterns: tuple[str, ...], expected: list[str]
) -> None:
    planned = made({artifact("a"): listing("a")}, patterns)
    assert planned.plan is not None
    assert [each.name for each in planned.plan.environments] == expected


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("board-x", "'board-x' matches no environment of the lab - did you mean 'board-b'?"),
        ("tag:nets", "'tag:nets' matches no environment of the lab - did you mean 'tag:net'?"),
        ("group:guest", "'group:guest' matches no environment of the lab - did you mean 'group:guests'?"),
        ("zzz*", "'zzz*' matches no environment of the lab"),
    ],
)
def test_patterns_that_match_nothing(pattern: str, message: str) -> None:
    planned = made({artifact("a"): listing("a")}, ("vm", pattern))
    assert problems(planned) == [("environments[1]", message)]


def test_no_environments() -> None:
    draft = PlanDraft(name="x", environments=(), artifacts=(artifact("a"),))
    assert problems(plan(draft, LAB, {0: listing("a")})) == [
        ("environments", "environments is empty: name at least one")
    ]
    assert problems(plan(replace(draft, environments=("*",)), Lab(), {0: listing("a")})) == [
        ("environments", "the lab has no environments yet: add one with 'kdeploy env add'")
    ]


@pytest.mark.parametrize(
    "draft",
    [
        PlanDraft(name="x", environments=("*",)),
        PlanDraft(name="x", environments=("*",), instrumentation=Instrumentation({"kasan": Want.OFF})),
        PlanDraft(name="x", environments=("*",), policy=Policy(priority=1)),
    ],
)
def test_empty_plan(draft: PlanDraft) -> None:
    assert problems(plan(draft, LAB, {})) == [
        ("", "the plan is empty: it has no artifacts, dependencies, instrumentation or validation")
    ]


@pytest.mark.parametrize(
    "draft",
    [
        PlanDraft(name="x", environments=("*",), dependencies=(Dependency(tool="sh"),)),
        PlanDraft(name="x", environments=("*",), instrumentation=Instrumentation({"perf": Want.WANTED})),
        PlanDraft(name="x", environments=("*",), instrumentation=Instrumentation(kernel_params=("panic=1",))),
        PlanDraft(name="x", environments=("*",), validation=Validation(memory=1)),
    ],
)
def test_plan_without_artifacts(draft: PlanDraft) -> None:
    planned = plan(draft, LAB, {})
    assert planned.plan is not None
    assert planned.plan.files == ()


def test_single_file_takes_the_name_of_its_target() -> None:
    assert targets({artifact("a/b.sh", "/opt/c"): listing("a/b.sh")}) == ["/opt/c"]
    assert targets({artifact("a/b.sh", "~/c/"): listing("a/b.sh")}) == ["~/c/b.sh"]


def test_pattern_that_matches_one_file_may_rename_it() -> None:
    assert targets({artifact("a/*.sh", "/opt/c"): listing("a/b.sh")}) == ["/opt/c"]


def test_patterns_are_flat_and_folders_keep_their_tree() -> None:
    assert targets({artifact("a/*", "/o/"): listing("a/x", "a/y")}) == ["/o/x", "/o/y"]
    tree = listing("a/x", "a/b/y", folder=True, keep="a/")
    assert targets({artifact("a", "/o/"): tree}) == ["/o/x", "/o/b/y"]


def test_folder_and_several_files_need_a_folder_as_target() -> None:
    planned = made(
        {
            artifact("tree", "/opt/t"): listing("tree/only", folder=True, keep="tree/"),
            artifact("*.sh", "/opt/s"): listing("a.sh", "b.sh"),
        }
    )
    assert problems(planned) == [
        ("artifacts[0].target", "'tree' is a folder, so target must end with a slash: write '/opt/t/'"),
        ("artifacts[1].target", "'*.sh' stands for 2 files, so target must end with a slash: write '/opt/s/'"),
    ]


def test_path_that_gets_too_long() -> None:
    deep = "/".join(["d" * 200] * 20)
    ((field, message),) = problems(
        made({artifact("t", f"/{'x' * 200}/"): listing(f"t/{deep}", folder=True, keep="t/")})
    )
    assert field == "artifacts[0].target"
    assert "longer than 4095 bytes" in message


def test_duplicate_targets_name_both_places() -> None:
    planned = made(
        {
            artifact("a/*", "/opt/"): listing("a/x", "a/y"),
            artifact("b/x", "/opt/x"): listing("b/x"),
        }
    )
    assert problems(planned) == [
        ("artifacts[1].target", "'b/x' would become '/opt/x', and so would 'a/x' (artifacts[0].target)")
    ]


def test_duplicate_targets_within_one_pattern() -> None:
    assert problems(made({artifact("*/x", "/opt/"): listing("a/x", "b/x")})) == [
        ("artifacts[0].target", "'b/x' would become '/opt/x', and so would 'a/x' (artifacts[0].target)")
    ]


def test_same_file_listed_twice() -> None:
    planned = made({artifact("a", "/opt/"): listing("a"), artifact("a*", "/opt/"): listing("a", "ab")})
    assert problems(planned) == [
        ("artifacts[1].target", "'/opt/a' is listed twice with the same file, first by 'a' (artifacts[0].target)")
    ]
    assert targets({artifact("a", "/opt/"): listing("a"), artifact("a", "/srv/"): listing("a")}) == ["/opt/a", "/srv/a"]


def test_target_that_is_another_ones_folder() -> None:
    planned = made({artifact("a", "/opt/x"): listing("a"), artifact("b", "/opt/x/y/"): listing("b")})
    assert problems(planned) == [
        (
            "artifacts[1].target",
            "'/opt/x/y/b' needs the folder '/opt/x', which is the target of 'a' (artifacts[0].target)",
        )
    ]


def test_targets_that_only_look_alike() -> None:
    assert len(targets({artifact("a", "/opt/x"): listing("a"), artifact("b", "/opt/xy/"): listing("b")})) == 2


def test_many_clashes_are_counted() -> None:
    names = [f"{number:03}" for number in range(100)]
    planned = made(
        {
            artifact("a/*", "/opt/"): listing(*(f"a/{each}" for each in names)),
            artifact("b/*", "/opt/"): listing(*(f"b/{each}" for each in names)),
        }
    )
    assert len(planned.problems) == REPORTED + 1
    assert planned.problems[-1].message == "90 more targets clash in the same way"


def test_dependencies_come_first_else_the_order_of_the_plan() -> None:
    ordered = {
        artifact("run.sh", "/o/", "tests/*"): listing("run.sh"),
        artifact("tests/*", "/o/", "lib/a.sh", "conf"): listing("tests/1", "tests/2"),
        artifact("data", "/o/"): listing("data"),
        artifact("lib/*", "/o/"): listing("lib/a.sh", "lib/b.sh"),
        artifact("conf", "/o/"): listing("conf/c", folder=True, keep="conf/"),
    }
    assert sources(ordered) == ["lib/a.sh", "lib/b.sh", "conf/c", "tests/1", "tests/2", "run.sh", "data"]


def test_artifact_may_depend_on_some_of_its_own_files() -> None:
    assert sources({artifact("*.sh", "/o/", "common.sh"): listing("a.sh", "common.sh", "z.sh")}) == [
        "common.sh",
        "a.sh",
        "z.sh",
    ]


def test_dependency_that_is_not_in_the_plan() -> None:
    planned = made(
        {
            artifact("a", "/o/", "lib/*", "conf"): listing("a"),
            artifact("config", "/o/c/"): listing("config"),
        }
    )
    assert problems(planned) == [
        ("artifacts[0].depends_on[0]", "'lib/*' matches no artifact of this plan"),
        ("artifacts[0].depends_on[1]", "'conf' matches no artifact of this plan - did you mean 'config'?"),
    ]


def test_circles_are_named_in_full() -> None:
    planned = made(
        {
            artifact("a", "/o/", "b"): listing("a"),
            artifact("b", "/o/", "c"): listing("b"),
            artifact("c", "/o/", "a"): listing("c"),
            artifact("d", "/o/", "d"): listing("d"),
            artifact("e", "/o/", "a"): listing("e"),
        }
    )
    found = problems(planned)
    assert len(found) == 2
    assert ("artifacts[3].depends_on", "depends on itself: 'd' -> 'd'") in found
    (circle,) = [message for field, message in found if field != "artifacts[3].depends_on"]
    assert circle in {
        "depends on itself: 'a' -> 'b' -> 'c' -> 'a'",
        "depends on itself: 'b' -> 'c' -> 'a' -> 'b'",
        "depends on itself: 'c' -> 'a' -> 'b' -> 'c'",
    }


def test_artifacts_known_to_be_wrong_do_not_hide_others() -> None:
    artifacts = (
        artifact("gone", "/o/"),
        artifact("a", "", "lib"),
        artifact("b", "/o", "gone/x"),
        artifact("c", "/o/d"),
    )
    draft = PlanDraft(name="x", environments=("nobody",), artifacts=artifacts)
    planned = plan(draft, LAB, {1: listing("a"), 2: listing("b"), 3: listing("c")})
    assert [each.field for each in planned.problems] == ["environments[0]", "artifacts[3].target"]


def test_instruments_that_no_kernel_can_have_together() -> None:
    both = {"kasan": Want.REQUIRED, "kcsan": Want.REQUIRED}
    draft = PlanDraft(name="x", environments=("*",), instrumentation=Instrumentation(both))
    catalogue = Catalogue().all()
    ((field, message),) = problems(plan(draft, LAB, {}, catalogue=catalogue))
    assert field == "instrumentation.kcsan"
    assert "no kernel can have both KASAN and KCSAN (KCSAN depends on !KASAN" in message
    guest = replace(
        LAB.environments[0], kernels=(Kernel("kasan", "/k"), Kernel("race-kcsan", "/k"), Kernel("plain", "/k"))
    )
    ((_, message),) = problems(plan(draft, Lab((guest,)), {}, catalogue=catalogue))
    assert message.endswith(f"{guest.name} has kernel 'kasan', {guest.name} has kernel 'race-kcsan'")
    one = Instrumentation({**both, "kcsan": Want.WANTED})
    assert plan(replace(draft, instrumentation=one), LAB, {}, catalogue=catalogue).plan is not None


@given(st.lists(st.sets(st.integers(0, 7), max_size=3), min_size=1, max_size=8))
def test_any_graph_is_ordered_or_its_circle_is_a_circle(wanted: list[set[int]]) -> None:
    edges = {index: {other for other in others if other < len(wanted)} for index, others in enumerate(wanted)}
    artifacts = {
        artifact(f"f{index}", "/o/", *(f"f{other}" for other in sorted(others))): listing(f"f{index}")
        for index, others in edges.items()
    }
    planned = made(artifacts)
    if planned.plan is not None:
        order = [int(each.source.relative[1:]) for each in planned.plan.files]
        assert sorted(order) == sorted(edges)
        assert all(order.index(other) < order.index(index) for index, others in edges.items() for other in others)
    for _, message in problems(planned) if planned.plan is None else []:
        way = [int(each.strip("'f")) for each in message.removeprefix("depends on itself: ").split(" -> ")]
        assert way[0] == way[-1]
        assert all(other in edges[index] for index, other in pairwise(way))


names = st.text("ab/", min_size=1, max_size=5).map(lambda each: each.strip("/").replace("//", "/") or "a")


@given(st.lists(names, min_size=1, max_size=8))
def test_targets_clash_exactly_when_a_file_system_could_not_hold_them(paths: list[str]) -> None:
    artifacts = tuple(artifact(f"s{index}", f"/{path}") for index, path in enumerate(paths))
    draft = PlanDraft(name="x", environments=("*",), artifacts=artifacts)
    planned = plan(draft, LAB, {index: listing(each.source) for index, each in enumerate(artifacts)})
    clash = any(
        one == other or other.startswith(f"{one}/")
        for i, one in enumerate(paths)
        for j, other in enumerate(paths)
        if i != j
    )
    assert (planned.plan is None) == clash


def versioned(source: str, target: str) -> Artifact:
    return replace(artifact(source, target), layout=Layout.VERSIONED)


def test_files_of_versioned_artifacts_know_their_link() -> None:
    planned = good(
        {
            versioned("a", "/opt/net/"): listing("a/x", "a/lib/y", folder=True, keep="a/"),
            versioned("b", "/opt/net/"): listing("b"),
            artifact("c", "/opt/net.conf"): listing("c"),
        }
    )
    assert {each.target: each.link for each in planned.files} == {
        "/opt/net/x": "/opt/net",
        "/opt/net/lib/y": "/opt/net",
        "/opt/net/b": "/opt/net",
        "/opt/net.conf": "",
    }


@pytest.mark.parametrize(
    ("source", "target", "words"),
    [
        ("a", "/opt/net", "only a folder can be versioned, so target must end with a slash: write '/opt/net/'"),
        ("a", "~/", "'~/' cannot be versioned: name a folder below it"),
        ("a", "/", "'/' cannot be versioned: name a folder below it"),
    ],
)
def test_only_folders_are_versioned(source: str, target: str, words: str) -> None:
    assert problems(made({versioned(source, target): listing(source)})) == [("artifacts[0].target", words)]


@pytest.mark.parametrize(
    "other",
    [
        artifact("b", "/opt/net/"),
        artifact("b", "/opt/net/lib/"),
        artifact("b", "/opt/net/b"),
        versioned("b", "/opt/net/b/"),
    ],
)
def test_nothing_else_goes_into_a_versioned_folder(other: Artifact) -> None:
    ((where, message),) = problems(made({versioned("a", "/opt/net/"): listing("a"), other: listing("b")}))
    assert where == "artifacts[1].target"
    assert message.startswith("'/opt/net/' is versioned (artifacts[0]) and switches as a whole: give this entry layout")


def test_a_file_cannot_stand_where_the_link_does() -> None:
    assert made({versioned("a", "/opt/net/"): listing("a"), artifact("b", "/opt/net"): listing("b")}).plan is None
