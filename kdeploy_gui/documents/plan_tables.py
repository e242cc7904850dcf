"""plan.toml as it is written: its tables and their keys."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field

from kdeploy_gui.documents.field_types import (
    Celsius,
    DiskLimits,
    KernelConfig,
    Machine,
    Mode,
    Network,
    Owner,
    Package,
    PlanName,
    PythonPackage,
    Range,
    Seconds,
    Size,
    Source,
    Target,
    Text,
    Tool,
    not_yet,
    one_of,
    shown,
)
from kdeploy_gui.documents.tables import Table
from kdeploy_gui.model.kernel_params import is_parameter, locks_out, name_of
from kdeploy_gui.model.plan import ArtifactType, Layout, OnSplat, Rollback, Want


def kernel_param(value: str) -> str:
    """A parameter of the kernel's command line that a plan may set, kept as written."""
    if not is_parameter(value):
        wanted = 'one kernel parameter such as "panic_on_warn=0", in ASCII and with spaces in double quotes only'
        raise ValueError(f"must be {wanted}, not {shown(value)}")
    if why := locks_out(value):
        advice = "write it as `cmdline` of a kernel in the lab file"
        raise ValueError(f"must not set {name_of(value)}, because {why}: {advice}")
    return value


KernelParam = Annotated[str, AfterValidator(kernel_param)]
WantField = Annotated[Want, BeforeValidator(one_of(Want))]


class BackoffTable(Table):
    """`policy.backoff`."""

    initial: Seconds = 1.0
    factor: float = Field(default=4.0, ge=1)
    max: Seconds = 30.0
    jitter: float = Field(default=0.2, ge=0, le=1)


class PolicyTable(Table):
    """`[policy]`."""

    priority: int = Field(default=0, ge=-100, le=100)
    max_parallel: int = Field(default=16, ge=1)
    retries: int = Field(default=3, ge=0, le=10)
    backoff: BackoffTable = BackoffTable()
    stage_timeout: Seconds = 600.0
    rollback: Annotated[Rollback, BeforeValidator(one_of(Rollback))] = Rollback.FAILED
    keep_versions: int = Field(default=2, ge=0, le=100)
    splats: Annotated[OnSplat, BeforeValidator(one_of(OnSplat))] = OnSplat.FAIL


class ArtifactTable(Table):
    """`[[artifacts]]`."""

    mandatory: ClassVar[tuple[str, ...]] = ("source", "target")

    source: Source = ""
    type: Annotated[ArtifactType, BeforeValidator(one_of(ArtifactType))] | None = None
    target: Target = ""
    mode: Mode | None = None
    owner: Owner = ""
    sensitive: bool = False
    allow_setuid: bool = False
    expand: Annotated[bool, AfterValidator(not_yet("unpack archives"))] = False
    layout: Annotated[Layout, BeforeValidator(one_of(Layout))] = Layout.FILES
    depends_on: list[Text] = Field(default_factory=list)


class DependencyTable(Table):
    """`[[dependencies]]`."""

    name: Package = ""
    tool: Tool = ""
    pip: PythonPackage = ""
    version: Range = ""
    names: dict[str, Package] = Field(default_factory=dict)
    files: list[Text] = Field(default_factory=list)
    required: bool = True


class InstrumentationTable(Table, extra="allow"):
    """`[instrumentation]`; its other keys are instruments of the catalogue."""

    __pydantic_extra__: dict[str, WantField] = Field(init=False)

    kernel_params: list[KernelParam] = Field(default_factory=list)
    may_reboot: bool = False
    may_switch: bool = True


class ValidationTable(Table):
    """`[validation]`."""

    kernel: Range = ""
    arch: list[Machine] = Field(default_factory=list)
    kernel_config: list[KernelConfig] = Field(default_factory=list)
    memory: Size | None = None
    disk: DiskLimits = Field(default_factory=dict)
    load: float | None = Field(default=None, gt=0)
    network: list[Network] = Field(default_factory=list)
    tools: list[Tool] = Field(default_factory=list)
    clock_skew: Seconds | None = None
    temperature: Celsius | None = None


class PlanTable(Table):
    """The whole file."""

    mandatory: ClassVar[tuple[str, ...]] = ("name", "environments")

    name: PlanName = ""
    environments: list[Text] = Field(default_factory=list)
    policy: PolicyTable = PolicyTable()
    artifacts: list[ArtifactTable] = Field(default_factory=list)
    dependencies: list[DependencyTable] = Field(default_factory=list)
    instrumentation: InstrumentationTable = InstrumentationTable()
    validation: ValidationTable = ValidationTable()
