"""Find the defects of one picture: no Spark, no tables.

    python examples/score_one_picture.py [PICTURE] [--bundle BUNDLE]

Without arguments it uses a picture and the bundle of `make demo`, under demo/.
"""

import argparse
from collections.abc import Sequence

import steeldefect


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the findings of the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "picture", nargs="?", default="demo/archive/images/coil_001-camera_1-frame_0001.jpg"
    )
    parser.add_argument("--bundle", default="demo/bundle", help="folder, s3:// prefix or alias")
    options = parser.parse_args(arguments)

    detector = steeldefect.open_detector(options.bundle)
    result = detector.find(options.picture)

    print(f"{result.name}: {result.verdict}, {result.width} x {result.height} pixels")
    for finding in result.findings:
        mask = finding.mask()  # bool (height, width)
        rows = mask.any(axis=1).sum()
        print(f"  {finding.class_name}: {mask.sum()} pixels in {rows} rows, {finding.box}")


if __name__ == "__main__":
    main()
