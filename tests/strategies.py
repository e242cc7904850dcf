"""Hypothesis strategies for the values of the model; shared by every test that needs events."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from random import Random
from typing import Any

from hypothesis import strategies as st

from kdeploy_gui.model.event import (
    BODY_TYPES,
    Body,
    EnvironmentFinished,
    EnvironmentQueued,
    Event,
    FactFound,
    FileDone,
    OutputAppended,
    ReadinessChanged,
    RetryScheduled,
    RunFinished,
    RunStarted,
    RunSubmitted,
    StageFinished,
    StageProgress,
    StageStarted,
    TargetRebooted,
)
from kdeploy_gui.model.failure import Failure
from kdeploy_gui.model.files import ManifestEntry
from kdeploy_gui.model.kernel_params import locks_out, name_of
from kdeploy_gui.model.plan import (
    Artifact,
    ArtifactType,
    Backoff,
    Dependency,
    Instrumentation,
    Layout,
    OnSplat,
    PlanDraft,
    Policy,
    Rollback,
    Validation,
    Want,
)
from kdeploy_gui.model.readiness import ReadyMark
from kdeploy_gui.model.stage import Outcome, Stage, StageOutcome, Status

texts = st.text(st.characters(codec="utf-8") | st.characters(min_codepoint=0xDC80, max_codepoint=0xDCFF), max_size=20)
"""Any text, also with bytes of file names that are not UTF-8 (as surrogates)."""
numbers = st.floats(allow_nan=False, allow_infinity=False, width=64)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789._-", min_size=1, max_size=20)
"""Names of environments."""
moments = st.datetimes(datetime(1990, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001

SIMPLE: dict[object, st.SearchStrategy[Any]] = {
    str: texts,
    int: st.integers(),
    float: numbers,
    bool: st.booleans(),
    types.NoneType: st.none(),
}


def values(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type of the model: a dataclass, an enum, a tuple, an optional or a simple type."""
    if hint in SIMPLE:
        return SIMPLE[hint]
    arguments = typing.get_args(hint)
    if typing.get_origin(hint) is tuple:
        return st.lists(values(arguments[0]), max_size=3).map(tuple)
    if arguments:
        return st.one_of([values(each) for each in arguments])
    if issubclass(hint, Enum):
        return st.sampled_from(hint)
    hints = typing.get_type_hints(hint)
    return st.builds(hint, **{each.name: values(hints[each.name]) for each in dataclasses.fields(hint)})


bodies: st.SearchStrategy[Body] = st.one_of([values(each) for each in BODY_TYPES.values()])
"""Every event body, with any content."""
failures: st.SearchStrategy[Failure] = values(Failure)


def events(run: int, seq: int) -> st.SearchStrategy[Event]:
    """One event with any header and any body."""
    return st.builds(
        Event,
        seq=st.just(seq),
        time=moments,
        run=st.just(run),
        body=bodies,
        environment=st.just("") | names,
        stage=st.none() | st.sampled_from(Stage),
        attempt=st.integers(0, 9),
    )


ready_marks = st.builds(
    ReadyMark,
    environment=names,
    ready=st.booleans(),
    because=texts,
    time=moments,
    run=st.integers(0, 10**6),
    boot_id=texts,
    kernel_release=texts,
    kernel_build=texts,
    manifest=st.lists(values(ManifestEntry), max_size=4).map(tuple),
    instruments=st.dictionaries(texts, texts, max_size=4),
)


@dataclasses.dataclass(frozen=True, slots=True)
class Step:
    """One event of an environment before it has its place in a run."""

    body: Body
    stage: Stage | None = None
    attempt: int = 0


