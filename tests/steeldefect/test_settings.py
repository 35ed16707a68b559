"""The settings of a scoring run: their sources, and messages that list every problem."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError
from support.samples import ROOT

from steeldefect.errors import SettingsError
from steeldefect.runtimes import DeviceChoice, Precision, RuntimeChoice
from steeldefect.settings import ScoreSettings, apply_overrides, load_settings, read_yaml
from steeldefect.stores import S3Settings


def test_without_sources_the_defaults_hold() -> None:
    assert load_settings(None, []) == ScoreSettings()


def test_the_commented_example_states_the_defaults() -> None:
    example = ROOT / "conf/score.yaml"
    assert load_settings(example, []) == ScoreSettings()
    stated = yaml.safe_load(example.read_text(encoding="utf-8"))
    assert set(stated) == set(ScoreSettings.model_fields)
    assert set(stated["s3"]) == set(S3Settings.model_fields)


def test_later_sources_win(tmp_path: Path) -> None:
    config = tmp_path / "score.yaml"
    config.write_text("batch_size: 8\nwave_pictures: 10\ns3:\n  region: eu-west-1\n")
    loaded = load_settings(
        config, ["batch_size=16", "s3.endpoint_url=http://store:9000", "batch_size=32"]
    )
    assert loaded.batch_size == 32
    assert loaded.wave_pictures == 10
    assert loaded.s3.region == "eu-west-1"
    assert loaded.s3.endpoint_url == "http://store:9000"


@pytest.mark.parametrize(
    ("override", "name", "value"),
    [
        ("include=['*.JPG', '*.tif']", "include", ("*.JPG", "*.tif")),
        ("max_failure_share=0", "max_failure_share", 0.0),
        ("max_failure_share=1", "max_failure_share", 1.0),
        ("retry_quarantined=true", "retry_quarantined", True),
        ("any_picture_size=yes", "any_picture_size", True),
        ("device=cpu", "device", DeviceChoice.CPU),
        ("runtime=tensorflow", "runtime", RuntimeChoice.TENSORFLOW),
        ("precision=bf16", "precision", Precision.BF16),
        ("precision=int8", "precision", Precision.INT8),
        ("precision=auto", "precision", Precision.AUTO),
        (" audit_masks =0", "audit_masks", 0),
        ("wave_pictures=auto", "wave_pictures", "auto"),
        ("wave_pictures=84000", "wave_pictures", 84_000),
        ("wave_pictures='500'", "wave_pictures", 500),
        ("lock_wait_seconds=1e3", "lock_wait_seconds", 1000.0),
    ],
)
def test_one_setting_by_text(override: str, name: str, value: object) -> None:
    assert getattr(load_settings(None, [override]), name) == value


@pytest.mark.parametrize(
    ("override", "problem"),
    [
        ("batch_size=0", "batch_size: Input should be greater than 0, received 0"),
        ("batch_size=four", "batch_size: Input should be a valid integer"),
        ("batch_size=1.5", "batch_size: Input should be a valid integer"),
        ("max_failure_share=1.5", "max_failure_share: Input should be less than or equal to 1"),
        ("max_failure_share=.nan", "max_failure_share: "),
        ("max_failure_share=-0.1", "max_failure_share: Input should be greater than or equal to 0"),
        ("fetch_threads=65", "fetch_threads: Input should be less than or equal to 64"),
        ("lock_wait_seconds=-1", "lock_wait_seconds: "),
        ("include=[]", "include: "),
        ("include=", "include: "),
        ("device=tpu", "device: Input should be 'auto', 'cpu' or 'gpu', received 'tpu'"),
        (
            "precision=f16",
            "precision: Input should be 'auto', 'f32', 'tf32', 'bf16' or 'int8', received",
        ),
        ("runtime=onnx", "runtime: Input should be 'auto', 'openvino' or 'tensorflow'"),
        ("wave_pictures=0", "wave_pictures: Input should be greater than 0, or auto, received 0"),
        ("wave_pictures=1000001", "wave_pictures: Input should be less than or equal to 1000000, "),
        ("wave_pictures=many", "wave_pictures: Input should be a valid integer, unable to parse"),
        ("wave_pictures=1.5", "wave_pictures: Input should be a valid integer, got a number with"),
        (
            "wave_pictures=",
            "wave_pictures: Input should be a valid integer, or auto, received None",
        ),
        ("batchsize=4", "batchsize: no such setting (did you mean batch_size?)"),
        ("wave_picture=4", "wave_picture: no such setting (did you mean wave_pictures?)"),
        ("colour=blue", "colour: no such setting (known: include, any_picture_size,"),
        ("s3.regoin=x", "s3.regoin: no such setting (did you mean s3.region?)"),
        ("s3.secret_key=x", "s3.secret_key: no such setting (known: endpoint_url, region,"),
        ("s3=none", "s3: "),
        ("s3.max_attempts=0", "s3.max_attempts: Input should be greater than or equal to 1"),
        ("batch_size.deep=1", "batch_size: "),
        ("batch_size", "--set 'batch_size': expected key=value"),
        ("=4", "--set '=4': expected key=value"),
        ("batch_size=[", "--set 'batch_size=[': the value is not YAML"),
    ],
)
def test_a_wrong_setting_is_refused_by_name(override: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, [override])
    assert problem in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_problems_are_reported_together() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, ["batch_size=0", "device=tpu", "nonsense=1", "s3.x=2", "odd", "a=["])
    message = str(caught.value)
    named = ("batch_size: ", "device: ", "nonsense: ", "s3.x: ", "--set 'odd': ", "--set 'a=[': ")
    assert all(name in message for name in named)


def test_a_secret_that_does_not_belong_here_is_not_repeated() -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(None, ["s3.secret_key=hush", "password=hush"])
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("overrides", "problem"),
    [
        (["device=gpu", "runtime=openvino"], "device gpu is served by runtime tensorflow"),
        (
            ["precision=bf16", "runtime=tensorflow", "device=cpu"],
            "bf16 is served by runtime openvino",
        ),
        (["precision=tf32", "device=cpu"], "tf32 is served by runtime tensorflow on device gpu"),
        (["precision=tf32", "runtime=openvino"], "tf32 is served by runtime tensorflow"),
        (["precision=int8", "runtime=tensorflow"], "int8 is served by runtime openvino"),
        (["precision=int8", "device=gpu"], "int8 is served by runtime openvino"),
    ],
)
def test_what_no_runtime_serves_is_refused(overrides: list[str], problem: str) -> None:
    with pytest.raises(SettingsError, match=problem):
        load_settings(None, overrides)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError):
        ScoreSettings().batch_size = 1  # type: ignore[misc]


@pytest.mark.parametrize("content", ["", "# nothing but a comment\n", "---\n"])
def test_an_empty_file_is_an_empty_mapping(tmp_path: Path, content: str) -> None:
    config = tmp_path / "empty.yaml"
    config.write_text(content)
    assert read_yaml(config) == {}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"- a\n- b\n", "expected `key: value` lines, got a list"),
        (b"just text", "expected `key: value` lines, got a str"),
        (b"a: [1, 2", "is not YAML"),
        (b"a: b: c", "is not YAML"),
        (b"\xff\xfe\x00", "is not YAML"),
        (b"a: !!python/object/apply:os.getcwd []", "is not YAML"),
    ],
)
def test_a_file_that_holds_no_settings_is_refused(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    config = tmp_path / "wrong.yaml"
    config.write_bytes(content)
    with pytest.raises(SettingsError) as caught:
        read_yaml(config)
    assert problem in str(caught.value)
    assert str(config) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"none\.yaml: No such file or directory"):
        read_yaml(tmp_path / "none.yaml")
    with pytest.raises(SettingsError, match="Is a directory"):
        read_yaml(tmp_path)


def test_dots_reach_into_sections_that_are_not_there_yet() -> None:
    values = {"a": 1, "b": {"c": 2}}
    assert apply_overrides(values, ["b.d=3", "x.y.z=[4]", "b.c="]) == []
    assert values == {"a": 1, "b": {"c": None, "d": 3}, "x": {"y": {"z": [4]}}}


def test_what_is_no_section_has_nothing_below_it() -> None:
    values = {"a": 1}
    assert apply_overrides(values, ["a.b=2", "c=3", "="]) == [
        "--set 'a.b=2': a is not a section",
        "--set '=': expected key=value",
    ]
    assert values == {"a": 1, "c": 3}
