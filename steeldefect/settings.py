"""The settings of a scoring run: one frozen model; all errors in settings are reported together.

There are three sources; a later one overrides an earlier one: the defaults below, a YAML file
(`--config`), and `--set key=value`, where dots reach into sections (`--set
s3.region=eu-central-1`). `conf/score.yaml` explains each setting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from steeldefect.bundle.signatures import read_public_key
from steeldefect.errors import SettingsError
from steeldefect.pictures.strip import PlaceSettings
from steeldefect.program.suggestions import nearest
from steeldefect.runtimes.choices import DeviceChoice, Precision, RuntimeChoice
from steeldefect.runtimes.engine import RuntimeOptions, check_combination
from steeldefect.secrets import names_secret, without_value
from steeldefect.stores import S3Settings
from steeldefect.watch_settings import WatchSettings

Model = TypeVar("Model", bound=BaseModel)

HIDDEN = (
    ".*",  # hidden on Unix: ._a.jpg of macOS, .snapshot, .Trash-1000
    "__MACOSX",
    *("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot"),  # network storage
    *("$RECYCLE.BIN", "System Volume Information", "Thumbs.db", "~snapshot"),  # Windows
    "lost+found",
)
"""Patterns for names of files and folders that hold no pictures; see `list_pictures`."""

_DEFAULT_PATTERNS = ("*.jpg", "*.jpeg", "*.png", "*.bmp", "*.tif", "*.tiff")


def _as_key(text: str) -> str:
    """Return a public key as text, so that settings hold the key and not the name of its file."""
    try:
        return read_public_key(text).text
    except SettingsError as error:  # pydantic collects ValueErrors only
        raise ValueError(str(error)) from None


_STATED_WAVE = TypeAdapter(Annotated[int, Field(gt=0, le=1_000_000)])


def _wave_pictures(given: Any) -> Any:
    """Check a stated number; pydantic alone would describe both forms as two problems."""
    if given == "auto":
        return given
    try:
        return _STATED_WAVE.validate_python(given)
    except ValidationError as error:
        raise ValueError(f"{error.errors()[0]['msg']}, or auto") from None


class EvaluationSettings(BaseModel):
    """How defects are compared with true ones; `steeldefect.evaluation.ratios`.

    Attributes:
        iou: smallest IoU at which a found and a true defect are matched.
        size_bounds: areas in pixels that part the size classes, ascending (by default those of
            COCO, 32 x 32 and 96 x 96 pixels).
        resamples: number of draws of the bootstrap; 0: no intervals.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    iou: float = Field(default=0.5, gt=0, le=1)
    size_bounds: tuple[Annotated[int, Field(gt=0)], ...] = Field((1024, 9216), max_length=20)
    resamples: int = Field(default=1000, ge=0, le=100_000)

    @model_validator(mode="after")
    def _ascending(self) -> EvaluationSettings:
        if list(self.size_bounds) != sorted(set(self.size_bounds)):
            raise ValueError(f"size_bounds: must ascend, received {list(self.size_bounds)}")
        return self


