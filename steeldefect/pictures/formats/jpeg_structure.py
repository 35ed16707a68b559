"""Read the segments of a JPEG stream: its frame, its scans, and where it ends.

Source: ITU-T T.81, annex B. Entropy-coded data is skipped by a search for the next marker. The
scans are counted here because a decoder does not report how many scans it has decoded.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from typing import NamedTuple

from steeldefect.errors import DecodeError
from steeldefect.pictures.formats.limits import DecodeLimits, damaged, other_kind, too_costly

SOI, EOI, SOS = 0xD8, 0xD9, 0xDA
APP0, APP2, APP14, APP15 = 0xE0, 0xE2, 0xEE, 0xEF

MAX_SEGMENTS = 10_000
SCANS_OF_THE_LARGEST = 16
"""Largest number of scans of a picture of the largest size; a smaller picture may have more.

Encoders write 6 scans (gray) or 10 (colour) by default, and seldom more than 12.
"""

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame, by process
_METADATA = frozenset({*range(APP0, APP15 + 1), 0xFE})  # application segments and comments
_WITHOUT_LENGTH = frozenset({0x01, SOI, *range(0xD0, 0xD8)})
_MARKER = re.compile(rb"\xff+([^\x00\xff])")  # any number of fill bytes may precede it
_MARKER_IN_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")  # no stuffed byte, no restart
_BLOCK = 16  # pixels; usual side of a block that is coded as one


class Segment(NamedTuple):
    """One marker with its parameters: `data[begin:end]`; the parameters begin at `content`."""

    marker: int
    begin: int
    content: int
    end: int


@dataclass(frozen=True)
class Frame:
    """The contents of a start-of-frame segment: size in pixels, bits a sample, components."""

    width: int
    height: int
    bits: int
    components: int


@dataclass(frozen=True)
class Structure:
    """A whole JPEG stream.

    Attributes:
        frame: contents of the first start-of-frame segment.
        segments: all segments in their order, without the entropy-coded data.
        end: offset just after the end-of-image marker.
    """

    frame: Frame
    segments: tuple[Segment, ...]
    end: int

    @property
    def work(self) -> int:
        """Return the number of pixels that all scans cover together, padding included."""
        scans = sum(segment.marker == SOS for segment in self.segments)
        return scans * _padded(self.frame.width) * _padded(self.frame.height)


def read_structure(data: bytes) -> Structure:
    """Read the segments from the start of image to the end of image.

    Args:
        data: bytes that begin with a JPEG stream; bytes after its end are ignored.

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
        DecodeError: a marker is missing, the stream is cut, or it has too many segments.
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
    """Return a stream without its start-of-image marker and the metadata before its first scan.

    Metadata is removed because libjpeg warns of broken metadata as it warns of broken pixels.

    Args:
        data: the stream.
        segments: segments of the stream, in their order.
        kept: markers of application segments that are kept, because they state the colour space.
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


def has_metadata(segments: Iterable[Segment], kept: Container[int] = frozenset()) -> bool:
    """Return whether `without_metadata` removes anything."""
    before_scan = takewhile(lambda one: one.marker not in (SOS, EOI), segments)
    return any(one.marker in _METADATA and one.marker not in kept for one in before_scan)


def check_frame(frame: Frame, limits: DecodeLimits) -> None:
    """Check that frames of this kind and size are decoded.

    Raises:
        DecodeError: the frame is too large, not 8 bits a sample, or has neither 1 nor 3 components.
    """
    limits.check(frame.width, frame.height)
    if frame.bits != 8:
        raise other_kind(f"{frame.bits} bits a channel")
    if frame.components == 4:
        raise other_kind("CMYK colour")
    if frame.components not in (1, 3):
        raise other_kind(f"{frame.components} channels")


def check_work(structures: list[Structure], limits: DecodeLimits) -> None:
    """Check that the scans of one picture's streams cover no more pixels than allowed.

    A progressive JPEG may have any number of scans over all its pixels, at a few bytes each.

    Raises:
        DecodeError: all scans together cover too many pixels.
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