@st.composite
def environment_steps(draw: st.DrawFn) -> tuple[Step, ...]:
    """What one environment goes through: some of the stages, retries, an end or none."""
    steps = [Step(EnvironmentQueued(draw(st.integers(1, 9)), draw(texts)))]
    for stage in list(Stage)[: draw(st.integers(0, len(Stage)))]:
        attempts = draw(st.integers(1, 2))
        for attempt in range(1, attempts + 1):
            steps.append(Step(StageStarted(), stage, attempt))
            within = draw(st.lists(stage_bodies, max_size=2))
            steps.extend(Step(body, stage, attempt) for body in within)
            if attempt < attempts:
                steps.append(Step(RetryScheduled(draw(st.floats(0, 60)), draw(failures)), stage, attempt))
        steps.append(Step(StageFinished(draw(st.sampled_from(StageOutcome)), draw(st.floats(0, 600))), stage, attempts))
    ends = st.builds(EnvironmentFinished, st.sampled_from(FINAL), st.booleans(), st.none() | failures)
    return (*steps, *map(Step, draw(st.lists(ends, max_size=1))))


FINAL = [each for each in Status if each.is_final]
stage_bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(StageProgress, st.integers(0, 9), st.integers(0, 9), texts, texts),
    st.builds(FactFound, texts, texts),
    st.builds(TargetRebooted, texts, texts),
    st.builds(FileDone, texts, st.sampled_from(["sent", "same", "mode", "removed"]), st.integers(0, 9), texts),
    st.builds(OutputAppended, st.integers(0, 9), st.integers(0, 9)),
    st.builds(ReadinessChanged, st.booleans(), texts),
)

START = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclasses.dataclass(frozen=True, slots=True)
class Fleet:
    """Environments of a run, each with its own steps."""

    steps: dict[str, tuple[Step, ...]]

    def interleaved(self, run: int, seed: int, *, ended: bool = False) -> list[Event]:
        """The run's events: steps of one environment keep their order, those of different ones mix in any way.

        A step's time depends on its place in its environment alone.
        """
        order = [name for name, steps in self.steps.items() for _ in steps]
        Random(seed).shuffle(order)
        place = dict.fromkeys(self.steps, 0)
        found = [Event(seq=1, time=START, run=run, body=RunSubmitted(f"plan-{seed}", tuple(self.steps)))]
        found.append(Event(seq=2, time=START, run=run, body=RunStarted()))
        for name in order:
            step = self.steps[name][place[name]]
            found.append(
                Event(
                    seq=len(found) + 1,
                    time=START + timedelta(seconds=place[name]),
                    run=run,
                    body=step.body,
                    environment=name,
                    stage=step.stage,
                    attempt=step.attempt,
                )
            )
            place[name] += 1
        if ended:
            outcome = Random(seed).choice(list(Outcome))
            found.append(Event(seq=len(found) + 1, time=found[-1].time, run=run, body=RunFinished(outcome)))
        return found


def fleet_of(count: int, templates: Sequence[tuple[Step, ...]], seed: int) -> Fleet:
    """`count` environments; each goes through one of the templates."""
    choose: Callable[[Sequence[tuple[Step, ...]]], tuple[Step, ...]] = Random(seed).choice
    return Fleet({f"board-{number:03}": choose(templates) for number in range(1, count + 1)})


def fleets(largest: int = 300) -> st.SearchStrategy[Fleet]:
    """Fleets of 1 to `largest` environments."""
    templates = st.lists(environment_steps(), min_size=1, max_size=4)
    return st.builds(fleet_of, st.integers(1, largest), templates, st.integers(0, 2**32))


def _pieces(alphabet: str, most: int = 8) -> st.SearchStrategy[str]:
    return st.text(alphabet, min_size=1, max_size=most)


_words = _pieces("abcXYZ019._-äß '\"\\#[]{}=,é\u4e2d")
_titles = _words.filter(lambda text: text.strip() != "")
_packages = _pieces("abcz09").map(lambda text: f"p{text}+x")
_targets = st.builds(
    "{}{}{}".format, st.sampled_from(["/", "~/"]), _pieces("abc019_#\"' äß"), st.sampled_from(["", "/"])
)
_durations = st.integers(1, 10**8).map(lambda milliseconds: milliseconds / 1000)
_sizes = st.integers(0, 2**62) | st.integers(1, 2**20).map(lambda number: number * 2**20)
_patterns = st.lists(_titles, unique=True, max_size=3).map(tuple)
_ranges = st.sampled_from(["", ">=6.1,<6.13", "==5.10", "6.13-rc3"])


