"""Test promotion: published files, objections, and records."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from support.published import Answers, publishable

from steeldefect.bundle.fetch import fetch_bundle
from steeldefect.bundle.files import MANIFEST_NAME, SEAL_NAME, Bundle, describe_files, seal_bundle
from steeldefect.bundle.manifest import Gate, GateMode, Score
from steeldefect.detection.selftest import SELFTEST_NAME
from steeldefect.errors import BundleError, PromotionError, SettingsError, StoreError
from steeldefect.stores import S3Settings
from steeldefect.stores.local import LocalStore
from training.__main__ import main
from training.registry.comparison import Comparison, Figure, Named
from training.registry.promotion import (
    PromoteOptions,
    Promotion,
    judged_metrics,
    objections_to,
    own_objections,
    promote,
)
from training.registry.store import PromotionRecord, Registry

S3 = S3Settings()
Make = Callable[..., Bundle]

ANSWERS = Answers(0.75)
BETTER = Answers(0.85, seed=1)
WORSE = Answers(0.65, seed=2)


@pytest.fixture
def make(rule_bundle: Bundle, tmp_path: Path) -> Make:
    """Return a function that makes bundles by name with the given answers."""

    def publish(name: str, answers: Answers | None = ANSWERS, **changes: Any) -> Bundle:
        return publishable(rule_bundle, tmp_path / "bundles" / name, answers, **changes)

    return publish


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    return tmp_path / "registry"


def ask(bundle: Bundle | str, registry: Path, **more: Any) -> Promotion:
    named = bundle if isinstance(bundle, str) else str(bundle.folder)
    return promote(PromoteOptions(named, str(registry), **({"alias": "production"} | more)), S3)


def files(folder: Path) -> set[str]:
    return {one.relative_to(folder).as_posix() for one in folder.rglob("*") if one.is_file()}


def stands(registry: Path, alias: str = "production") -> str:
    return fetch_bundle(f"{registry}/{alias}", S3).digest


def test_a_first_promotion_publishes_and_scoring_finds_it(make: Make, registry: Path) -> None:
    bundle = make("first")
    before = datetime.now(UTC).replace(microsecond=0)
    promotion = ask(bundle, registry, note="line 3 goes live")
    assert (promotion.number, promotion.new, promotion.comparison) == (1, True, None)
    names = (*bundle.manifest.files, MANIFEST_NAME, SEAL_NAME)
    home = f"bundles/{bundle.digest}"
    assert files(registry) == {
        *("registry.json", "production/000001.json"),
        *(f"{home}/{name}" for name in names),
    }
    for name in names:
        assert (registry / home / name).read_bytes() == (bundle.folder / name).read_bytes()
    fetched = fetch_bundle(f"{registry}/production", S3)
    assert fetched.digest == bundle.digest
    assert fetched.folder == registry / home

    record = json.loads((registry / "production/000001.json").read_text(encoding="utf-8"))
    assert record["digest"] == bundle.digest
    assert record["alias"] == "production"
    assert record["note"] == "line 3 goes live"
    assert before <= datetime.fromisoformat(record["promoted_at"]) <= datetime.now(UTC)
    assert record["promoted_by"]
    assert "@" not in record["promoted_by"]
    assert (record["replaced"], record["forced"], record["objections"]) == (None, False, [])


def test_the_alias_moves_to_what_scores_better(make: Make, registry: Path) -> None:
    first, second = make("first"), make("second", BETTER)
    ask(first, registry)
    promotion = ask(second, registry)
    assert promotion.number == 2
    assert stands(registry) == second.digest
    record = promotion.record
    assert (record.replaced, record.forced, record.pictures) == (first.digest, False, 80)
    figure = next(one for one in record.figures if one.name == "positives_dice")
    assert figure.interval is not None
    assert figure.interval[0] > 0
    assert (registry / "production/000001.json").exists()
    assert fetch_bundle(f"{registry}/bundles/{first.digest}", S3).digest == first.digest


def test_what_stands_already_is_not_promoted_again(make: Make, registry: Path) -> None:
    bundle = make("first")
    ask(bundle, registry)
    before = files(registry)
    again = ask(bundle, registry)
    assert (again.number, again.new, again.record.digest) == (1, False, bundle.digest)
    assert files(registry) == before


def test_aliases_stand_apart(make: Make, registry: Path) -> None:
    first, second = make("first"), make("second", WORSE)
    ask(first, registry)
    ask(second, registry, alias="line-7_trial")
    assert stands(registry) == first.digest
    assert stands(registry, "line-7_trial") == second.digest


def test_by_alias_and_by_digest_what_is_published_can_be_named(make: Make, registry: Path) -> None:
    first, second = make("first"), make("second", BETTER)
    ask(first, registry, alias="staging")
    assert ask(f"{registry}/staging", registry).record.digest == first.digest
    ask(second, registry)
    rollback = ask(first.digest[:10], registry, force=True, note="stripes on line 2")
    assert stands(registry) == first.digest
    assert (rollback.number, rollback.record.forced) == (3, True)
    assert rollback.record.replaced == second.digest
    with pytest.raises(BundleError, match="no bundle here has a digest that begins with 00000000"):
        ask("00000000", registry)


def test_a_beginning_of_two_digests_names_neither(make: Make, registry: Path) -> None:
    ask(make("first"), registry)
    keys = [f"bundles/{'ab' * 16}{digit * 32}/{MANIFEST_NAME}" for digit in "01"]
    for key in keys:
        (registry / key).parent.mkdir()
        (registry / key).touch()
    with pytest.raises(BundleError, match=r"more than one: abab.*begins with abababab"):
        ask("abababab", registry)


@pytest.mark.parametrize(
    ("worse", "metric"),
    [
        (WORSE, "positives_dice"),
        (replace(ANSWERS, missed=8), "gate_recall"),
        (replace(ANSWERS, quality=0.752, alarms=30), "mean_dice"),
    ],
)
def test_what_scores_worse_is_refused_with_the_interval(
    worse: Answers, metric: str, make: Make, registry: Path
) -> None:
    ask(make("first"), registry)
    before = files(registry)
    bundle = make("second", worse)
    reason = rf"{metric} 0\.\d+ -> 0\.\d+ \(-0\.\d+, 95% interval \[.*\]"
    with pytest.raises(PromotionError, match=f"{bundle.digest[:12]} is not.*{reason}.*--force"):
        ask(bundle, registry)
    assert files(registry) == before

    forced = ask(bundle, registry, force=True, note="the other one misses dark cracks")
    assert stands(registry) == bundle.digest
    assert forced.record.forced
    assert any(metric in objection for objection in forced.record.objections)


def test_force_without_need_is_not_noted_as_forced(make: Make, registry: Path) -> None:
    promotion = ask(make("first"), registry, force=True)
    assert (promotion.record.forced, promotion.record.objections) == (False, ())


def figure(
    name: str, difference: float | None, interval: tuple[float, float] | None = None
) -> Figure:
    second = None if difference is None else 0.8 + difference
    return Figure(name=name, first=0.8, second=second, difference=difference, interval=interval)


@pytest.mark.parametrize(
    ("found", "worse"),
    [
        (figure("mean_dice", 0.02, (-0.01, 0.05)), False),
        (figure("mean_dice", 0.0, (0.0, 0.0)), False),
        (figure("mean_dice", -0.004, (-0.02, 0.01)), False),  # may be chance, and little
        (figure("mean_dice", -0.004, (-0.006, -0.002)), True),  # little, but not chance
        (figure("mean_dice", -0.006, (-0.03, 0.02)), True),  # may be chance, but much
        (figure("mean_dice", -0.006), True),
        (figure("mean_dice", -0.004), False),
        (figure("mean_dice", None), True),  # the new one cannot be measured
        (figure("iou", -0.5, (-0.6, -0.4)), False),  # is not judged
    ],
)
def test_when_a_difference_counts_as_worse(found: Figure, worse: bool) -> None:
    name = Named(address="a", digest="b" * 64, recipe="c")
    comparison = Comparison(
        first=name, second=name, pictures=1, groups=1, unoutlined=0, figures=[found]
    )
    assert bool(objections_to(comparison, ("positives_dice", "mean_dice"))) is worse


def test_two_gates_that_stop_pictures_are_judged_by_their_recall_others_by_the_verdicts(
    rule_bundle: Bundle,
) -> None:
    hard = rule_bundle.manifest
    assert isinstance(hard.gate, Gate)
    none = hard.model_copy(update={"gate": None})
    soft = hard.model_copy(update={"gate": hard.gate.model_copy(update={"mode": GateMode.SOFT})})
    chosen = {
        (one, two): judged_metrics(first, second)[-1]
        for one, first in {"hard": hard, "soft": soft, "none": none}.items()
        for two, second in {"hard": hard, "soft": soft, "none": none}.items()
    }
    assert [pair for pair, metric in chosen.items() if metric == "gate_recall"] == [
        ("hard", "hard")
    ]
    assert set(chosen.values()) == {"gate_recall", "verdict_recall"}


@pytest.mark.parametrize(
    ("answers", "training", "reason"),
    [
        (replace(BETTER, first=2), {}, "held out on different pictures"),
        (BETTER, {"data_fingerprint": "other strips"}, "trained on different data"),
    ],
)
def test_what_cannot_be_compared_is_refused_unless_forced(
    answers: Answers, training: dict[str, str], reason: str, make: Make, registry: Path
) -> None:
    ask(make("first"), registry)
    bundle = make("second", answers, training=training)
    with pytest.raises(PromotionError, match=f"cannot be compared.*{reason}.*same split file"):
        ask(bundle, registry)
    forced = ask(bundle, registry, force=True)
    assert forced.record.forced
    assert (forced.record.pictures, forced.record.figures) == (None, ())


def test_a_damaged_bundle_that_stands_can_be_replaced_by_force(make: Make, registry: Path) -> None:
    first, second = make("first"), make("second", BETTER)
    ask(first, registry)
    (registry / "bundles" / first.digest / MANIFEST_NAME).write_bytes(b"{}")
    with pytest.raises(PromotionError, match=r"cannot be compared with what stands: .*altered"):
        ask(second, registry)
    ask(second, registry, force=True)
    assert stands(registry) == second.digest


def score(name: str, value: float | None) -> Score:
    return Score(scope="overall", name=name, value=value, support=10)


@pytest.mark.parametrize(
    ("scores", "reason"),
    [
        ([], "no scores on held-out pictures with defects"),
        ([("mean_dice", 0.9), ("all_empty_dice", 0.9), ("positives_dice", None)], "no scores"),
        ([("mean_dice", 0.9), ("all_empty_dice", 0.9), ("positives_dice", 0.0)], "no held-out"),
        (
            [("mean_dice", 0.8), ("all_empty_dice", 0.9), ("positives_dice", 0.3)],
            "0.9000 of an",
        ),
        ([("mean_dice", 0.9), ("all_empty_dice", 0.9), ("positives_dice", 0.3)], None),
    ],
)
def test_a_bundle_has_to_beat_an_answer_of_nothing(
    scores: list[tuple[str, float | None]], reason: str | None, make: Make, registry: Path
) -> None:
    measured = [score(name, value) for name, value in scores]
    bundle = make("first", held_out_scores=measured)
    objections = own_objections(bundle.manifest)
    if reason is None:
        assert objections == []
        return
    assert reason in objections[0]
    with pytest.raises(PromotionError, match=reason):
        ask(bundle, registry)
    assert not registry.exists()
    assert ask(bundle, registry, force=True).record.objections == tuple(objections)


def without_selftest(bundle: Bundle) -> Path:
    """Remove the self-test from a bundle, and seal the bundle again."""
    (bundle.folder / SELFTEST_NAME).unlink()
    left = bundle.manifest.model_copy(update={"files": describe_files(bundle.folder)})
    seal_bundle(bundle.folder, left)
    return bundle.folder


def test_without_a_self_test_it_takes_force(make: Make, registry: Path) -> None:
    folder = str(without_selftest(make("first")))
    with pytest.raises(PromotionError, match="carries no self-test; export it again"):
        ask(folder, registry)
    assert ask(folder, registry, force=True).record.forced


def test_a_bundle_that_fails_its_self_test_is_refused_whatever_is_forced(
    make: Make, registry: Path
) -> None:
    bundle = make("first")
    file = bundle.folder / SELFTEST_NAME
    content = json.loads(file.read_text(encoding="utf-8"))
    answers = content["answers"]["segmenter"]
    content["answers"]["segmenter"] = [[value + 0.5 for value in one] for one in answers]
    file.write_text(json.dumps(content), encoding="utf-8")
    left = bundle.manifest.model_copy(update={"files": describe_files(bundle.folder)})
    seal_bundle(bundle.folder, left)
    with pytest.raises(BundleError, match="self-test"):
        ask(str(bundle.folder), registry, force=True)
    assert not registry.exists()


def test_an_altered_bundle_is_refused_whatever_is_forced(make: Make, registry: Path) -> None:
    bundle = make("first")
    (bundle.folder / "keras/gate.keras").write_bytes(b"other weights")
    with pytest.raises(BundleError, match="does not match its sha256"):
        ask(str(bundle.folder), registry, force=True)
    assert not registry.exists()


@pytest.mark.parametrize("alias", ["bundles", "", "a b", "../x", "a/b", "registry.json", "-x", "ä"])
def test_what_cannot_name_an_alias_is_refused(alias: str, make: Make, registry: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be an alias"):
        ask(make("first"), registry, alias=alias)
    assert not registry.exists()


def test_a_half_upload_is_no_bundle_and_is_completed(
    make: Make, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = make("first")
    write, written = LocalStore.write, []

    def dies_at_the_manifest(store: LocalStore, key: str, data: bytes) -> None:
        if key.endswith(MANIFEST_NAME):
            raise StoreError("the line went dead")
        written.append(key)
        write(store, key, data)

    with monkeypatch.context() as dying:
        dying.setattr(LocalStore, "write", dies_at_the_manifest)
        with pytest.raises(StoreError, match="went dead"):
            ask(bundle, registry)
    assert written[-1].endswith(SEAL_NAME)
    with pytest.raises(BundleError, match="no bundle at"):
        fetch_bundle(f"{registry}/bundles/{bundle.digest}", S3)
    with pytest.raises(BundleError, match="no bundle at"):
        stands(registry)
    again: list[str] = []

    def note(store: LocalStore, key: str, data: bytes) -> None:
        again.append(key)
        write(store, key, data)

    monkeypatch.setattr(LocalStore, "write", note)
    ask(bundle, registry)
    assert stands(registry) == bundle.digest
    assert again == [f"bundles/{bundle.digest}/{MANIFEST_NAME}"], "the rest was there"


def test_a_damaged_file_is_made_whole_by_the_next_promotion(make: Make, registry: Path) -> None:
    bundle = make("first")
    ask(bundle, registry)
    file = registry / "bundles" / bundle.digest / "openvino/gate.bin"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(BundleError):
        stands(registry)
    ask(bundle, registry, alias="staging")
    assert file.read_bytes() == whole
    assert stands(registry) == bundle.digest


def test_a_store_that_ignores_conditions_is_refused(
    make: Make, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LocalStore, "write_new", LocalStore.write)
    with pytest.raises(StoreError, match="ignores conditional writes"):
        ask(make("first"), registry)
    assert files(registry) == {"registry.json"}


def test_promotions_at_once_are_all_recorded_each_judged_against_the_last(
    make: Make, registry: Path
) -> None:
    base = make("base")
    ask(base, registry)
    bundles = [make(f"b{number}", replace(BETTER, seed=number)) for number in range(4)]
    ready = threading.Barrier(len(bundles))
    promotions: list[Promotion] = []

    def run(bundle: Bundle) -> None:
        ready.wait()
        promotions.append(ask(bundle, registry, force=True))

    threads = [threading.Thread(target=run, args=(bundle,)) for bundle in bundles]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(one.number for one in promotions) == [2, 3, 4, 5]
    ordered = sorted(promotions, key=lambda one: one.number)
    before = [base.digest, *(one.record.digest for one in ordered)]
    assert [one.record.replaced for one in ordered] == before[:-1]
    assert stands(registry) == before[-1]
    written = [path.name for path in sorted((registry / "production").iterdir())]
    assert written == [f"00000{number}.json" for number in range(1, 6)]


def test_one_that_comes_second_is_judged_against_the_first(
    make: Make, registry: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bundle was better than the first standing bundle, but is worse than the present one."""
    ask(make("base", WORSE), registry)
    middle, best = make("middle"), make("best", BETTER)
    add = Registry.add_record

    def overtaken(self: Registry, number: int, record: PromotionRecord) -> None:
        monkeypatch.setattr(Registry, "add_record", add)
        ask(best, registry)
        add(self, number, record)

    monkeypatch.setattr(Registry, "add_record", overtaken)
    with pytest.raises(PromotionError, match=f"worse than {best.digest[:12]}"):
        ask(middle, registry)
    assert stands(registry) == best.digest


def test_the_command(make: Make, registry: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first, worse = make("first"), make("worse", WORSE)
    arguments = ["--registry", str(registry), "--as", "production"]
    assert main(["promote", str(first.folder), *arguments, "--note", "hello"]) == 0
    assert f"production: nothing -> {first.digest[:12]} (record 1)" in capsys.readouterr().out
    assert main(["promote", str(first.folder), *arguments]) == 0
    assert "stands for" in capsys.readouterr().out
    assert main(["promote", str(worse.folder), *arguments]) == PromotionError.exit_code == 14
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"error: bundle {worse.digest[:12]} is not promoted as production")
    assert shown.err.count("\n") == 1
    assert main(["promote", str(worse.folder), *arguments, "--force"]) == 0
    shown = capsys.readouterr()
    assert "forced, although it scores worse" in shown.out
    assert f"production: {first.digest[:12]} -> {worse.digest[:12]} (record 2)" in shown.out
    assert "B - A" in shown.out


def test_an_address_with_credentials_is_refused(
    make: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(make("first").folder)
    arguments = ["--registry", "s3://key:secret@plant/models", "--as", "production"]
    assert main(["promote", bundle, *arguments]) == SettingsError.exit_code
    assert "secret" not in capsys.readouterr().err
