"""Score with `pyspark.ml.functions.predict_batch_udf` and the Keras models, as Spark documents it.

Two Spark jobs, one per model. Pandas UDFs read the pictures and make the masks; inputs and class
maps are columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pyspark.ml.functions import predict_batch_udf
from pyspark.sql import DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import ArrayType, DataType, FloatType

from benchmarks.scoring.contenders import fused
from benchmarks.scoring.contenders.spark import on_spark, open_spark
from benchmarks.scoring.contenders.task import (
    BATCH,
    Answer,
    answered,
    read_task,
    write_answers,
)
from benchmarks.scoring.material import LIMITS
from steeldefect.bundle.files import Bundle, ModelForm, ModelName, input_spec, open_bundle
from steeldefect.detection.detector import Detector
from steeldefect.detection.gating import reaches_threshold
from steeldefect.detection.novelty import GateAnswer
from steeldefect.pictures.decoding import decode_gray
from steeldefect.pictures.preprocessing import prepare


def main() -> None:
    """Score all pictures of the task, and write the answers."""
    task = read_task()
    bundle = open_bundle(task.bundle)
    session = open_spark(task)
    probabilities = _gated(bundle, on_spark(session, task.paths, task.cores))
    passing = [path for path, answer in probabilities.items() if answer.passed]
    stopped = [answer for answer in probabilities.values() if not answer.passed]
    segmented = _segmented(bundle, on_spark(session, passing, task.cores))
    write_answers(task, [*stopped, *segmented])
    session.stop()


def _gated(bundle: Bundle, paths: DataFrame) -> dict[str, Answer]:
    """Run the gate on all pictures."""
    gate = bundle.manifest.gate
    if gate is None:
        raise ValueError("this bundle has no gate")

    @f.pandas_udf("string")  # type: ignore[call-overload]
    def decide(rows: Iterator[tuple[pd.Series, pd.Series]]) -> Iterator[pd.Series]:
        for names, given in rows:
            passes = reaches_threshold(gate, given.to_numpy())
            answers = map(answered, names, passes.tolist())
            yield pd.Series([fused.to_text(one) for one in answers])

    asked = _asked(bundle, ModelName.GATE, paths, FloatType())
    found = asked.select("path", decide("path", "answer").alias("answer")).collect()
    return {row.path: fused.from_text(row.answer) for row in found}


def _segmented(bundle: Bundle, paths: DataFrame) -> list[Answer]:
    """Run the segmenter on the pictures that passed."""
    spec = input_spec(bundle.manifest, ModelName.SEGMENTER)
    shape = (spec.height, spec.width, len(bundle.manifest.classes))

    @f.pandas_udf("string")  # type: ignore[call-overload]
    def outline(rows: Iterator[tuple[pd.Series, ...]]) -> Iterator[pd.Series]:
        detector = Detector(bundle.manifest, None, None, any_size=True)  # type: ignore[arg-type]
        for columns in rows:
            answers = []
            for path, height, width, maps in zip(*columns, strict=True):
                given = np.asarray(maps, dtype=np.float32).reshape(shape)
                found = detector.outline(given, (height, width), GateAnswer(1.0))
                answers.append(fused.to_text(answered(path, True, found)))
            yield pd.Series(answers)

    asked = _asked(bundle, ModelName.SEGMENTER, paths, ArrayType(FloatType()))
    columns = ("path", "picture.height", "picture.width", "answer")
    found = asked.select(outline(*columns).alias("answer")).collect()
    return [fused.from_text(row.answer) for row in found]


def _asked(bundle: Bundle, model: ModelName, paths: DataFrame, returns: DataType) -> DataFrame:
    """Read pictures and run a model; columns: path, picture (values, height, width), answer."""
    spec = input_spec(bundle.manifest, model)
    path = bundle.model_path(model, ModelForm.KERAS)
    gate = bundle.shared_gate(ModelForm.KERAS)

    @f.pandas_udf("values array<float>, height int, width int")  # type: ignore[call-overload]
    def read(names: Iterator[pd.Series]) -> Iterator[pd.DataFrame]:
        for chunk in names:
            pictures = [decode_gray(Path(name).read_bytes(), LIMITS) for name in chunk]
            yield pd.DataFrame(
                {
                    "values": [prepare(one, spec).ravel() for one in pictures],
                    "height": [one.shape[0] for one in pictures],
                    "width": [one.shape[1] for one in pictures],
                }
            )

    def make() -> Callable[[Any], Any]:
        from steeldefect.runtimes.keras_files import load_model_of_pictures

        keras_model = load_model_of_pictures(path, gate)

        def predict(inputs: Any) -> Any:
            answers = np.asarray(keras_model.predict_on_batch(inputs))
            is_array = isinstance(returns, ArrayType)
            return answers.reshape(len(answers), -1) if is_array else answers.ravel()

        return predict

    ask = predict_batch_udf(
        make,
        return_type=returns,
        batch_size=BATCH,
        input_tensor_shapes=[[spec.height, spec.width, spec.channels]],
    )
    pictures = paths.withColumn("picture", read("path"))
    return pictures.withColumn("answer", ask("picture.values"))


if __name__ == "__main__":
    main()