class ScoreSettings(BaseModel):
    """The settings of a scoring run. Thresholds are not among them: they belong to the bundle."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    include: tuple[str, ...] = Field(default=_DEFAULT_PATTERNS, min_length=1)
    any_picture_size: bool = False
    max_picture_bytes: int = Field(default=64 * 2**20, gt=0)
    max_picture_pixels: int = Field(default=50_000_000, gt=0)
    exclude: tuple[str, ...] = HIDDEN

    wave_pictures: Annotated[int | Literal["auto"], BeforeValidator(_wave_pictures)] = "auto"
    task_seconds: float = Field(default=20, gt=0, le=86_400)
    task_pictures: int = Field(default=128, gt=0, le=1_000_000)
    fetch_threads: int = Field(default=4, gt=0, le=64)
    fetch_seconds: float = Field(default=60, gt=0, le=86_400)

    runtime: RuntimeChoice = RuntimeChoice.AUTO
    device: DeviceChoice = DeviceChoice.AUTO
    precision: Precision = Precision.AUTO
    batch_size: int | None = Field(default=None, gt=0, le=4_096)
    gpu_memory_mib: int | None = Field(default=None, gt=0)

    strip: PlaceSettings = PlaceSettings()
    rejected_per_picture: int = Field(default=10, ge=0, le=10_000)
    mask_levels: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = Field(default=(), max_length=20)

    audit_share: float = Field(default=0.01, ge=0, le=1)

    evaluation: EvaluationSettings = EvaluationSettings()
    watch: WatchSettings = WatchSettings()

    max_failure_share: float = Field(default=0.05, ge=0, le=1)
    min_failures: int = Field(default=3, gt=0)
    max_store_failures: int = Field(default=8, gt=0)
    max_tries: int = Field(default=5, gt=0)
    retry_quarantined: bool = False
    audit_masks: int = Field(default=20, ge=0)
    lock_wait_seconds: float = Field(default=600, ge=0)

    trusted_keys: tuple[Annotated[str, AfterValidator(_as_key)], ...] = ()

    s3: S3Settings = S3Settings()

    @model_validator(mode="after")
    def _servable(self) -> ScoreSettings:
        try:
            check_combination(self.runtime, self.device, self.precision)
        except Exception as error:  # pydantic collects ValueErrors only
            raise ValueError(str(error)) from None
        if len(set(self.mask_levels)) < len(self.mask_levels):
            raise ValueError(f"mask_levels: a level occurs twice in {list(self.mask_levels)}")
        return self

    def runtime_options(self, threads: int = 1) -> RuntimeOptions:
        """Return the options for the runtimes.

        Args:
            threads: number of CPU threads of a model; 0 for all cores.
        """
        return RuntimeOptions(
            runtime=self.runtime,
            device=self.device,
            precision=self.precision,
            threads=threads,
            batch_size=self.batch_size,
            gpu_memory_mib=self.gpu_memory_mib,
        )


GivenSettings = ScoreSettings | Mapping[str, Any] | Path | str | None
"""The forms of settings that functions of the library accept; see `settings_from`."""


@dataclass(frozen=True)
class ScoreRequest:
    """The request for a scoring run.

    Attributes:
        input_uri: address of the pictures: a folder or s3://bucket/prefix.
        bundle_uri: address of the bundle, or of an alias in a registry.
        output_uri: address of the tables.
        settings: settings of the run.
        inventory_uri: address of a table of the input's keys (`steeldefect.plan.inventory`); None
            to list the input.
        shadow_uri: address of a second bundle that scores the same pictures beside the first, or of
            an alias; None for none.
        metrics_file: file for the metrics of the run (`publish.metrics_file`); None for none.
        lineage: whether OpenLineage events are sent (`publish.lineage`).
    """

    input_uri: str
    bundle_uri: str
    output_uri: str
    settings: ScoreSettings
    inventory_uri: str | None = None
    shadow_uri: str | None = None
    metrics_file: Path | None = None
    lineage: bool = False


def load_settings(config: Path | None, overrides: Sequence[str]) -> ScoreSettings:
    """Read the settings of a run.

    Args:
        config: path of a YAML file, or None.
        overrides: texts `key=value`; values are read as YAML.

    Raises:
        SettingsError: settings are wrong; the message lists every problem in one line.
    """
    values = {} if config is None else read_yaml(config)
    problems = apply_overrides(values, overrides)
    return validate(ScoreSettings, values, "settings", problems)


def settings_from(given: GivenSettings) -> ScoreSettings:
    """Return the settings that a caller of the library passes.

    Args:
        given: `ScoreSettings`; a mapping of names to values, where a section is a nested mapping;
            the path of a YAML file; or None for the defaults.

    Raises:
        SettingsError: settings are wrong; the message lists every problem in one line.
    """
    if isinstance(given, ScoreSettings):
        return given
    if given is None or isinstance(given, str | Path):
        return load_settings(None if given is None else Path(given), [])
    return validate(ScoreSettings, dict(given), "settings")


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; an empty file is an empty mapping.

    Raises:
        SettingsError: the file is missing, not YAML, or not a mapping.
    """
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SettingsError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} is not YAML: {_yaml_problem(error)}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{path}: expected `key: value` lines, got a {type(values).__name__}")
    return values


