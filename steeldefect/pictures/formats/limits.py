"""Limits of decoding, and the errors that all formats share."""

from __future__ import annotations

from dataclasses import dataclass

from steeldefect.errors import DecodeError

_ALWAYS_ALLOWED = 2**20  # pixels; under a small limit, a small picture may still have padding


@dataclass(frozen=True)
class DecodeLimits:
    """Largest picture that is decoded, in pixels (height times width)."""

    max_pixels: int

    @property
    def padded_pixels(self) -> int:
        """Return the number of pixels that a decoder may compute for one picture, with padding.

        Formats that store blocks or tiles pad them beyond the picture's edges.
        """
        return 2 * max(self.max_pixels, _ALWAYS_ALLOWED)

    def check(self, width: int, height: int) -> None:
        """Check a picture's size before any of its pixels is decoded.

        Args:
            width: in pixels.
            height: in pixels.

        Raises:
            DecodeError: the picture has no pixel, or more than `max_pixels`.
        """
        if width <= 0 or height <= 0:
            raise damaged(f"the header says {width}x{height} pixels")
        if width * height > self.max_pixels:
            raise DecodeError(
                f"too large: {width}x{height} pixels, at most {self.max_pixels} are decoded"
            )


def damaged(problem: str) -> DecodeError:
    """Return the error of a file whose bytes contradict its format."""
    return DecodeError(f"corrupt or truncated: {problem}")


def other_kind(kind: str) -> DecodeError:
    """Return the error of a sound picture of a kind that is not decoded."""
    return DecodeError(f"not 8-bit gray or RGB: {kind}")


def several(count: int, what: str) -> DecodeError:
    """Return the error of a file that holds more than one picture.

    Args:
        count: pictures in the file.
        what: the format's word for its pictures, in plural: pages, frames, pictures.
    """
    return DecodeError(f"{count} {what} in one file: save each of them as a file of its own")


def too_costly(what: str, limit: str) -> DecodeError:
    """Return the error of a file that would take too much work.

    Args:
        what: what the file has too much of, with its number, such as "5000 TIFF tags".
        limit: largest number that is decoded.
    """
    return DecodeError(f"too costly to decode: {what}, at most {limit}")
