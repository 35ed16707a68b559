"""Recipes: reading, overrides, and all problems in one message."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steeldefect.errors import SettingsError
from training.recipe import GateKind, Recipe, SizedInput, read_recipe

Write = Callable[[dict[str, Any]], Path]
RECIPES = Path(__file__).parents[2] / "conf" / "recipes"


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_that_is_shipped_is_sound(path: Path) -> None:
    assert read_recipe(path).name == path.stem


def test_the_tutorial_recipe_states_the_tutorials_figures() -> None:
    recipe = read_recipe(RECIPES / "tutorial.yaml")
    gate, segmenter = recipe.gate, recipe.segmenter
    assert (gate.input.height, gate.input.width, gate.input.channels) == (256, 256, 3)
    assert (gate.epochs, gate.batch_size, gate.patience, gate.dropout) == (40, 16, 20, 0.3)
    assert gate.threshold == 0.01
    assert (segmenter.input.height, segmenter.input.width, segmenter.input.channels) == (
        256,
        256,
        1,
    )
    assert (segmenter.optimizer.learning_rate, segmenter.optimizer.epsilon) == (0.05, 0.1)
    assert (segmenter.pixel_threshold, segmenter.min_area) == (0.5, 0)


def test_overrides_are_yaml_and_reach_into_sections(
    settings: dict[str, Any], write_recipe: Write
) -> None:
    recipe = read_recipe(
        write_recipe(settings),
        ["gate.kind=none", "segmenter.optimizer.learning_rate=1.0e-3", "gate.weights=null"],
    )
    assert recipe.gate.kind is GateKind.NONE
    assert recipe.segmenter.optimizer.learning_rate == 0.001
    assert recipe.gate.weights is None


def test_epochs_and_seed_have_short_forms(settings: dict[str, Any], write_recipe: Write) -> None:
    recipe = read_recipe(write_recipe(settings), epochs=7, seed=11)
    assert (recipe.gate.epochs, recipe.segmenter.epochs, recipe.seed) == (7, 7, 11)


def test_every_problem_is_in_one_message(settings: dict[str, Any], write_recipe: Write) -> None:
    settings["gate"]["kind"] = "resnet51"
    settings["segmenter"]["epochs"] = 0
    settings["colour"] = "blue"
    del settings["name"]
    with pytest.raises(SettingsError) as caught:
        read_recipe(write_recipe(settings), ["nonsense", "name.first=x", "gate.dropout=2"])
    message = str(caught.value)
    assert "\n" not in message
    for part in (
        "'nonsense'",
        "gate.kind",
        "'resnet51'",
        "segmenter.epochs",
        "colour: no such setting",
        "gate.dropout",
        "name",
    ):
        assert part in message


def test_split_leaves_something_to_train_on(settings: dict[str, Any], write_recipe: Write) -> None:
    settings["split"] = {"validation": 0.5, "test": 0.5}
    with pytest.raises(SettingsError, match="split: validation and test leave nothing"):
        read_recipe(write_recipe(settings))


@pytest.mark.parametrize(
    ("content", "message"),
    [("a: [1", "is not YAML"), ("just text", "expected `key: value` lines"), ("", "name: missing")],
)
def test_files_that_are_no_recipe(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SettingsError, match=message):
        read_recipe(path)


def test_a_missing_recipe_names_its_path(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"cannot read .*gone\.yaml"):
        read_recipe(tmp_path / "gone.yaml")


def test_a_recipe_survives_its_own_json(settings: dict[str, Any], write_recipe: Write) -> None:
    recipe = read_recipe(write_recipe(settings))
    assert Recipe.model_validate_json(recipe.model_dump_json()) == recipe


STRIP, PORTRAIT = [(256, 1600)] * 5, [(380, 300), (400, 280), (360, 310)]


@pytest.mark.parametrize(
    ("shapes", "pixels", "expected"),
    [
        (STRIP, 102_400, (128, 800)),
        (STRIP, 65_536, (96, 640)),
        (STRIP, 10**7, (256, 1600)),
        (PORTRAIT, 65_536, (288, 224)),
        ([(200, 200)], 65_536, (192, 192)),
        ([(20, 20)], 65_536, (32, 32)),
    ],
    ids=["strip", "fewer pixels", "never enlarged", "median proportions", "multiples", "tiny"],
)
def test_a_sized_input_keeps_the_pictures_proportions(
    shapes: list[tuple[int, int]], pixels: int, expected: tuple[int, int]
) -> None:
    stated = {"pixels": pixels, "channels": 1, "scaling": "standard"}
    spec = SizedInput.model_validate(stated).for_pictures(shapes)
    assert (spec.height, spec.width) == expected


def test_sizes_are_fixed_for_both_models_at_once() -> None:
    recipe = read_recipe(RECIPES / "strong.yaml")
    with pytest.raises(TypeError, match="not fixed yet"):
        _ = recipe.gate.spec
    fixed = recipe.for_pictures(STRIP)
    assert (fixed.gate.spec.width, fixed.segmenter.spec.width) == (640, 640)
    assert Recipe.model_validate(fixed.model_dump(mode="json")) == fixed


@pytest.mark.parametrize("recipe", ["strong", "strip", "large", "tutorial"])
def test_any_recipe_goes_without_a_gate(recipe: str) -> None:
    assert read_recipe(RECIPES / f"{recipe}.yaml", ["gate.kind=none"]).gate.kind is GateKind.NONE


def test_a_recipe_without_classes_has_no_teacher() -> None:
    taught = ["data.teacher.bundle=b7"]
    assert read_recipe(RECIPES / "strong.yaml", taught).data.teacher is not None
    with pytest.raises(SettingsError, match=r"data\.teacher needs a segmenter to teach"):
        read_recipe(RECIPES / "normal.yaml", taught)


def test_a_shared_gate_takes_the_segmenters_input() -> None:
    path = RECIPES / "strong.yaml"
    assert read_recipe(path).gate.kind is GateKind.SHARED
    with pytest.raises(SettingsError, match="shared needs the same input for gate and segmenter"):
        read_recipe(path, ["gate.input.pixels=32768"])
    apart = read_recipe(path, ["gate.input.pixels=32768", "gate.kind=places"])
    assert apart.gate.kind is GateKind.PLACES


def test_windows_are_no_larger_than_the_input(
    settings: dict[str, Any], write_recipe: Write
) -> None:
    settings["segmenter"]["augment"] = {"crop": {"height": 96, "width": 32}}
    crop = read_recipe(write_recipe(settings)).for_pictures(STRIP).segmenter.augment.crop
    assert crop is not None
    assert (crop.height, crop.width) == (32, 32)


@pytest.mark.parametrize(
    ("section", "change", "problem"),
    [
        ("segmenter", {"augment": {"quarter_turns": True}}, "as high as it is wide"),
        ("segmenter", {"weights": "imagenet"}, "for kind unet, not small"),
        ("segmenter", {"encoder_rate": 0.1}, "encoder_rate is for kind unet, not small"),
        ("gate", {"encoder_rate": 0.1}, "encoder_rate is for gates of kind encoder or places"),
        ("segmenter", {"weights": "segmenter"}, "cannot begin with its own"),
        (
            "gate",
            {"augment": {"paste": 0.5}},
            "paste is for the segmenter and gates of",
        ),
        ("gate", {"augment": {"crop": {"height": 32, "width": 32}}}, "crop is for the segmenter"),
        ("gate", {"weights": "segmenter"}, "kind small begins with random weights"),
        ("gate", {"kind": "encoder", "weights": "segmenter"}, "a unet of the gate's own encoder"),
        ("gate", {"kind": "shared"}, "kind shared has the segmenter's own encoder"),
        ("gate", {"kind": "shared", "weights": "segmenter"}, "freeze_base: true, or kind: places"),
        ("gate", {"optimizer": {"kind": "adam", "learning_rate": 1, "weight_decay": 1}}, "adamw"),
        ("segmenter", {"augment": {"crop": {"height": 33, "width": 64}}}, "multiple of 32"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    settings: dict[str, Any],
    write_recipe: Write,
    section: str,
    change: dict[str, Any],
    problem: str,
) -> None:
    settings[section] |= change
    with pytest.raises(SettingsError, match=problem):
        read_recipe(write_recipe(settings))
