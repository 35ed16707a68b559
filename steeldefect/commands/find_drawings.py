"""Draw the findings of `steeldefect find`: one picture to a file, several into a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from steeldefect.analysis.drawings import Strip, earlier_drawings, free_path, save_drawing, sheet_of
from steeldefect.api.picture_reader import PictureReader
from steeldefect.api.picture_result import PictureResult
from steeldefect.errors import SettingsError
from steeldefect.pictures import run_lengths
from steeldefect.program.new_files import Existing
from steeldefect.settings import ScoreSettings

_FILE = ".png"


@contextmanager
def drawings_of(
    out: Path | None, count: int, existing: Existing, settings: ScoreSettings
) -> Iterator[Callable[[PictureResult], None]]:
    """Yield a function that reads the picture of a result again and draws the result.

    Args:
        out: file for one picture, if its name ends with `.png`; else folder, in which earlier
            drawings are replaced; None to draw nothing.
        count: number of pictures.
        existing: whether an existing file is replaced or kept.
        settings: settings for reading pictures.

    Raises:
        SettingsError: `out` is a file, and there are several pictures.
        AlreadyExistsError: the folder holds something that is not a drawing.
    """
    if out is None:
        yield lambda _: None
        return
    as_file = out.suffix.lower() == _FILE
    if as_file and count > 1:
        raise SettingsError(f"--draw {out}: {count} pictures need a folder; name one without .png")
    earlier = [] if as_file else earlier_drawings(out)
    reader, drawn = PictureReader(settings), list[Path]()

    def draw(result: PictureResult) -> None:
        if result.name is None or result.error is not None:
            return
        path = out if as_file else free_path(out, result.name, drawn)
        sheet = sheet_of(reader.read(result.name), [_strip(result)])
        save_drawing(sheet, path, existing if as_file else Existing.REPLACE)
        drawn.append(path)

    yield draw
    for path in earlier:
        if path not in drawn:
            path.unlink(missing_ok=True)


def _strip(result: PictureResult) -> Strip:
    gate = "" if result.gate_probability is None else f", gate {result.gate_probability:.3f}"
    nothing = "" if result.findings else " nothing"
    return Strip(
        f"{Path(str(result.name)).name}: found{nothing} ({result.verdict}{gate})",
        {one.class_id: run_lengths.parse(one.run_lengths) for one in result.findings},
        {one.class_id: one.class_name for one in result.findings},
    )
