"""Score inside your own Spark pipeline: a column of bytes in, a column of findings out.

    python examples/score_in_your_spark_pipeline.py [PICTURES] [--bundle BUNDLE]

Without arguments it uses the pictures and the bundle of `make demo`, under demo/. In a notebook
with an open session, `getOrCreate` returns that session.
"""

import argparse
from collections.abc import Sequence

from pyspark.sql import SparkSession
from pyspark.sql import functions as f

import steeldefect


def main(arguments: Sequence[str] | None = None) -> None:
    """Print how many pictures have each verdict, and the area of each class."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("pictures", nargs="?", default="demo/archive/images", help="a folder")
    parser.add_argument("--bundle", default="demo/bundle", help="folder, s3:// prefix or alias")
    options = parser.parse_args(arguments)

    spark = SparkSession.builder.appName("my pipeline").getOrCreate()
    # Spark before 4.3 may pass 10,000 pictures to Python at a time, all in memory at once
    spark.conf.set("spark.sql.execution.arrow.maxRecordsPerBatch", 64)
    pictures = spark.read.format("binaryFile").load(options.pictures)

    found = steeldefect.detect(pictures, options.bundle).select("path", "detected.*").cache()

    found.groupBy("verdict").count().orderBy("verdict").show()
    findings = found.select("path", f.explode("findings").alias("finding"))
    by_class = findings.groupBy("finding.class_name")
    by_class.agg(f.count("*").alias("pictures"), f.avg("finding.area").alias("area")).show()


if __name__ == "__main__":
    main()
