"""Query the tables from pandas, Polars and DuckDB.

    python examples/ask_the_tables.py [OUTPUT]

Without an argument it uses the tables that `make demo` writes under demo/. Polars is an extra:
pip install "steeldefect[polars]".
"""

import argparse
from collections.abc import Sequence

import polars as pl

import steeldefect


def main(arguments: Sequence[str] | None = None) -> None:
    """Print one result of each of the three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("output", nargs="?", default="demo/output", help="the tables")
    options = parser.parse_args(arguments)

    with steeldefect.open_tables(options.output) as tables:
        leading = tables.leading_runs.pandas()["run_id"].tolist()  # without those of shadows
        images = tables.newest_images.pandas()
        images = images[images["run_id"].isin(leading)]
        print("pandas: pictures by verdict")
        print(images["verdict"].value_counts().to_string())

        found = tables.newest_predictions.polars().filter(pl.col("run_id").is_in(leading))
        print("\nPolars: the area of each class, in pixels")
        print(found.group_by("class_name").agg(pl.len(), pl.col("area").mean()).sort("class_name"))

        print("\nDuckDB: the three pictures with the most defective area")
        largest = """
            select key, sum(area) as pixels, list(class_name order by class_id) as classes
            from newest_predictions where run_id in (select run_id from leading_runs)
            group by key order by pixels desc, key limit 3
        """
        print(tables.sql(largest))


if __name__ == "__main__":
    main()
