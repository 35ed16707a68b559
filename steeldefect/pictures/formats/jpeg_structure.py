"""The segments of a JPEG stream: what is to be decoded, how much work it is, and where it ends.

Source: ITU-T T.81, annex B. Entropy-coded data is passed over by a search for the next marker,
because a decoder never shows how many scans it was made to run.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from steeldefect.errors import DecodeError
from steeldefect.pictures.formats.limits import DecodeLimits, damaged, other_kind, too_costly

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
APP0, APP2, APP14, APP15 = 0xE0, 0xE2, 0xEE, 0xEF

MAX_SEGMENTS = 10_000
SCANS_OF_THE_LARGEST = 16
"""Scans that a picture of the largest size may have; a smaller picture may have more.

Encoders write 6 scans (gray) or 10 (colour) by default, and seldom more than 12.
"""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame, by process
_METADATA = frozenset({*range(APP0, APP15 + 1), 0xFE})  # application segments and comments
_WITHOUT_LENGTH = frozenset({0x01, SOI, *range(0xD0, 0xD8)})
_MARKER = re.compile(rb"\xff+([^\x00\xff])")  # any number of fill bytes may stand before
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # no stuffed byte, no restart
_BLOCK = 16  # pixels; the usual side of what is coded together


class Segment(NamedTuple):
    """One marker with its parameters: `data[begin:end]`, parameters from `content` on."""

    marker: int
    begin: int
    content: int
    end: int


@dataclass(frozen=True)
class Frame:
    """What a start-of-frame segment says."""

    width: int
    height: int
    bits: int
    components: int


@dataclass(frozen=True)
class Structure:
    """A whole JPEG stream.

    Attributes:
        frame: of its first start of frame.
        segments: all of them in their order, without the entropy-coded data.
        end: offset behind its end-of-image marker.
    """

    frame: Frame
    segments: tuple[Segment, ...]
    end: int

    @property
    def work(self) -> int:
        """Return the pixels to be computed, padding included, summed over all scans."""
        scans = sum(segment.marker == SOS for segment in self.segments)
        return scans * _padded(self.frame.width) * _padded(self.frame.height)


def read_structure(data: bytes) -> Structure:
    """Read the segments from the start of image to the end of image.

    Args:
        data: begins with a JPEG stream; what follows its end is ignored.

    Raises:
        DecodeError: the stream is cut, has no frame or no scan, or has too many segments.
    """
    segments = tuple(segments_of(data))
    frame = next((one for one in segments if one.marker in _FRAMES), None)
    if frame is None:
        raise damaged("a JPEG without a start of frame")
    if all(one.marker != SOS for one in segments):
        raise damaged("a JPEG without a scan")
    return Structure(_read_frame(data, frame), segments, segments[-1].end)


def segments_of(data: bytes) -> Iterator[Segment]:
    """Yield the segments after the start of image; the last one is the end of image.

    Raises:
        DecodeError: something else stands where a marker must be, or the stream is cut.
    """
    at = 2
    for _ in range(MAX_SEGMENTS):
        found = _MARKER.match(data, at)
        if found is None:
            raise _cut() if at >= len(data) - 1 else damaged(f"no JPEG marker at byte {at}")
        segment = _segment(data, found)
        yield segment
        if segment.marker == EOI:
            return
        at = segment.end if segment.marker != SOS else _end_of_scan(data, segment.end)
    raise too_costly(f"more than {MAX_SEGMENTS} JPEG segments", f"{MAX_SEGMENTS}")


def without_metadata(
    data: bytes, segments: Iterable[Segment], kept: Container[int] = frozenset()
) -> bytes:
    """Return a stream from behind its start on, without metadata in front of its first scan.

    libjpeg warns of broken metadata as it warns of broken pixels.

    Args:
        data: the stream.
        segments: of the stream, in their order.
        kept: markers of application segments that stay, because they say the colour space.
    """
    head: list[bytes] = []
    end = 2
    for segment in segments:
        end = segment.begin
        if segment.marker in (SOS, EOI):
            break
        if segment.marker not in _METADATA or segment.marker in kept:
            head.append(data[segment.begin : segment.end])
    return b"".join([*head, data[end:]])


def check_frame(frame: Frame, limits: DecodeLimits) -> None:
    """Check that a frame is of a kind and a size that are decoded.

    Raises:
        DecodeError: too large, not 8 bits a sample, or neither gray nor three colours.
    """
    limits.check(frame.width, frame.height)
    if frame.bits != 8:
        raise other_kind(f"{frame.bits} bits a channel")
    if frame.components == 4:
        raise other_kind("CMYK colour")
    if frame.components not in (1, 3):
        raise other_kind(f"{frame.components} channels")


def check_work(structures: list[Structure], limits: DecodeLimits) -> None:
    """Check that the scans of one picture's streams are no more work than is allowed.

    A progressive JPEG may pass over all its pixels as often as it likes, at a few bytes each time.

    Raises:
        DecodeError: too many scans for the picture's size.
    """
    work = sum(structure.work for structure in structures)
    allowed = SCANS_OF_THE_LARGEST * limits.padded_pixels // 2
    if work > allowed:
        raise too_costly(
            f"its JPEG scans cover {work} pixels in all",
            f"{allowed} ({SCANS_OF_THE_LARGEST} scans of the largest picture)",
        )


def _segment(data: bytes, found: re.Match[bytes]) -> Segment:
    begin, content, marker = found.start(), found.end(), found[1][0]
    if marker == EOI:
        return Segment(marker, begin, content, content)
    if marker in _WITHOUT_LENGTH:
        raise damaged(f"JPEG marker {marker:#x} out of place at byte {begin}")
    if content + 2 > len(data):
        raise _cut()
    end = content + int.from_bytes(data[content : content + 2])
    if end < content + 2:
        raise damaged(f"a JPEG segment of negative length at byte {begin}")
    if end > len(data):
        raise _cut()
    return Segment(marker, begin, content + 2, end)


def _end_of_scan(data: bytes, begin: int) -> int:
    found = _MARKER_IN_SCAN.search(data, begin)
    if found is None:
        raise _cut()
    return found.start()


def _read_frame(data: bytes, segment: Segment) -> Frame:
    if segment.end - segment.content < 6:
        raise damaged("a JPEG frame without its parameters")
    bits, height, width, components = struct.unpack_from(">BHHB", data, segment.content)
    return Frame(width, height, bits, components)


def _padded(side: int) -> int:
    return -(-side // _BLOCK) * _BLOCK


def _cut() -> DecodeError:
    return damaged("the JPEG ends without its end-of-image marker")