def apply_overrides(values: dict[str, Any], overrides: Sequence[str]) -> list[str]:
    """Write the values of texts `a.b=value` into the nested dictionary `values`.

    Returns:
        The problems of the texts: no `=`, a value that is not YAML, or a part of the key that is
        not a section.
    """
    return [problem for text in overrides if (problem := _override(values, text))]


def validate(
    model: type[Model], values: dict[str, Any], what: str, problems: Sequence[str] = ()
) -> Model:
    """Build a frozen model, or raise one error that lists all problems.

    Args:
        model: model to build.
        values: values of its fields, nested.
        what: name of the values in the message, such as "settings".
        problems: problems that were found earlier; the message lists them, too.

    Raises:
        SettingsError: values are wrong; the message has the place of each problem and the value
            that was received.
    """
    try:
        built = model.model_validate(values)
    except ValidationError as error:
        problems = [*problems, *(_describe(one, model) for one in error.errors())]
    if problems:
        raise SettingsError(f"wrong {what}: " + "; ".join(problems))
    return built


def _yaml_problem(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    """Return what is wrong and where, without the text of the line: it may hold a secret."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return "it has characters that are not UTF-8, or that YAML does not allow"
    mark = error.problem_mark
    return f"{error.problem} (line {mark.line + 1}, column {mark.column + 1})"


def _override(values: dict[str, Any], text: str) -> str | None:
    """Write the value of one text `a.b=value`, and return the problem, if there is one."""
    name, equals, value = text.partition("=")
    *sections, last = name.strip().split(".")
    if not equals or not last:
        return f"--set {text!r}: expected key=value"
    target = values
    for section in sections:
        target = target.setdefault(section, {})
        if not isinstance(target, dict):
            return f"--set {without_value(text)!r}: {section} is not a section"
    try:
        target[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        return f"--set {without_value(text)!r}: the value is not YAML"
    return None


def _describe(problem: Any, model: type[BaseModel]) -> str:  # pydantic's ErrorDetails
    place = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"{place}: no such setting{_known_instead(model, problem['loc'])}"
    if problem["type"] == "missing":
        return f"{place}: missing"
    message = problem["msg"].removeprefix("Value error, ")
    if not place:
        return str(message)
    # a whole section is too long to repeat, and some values may hold a secret
    whole = isinstance(problem["input"], dict) or problem["type"] == "model_type"
    hidden = whole or _may_hold_secret(problem["loc"])
    received = "" if hidden else f", received {problem['input']!r}"
    return f"{place}: {message}{received}"


def _known_instead(model: type[BaseModel], location: Sequence[int | str]) -> str:
    """Return the nearest known setting, or all settings of the section."""
    *section, name = map(str, location)
    known = _settings_of(model, section)
    found = nearest(name, known)
    if found is not None:
        return f" (did you mean {'.'.join([*section, found])}?)"
    return f" (known: {', '.join(known) or 'see conf/'})"


def _settings_of(model: type[BaseModel], section: Sequence[str]) -> list[str]:
    """Return the names of the settings in a section; none if the section is unknown."""
    for name in section:
        field = model.model_fields.get(name)
        if field is None or not isinstance(field.annotation, type):
            return []
        if not issubclass(field.annotation, BaseModel):
            return []
        model = field.annotation
    return list(model.model_fields)


def _may_hold_secret(location: tuple[int | str, ...]) -> bool:
    """Return whether the value at a place may hold a secret."""
    names = [str(part) for part in location]
    return "endpoint_url" in names or "trusted_keys" in names or any(map(names_secret, names))
