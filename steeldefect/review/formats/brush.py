"""Label Studio's run lengths of a brush: a stream of bits over the four channels of a picture.

The stream has the number of values (32 bits), the bits of a value less 1 (5), and four sizes less 1
(4 each). Then come runs: whether one value repeats (1), which size the length has (2), the length
less 1, and the value or values. Values go along the rows; each pixel has red, green, blue, alpha.

Source: `rle-pack` of thi.ng, which Label Studio uses, and `brush.py` of label-studio-converter.
That package is used in the tests only: it needs `nltk`, and refuses no damaged text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from steeldefect.errors import RunLengthError
from steeldefect.pictures.run_lengths import Mask
from steeldefect.review.formats.counts import to_counts

_VALUE_BITS = 8
_SIZES = (3, 4, 8, 16)  # bits of a length
_CHANNELS = 4
_OPAQUE = 255


def encode(mask: Mask) -> list[int]:
    """Write a mask as bytes of the stream.

    Args:
        mask: bool (height, width).
    """
    bits = [f"{mask.size * _CHANNELS:032b}{_VALUE_BITS - 1:05b}"]
    bits += [f"{size - 1:04b}" for size in _SIZES]
    for number, count in enumerate(to_counts(mask.ravel())):
        bits += _runs(count * _CHANNELS, _OPAQUE if number % 2 else 0)
    text = "".join(bits)
    text += "0" * (-len(text) % 8)
    return list(int(text, 2).to_bytes(len(text) // 8))


def decode(stream: Sequence[int], shape: tuple[int, int]) -> Mask:
    """Read a mask; a pixel belongs to it if it is not wholly transparent.

    Args:
        stream: bytes of the stream.
        shape: height and width of the picture.

    Returns:
        bool `shape`.

    Raises:
        RunLengthError: the stream is damaged, or of a picture of another size.
    """
    bits = _Bits(stream)
    total = shape[0] * shape[1] * _CHANNELS
    count = bits.read(32)
    if count != total:
        raise RunLengthError(f"has {count} values, expected {total}")
    if bits.read(5) + 1 != _VALUE_BITS:
        raise RunLengthError(f"the values do not have {_VALUE_BITS} bits")
    sizes = [bits.read(4) + 1 for _ in _SIZES]
    values = np.zeros(total, np.uint8)
    at = run = 0
    while at < total:
        repeats = bits.read(1)
        end = at + bits.read(sizes[bits.read(2)]) + 1
        if end > total:
            raise RunLengthError("ends outside the picture", run)
        width = 1 if repeats else end - at
        values[at:end] = [bits.read(_VALUE_BITS) for _ in range(width)]
        at, run = end, run + 1
    return values.reshape(*shape, _CHANNELS)[:, :, -1] > 0


class _Bits:
    """Read numbers from a stream of bits, highest bit first."""

    def __init__(self, stream: Sequence[int]) -> None:
        try:
            content = bytes(stream)
        except ValueError:
            raise RunLengthError("a number is not a byte, 0 to 255") from None
        self._text = f"{int.from_bytes(content):0{8 * len(content)}b}"
        self._at = 0

    def read(self, count: int) -> int:
        end = self._at + count
        if end > len(self._text):
            raise RunLengthError("the bytes end before the picture does")
        number = int(self._text[self._at : end], 2)
        self._at = end
        return number


def _runs(length: int, value: int) -> Iterator[str]:
    """Yield the bits of runs of one value; a run has 65,536 values at most."""
    while length > 0:
        part = min(length, 2 ** _SIZES[-1])
        size = next(number for number, bits in enumerate(_SIZES) if part <= 2**bits)
        yield f"1{size:02b}{part - 1:0{_SIZES[size]}b}{value:0{_VALUE_BITS}b}"
        length -= part