def _artifacts() -> st.SearchStrategy[Artifact]:
    return st.builds(
        Artifact,
        source=_titles,
        type=st.sampled_from(ArtifactType),
        target=_targets,
        mode=st.integers(0, 0o700).map(lambda mode: mode & 0o700),
        owner=st.sampled_from(["", "root", "root:root", ":lab"]),
        sensitive=st.booleans(),
        allow_setuid=st.booleans(),
        layout=st.sampled_from(Layout),
        depends_on=_patterns,
    )


def _dependencies() -> st.SearchStrategy[Dependency]:
    package_names = st.dictionaries(st.sampled_from(["apk", "apt", "dnf"]), _packages, max_size=2)
    files = st.lists(_titles, max_size=2).map(tuple)
    packages = st.builds(
        Dependency, name=_packages, version=_ranges, names=package_names, files=files, required=st.booleans()
    )
    python = st.builds(
        Dependency,
        pip=_pieces("abcz09").map(lambda text: f"p{text}x"),
        version=_ranges,
        files=files,
        required=st.booleans(),
    )
    return packages | python | st.builds(Dependency, tool=_packages, version=_ranges, required=st.booleans())


def kernel_params() -> st.SearchStrategy[tuple[str, ...]]:
    """Parameters that a plan may set, each once."""
    names = st.text("abcXYZ019_.-", min_size=1, max_size=8).filter(lambda name: name[0].isalnum())
    values = st.text("abc019,:/=!'#$\\;&<>*", max_size=8) | st.text("ab =,'", max_size=6).map('"{}"'.format)
    written = st.builds("{}={}".format, names, values) | names
    fitting = written.filter(lambda each: not locks_out(each))
    return st.lists(fitting, unique_by=name_of, max_size=4).map(tuple)


_validations = st.builds(
    Validation,
    kernel=_ranges,
    arch=st.lists(st.sampled_from(["x86_64", "aarch64"]), unique=True).map(tuple),
    kernel_config=st.lists(st.sampled_from(["CONFIG_A=y", "B!=n", "CONFIG_C>=0x10"]), unique=True).map(tuple),
    network=st.lists(st.sampled_from(["dns:a.b", "icmp:workstation", "tcp://[::1]:22"]), unique=True).map(tuple),
    memory=st.none() | _sizes,
    disk=st.dictionaries(_targets | st.just("~"), _sizes, max_size=2),
    load=st.none() | st.floats(0.001, 1e6),
    tools=st.lists(_packages, max_size=2).map(tuple),
    clock_skew=st.none() | _durations,
    temperature=st.none() | st.integers(-40, 125).map(float),
)
_policies = st.builds(
    Policy,
    priority=st.integers(-100, 100),
    max_parallel=st.integers(1, 99),
    retries=st.integers(0, 10),
    backoff=st.builds(Backoff, _durations, st.floats(1, 1e6), _durations, st.floats(0, 1)),
    stage_timeout=_durations,
    rollback=st.sampled_from(Rollback),
    keep_versions=st.integers(0, 100),
    splats=st.sampled_from(OnSplat),
)
plan_drafts = st.builds(
    PlanDraft,
    name=_titles,
    environments=st.lists(_titles, unique=True, min_size=1, max_size=3).map(tuple),
    artifacts=st.lists(_artifacts(), max_size=3).map(tuple),
    dependencies=st.lists(_dependencies(), unique_by=lambda each: each.label, max_size=3).map(tuple),
    instrumentation=st.builds(
        Instrumentation,
        st.dictionaries(st.sampled_from(["kasan", "kcsan", "perf", "ftrace"]), st.sampled_from(Want)),
        st.booleans(),
        st.booleans(),
        kernel_params(),
    ),
    validation=_validations,
    policy=_policies,
)
"""Drafts that a plan file can hold without a mistake of its own."""
