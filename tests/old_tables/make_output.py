"""Makes the output and the bundle beside this file, with the code of an earlier commit.

    PYTHONPATH=OLD:OLD/tests python make_output.py OLD TARGET

OLD is a checkout of the commit that README.md names. TARGET does not exist yet: the tables go
to it, and the bundle that scored them goes to TARGET-bundle. /plant does not exist either: the
program fills it, so that the addresses in the tables are /plant/archive and /plant/train.csv
everywhere.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from samples import bright_picture, build_rule_bundle, fill_archive, save, score_arguments

from steeldefect import rle

PLANT = Path("/plant")


def main(checkout: Path, target: Path) -> None:
    """Score, evaluate, score again and die, and copy what is left."""
    PLANT.mkdir()
    bundle = build_rule_bundle(PLANT / "bundle").folder
    archive = fill_archive(PLANT / "archive", 6)
    (archive / "empty.png").write_bytes(b"")
    score = [*score_arguments(archive, bundle, PLANT / "tables"), "--set", "max_failure_share=1"]
    run(checkout, 0, "jobs/score.py", *score)

    square = rle.encode(bright_picture() == 250)
    labels = PLANT / "train.csv"
    labels.write_text(f"ImageId,ClassId,EncodedPixels\np001.png,1,{square}\np002.png,1,{square}\n")
    run(checkout, 0, "jobs/evaluate.py", "--output", str(PLANT / "tables"), "--labels", str(labels))

    for number in range(6, 10):
        save(bright_picture(number), archive / f"p{number:03d}.png")
    dying = ("tests/faults/dying_driver.py", "between tables", *score)
    run(checkout, -9, *dying, "--set", "wave_pictures=2")

    shutil.rmtree(PLANT / "tables" / "_lock")  # names this host
    shutil.copytree(PLANT / "tables", target)
    shutil.copytree(bundle, target.with_name(f"{target.name}-bundle"))
    shutil.rmtree(PLANT)


def run(checkout: Path, code: int, *command: str) -> None:
    """Run a program of the checkout; it has to end with that code."""
    done = subprocess.run([sys.executable, *command], cwd=checkout, check=False)
    if done.returncode != code:
        sys.exit(f"{command[0]} ended with {done.returncode} instead of {code}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]))
