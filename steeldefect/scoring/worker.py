"""Score the pictures of one task: keys in, part files written, a report out.

Pixels never enter the JVM. Threads fetch pictures ahead of the models. What follows depends on the
task. With a GPU, or with several cores, three things run at the same time: the same threads decode
and resize; the models run one after the other; one thread turns class maps into masks and run
lengths. With one core and no GPU there is nothing to gain from this, and each change of thread
costs: all but fetching runs in the task's own thread. The models never run in parallel, because on
a CPU they would compete for the same cores. A picture that fails becomes a row of `quarantine`,
never a failed task.

With a shadow, each decoded picture goes to both bundles, first to the one that leads. Each has its
own rows, and `agreement` compares them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import chain
from typing import NamedTuple, TypeVar

import pyarrow as pa

from steeldefect.detection.outline import Outline
from steeldefect.detection.prepared import Prepared
from steeldefect.errors import InferenceError, SourceDownError
from steeldefect.pictures.decoding import DecodeLimits, decode_gray
from steeldefect.pictures.preprocessing import Gray, Resizer
from steeldefect.pictures.statistics import PictureStatistics, picture_statistics
from steeldefect.pictures.strip import Places
from steeldefect.plan.listing import LISTING
from steeldefect.plan.shadow import SHADOW_TRIES
from steeldefect.runtimes import DeviceChoice
from steeldefect.scoring.agreement_rows import agreement_rows
from steeldefect.scoring.bundle_scorer import BundleScorer, Measuring, Opened, Ready, Segmented
from steeldefect.scoring.fetching import Breaker, Fetcher, PictureKey
from steeldefect.scoring.task_report import TaskReport
from steeldefect.scoring.task_rows import Failure
from steeldefect.stopwatch import Stopwatch
from steeldefect.stores import Fetched, FetchLimits, Store
from steeldefect.streams import in_batches, read_ahead
from steeldefect.tables.parts import Part, write_part
from steeldefect.tables.provenance import stored_rows
from steeldefect.tables.schema import Stage, TableName

Item = TypeVar("Item")

_FETCHED_AT_ONCE = 4
"""Pictures that a thread fetches one after the other before it hands them over."""

_READY = 8
"""Pictures that may wait between two stages: this many, or two batches if that is more."""


@dataclass(frozen=True)
class Limits:
    """Limits for one picture, and for failures of the store.

    Attributes:
        max_bytes: largest file that is read, in bytes.
        decode: limits for decoding.
        fetch_threads: number of threads of a task that fetch and decode.
        fetch_seconds: longest time from the request for a picture to its last byte, in seconds.
        store_failures: number of pictures in a row that cannot be read after which the run stops.
        max_tries: number of runs with a transient failure after which a picture is given up.
    """

    max_bytes: int
    decode: DecodeLimits
    fetch_threads: int
    fetch_seconds: float = 60.0
    store_failures: int = 8
    max_tries: int = 5


class _Fetched(NamedTuple):
    """A picture as fetched, or its failure."""

    key: PictureKey
    result: Fetched | Failure


class _Decoded(NamedTuple):
    """The statistics of a picture, and its model inputs for each bundle; None: not for this one."""

    statistics: PictureStatistics
    prepared: tuple[Prepared | Failure | None, ...]


class _Read(NamedTuple):
    """A picture as read and decoded, or its failure."""

    key: PictureKey
    result: _Decoded | Failure


class _ByBundle(NamedTuple):
    """A picture that one of the bundles has segmented."""

    scorer: BundleScorer
    segmented: Segmented

    def kept(self) -> _ByBundle:
        """Return the same with a copy of the class maps, which the next batch overwrites."""
        return _ByBundle(self.scorer, self.segmented.kept())


class TaskScorer:
    """Scorer of one task: it scores the pictures and writes their rows."""

    def __init__(
        self,
        leading: Opened,
        source: Store,
        output: Store,
        limits: Limits,
        breaker: Breaker | None = None,
        measuring: Measuring | None = None,
        shadow: Opened | None = None,
    ) -> None:
        """Set everything that the task needs.

        Args:
            leading: the opened models of the bundle that leads.
            source: store of the pictures.
            output: store of the tables.
            limits: limits for pictures and for failures of the store.
            breaker: the process's breaker for the source; None to use a new one.
            measuring: how regions are measured; None to measure them in pixels.
            shadow: a second bundle that scores the pictures whose `shadow_tries` are set.
        """
        fetch_limits = FetchLimits(limits.max_bytes, limits.fetch_seconds)
        self._fetcher = Fetcher(source, fetch_limits, breaker or Breaker(limits.store_failures))
        self._source_uri = source.uri
        self._output = output
        self._limits = limits
        measuring = measuring or Measuring()
        self._places = Places(measuring.strip)
        self._watch = Stopwatch()
        fixed = (source.uri, limits.max_tries, measuring)
        self._leading = BundleScorer(leading, *fixed, self._watch)
        self._shadow = shadow and BundleScorer(shadow, *fixed, Stopwatch(), shadow=True)
        self._scorers = [self._leading, *([self._shadow] if self._shadow else [])]
        engine = leading.detector.engine
        self._batch_size = engine.batch_size
        self._waiting = max(_READY, 2 * self._batch_size)  # pictures between two stages
        self._alone = engine.threads == 1 and engine.device is DeviceChoice.CPU

    def run(self, keys: Iterable[PictureKey], label: str) -> TaskReport:
        """Score all pictures and write the part files.

        Args:
            keys: the pictures, each one once.
            label: numbers of wave and task, for the names of files.

        Raises:
            StoreError: the output cannot be written.
            SourceDownError: the source does not answer.
        """
        with (
            ThreadPoolExecutor(self._limits.fetch_threads, "fetch") as readers,
            ThreadPoolExecutor(1, "outline") as outliner,
        ):
            segmented = self._segmented(keys, readers)
            outlined: Iterator[tuple[_ByBundle, Outline | InferenceError]]
            if self._alone:
                outlined = ((one, _outline(one)) for one in segmented)
            else:
                kept = map(_ByBundle.kept, segmented)
                outlined = read_ahead(kept, _outline, outliner, self._waiting)
            for (scorer, (passed, _)), outline in outlined:
                scorer.add(passed, outline)
        with self._watch.measure("write"):
            parts, beside = self._leading.write(self._output, label), None
            if self._shadow is not None:
                beside = self._shadow.report(self._shadow.write(self._output, label))
                parts += self._write_agreement(self._shadow, label)
        return replace(self._leading.report(parts), shadow=beside)

    def _write_agreement(self, shadow: BundleScorer, label: str) -> list[Part]:
        rows = agreement_rows(
            self._source_uri,
            self._leading.rows,
            shadow.rows,
            (self._leading.classes, shadow.classes),
            shadow.origin,
        )
        if not rows:
            return []
        origin = self._leading.origin
        table = stored_rows(TableName.AGREEMENT, rows, origin)
        return [write_part(self._output, TableName.AGREEMENT, table, origin, label)]

    # -- fetch, decode, resize: in the readers' threads, or only to fetch --------------------------

    def _decoded(
        self, keys: Iterable[PictureKey], readers: ThreadPoolExecutor
    ) -> Iterator[tuple[PictureKey, _Decoded]]:
        """Yield the pictures that were decoded; the others go to quarantine, of each bundle."""
        for key, result in self._read(keys, readers):
            if not isinstance(result, Failure):
                yield key, result
                continue
            for scorer, own in zip(self._scorers, self._keys(key), strict=True):
                if own is not None:
                    scorer.rows.failed(own, result)

    def _read(self, keys: Iterable[PictureKey], readers: ThreadPoolExecutor) -> Iterator[_Read]:
        """Yield the pictures in their order, read ahead by threads."""
        ahead = self._limits.fetch_threads + self._waiting
        if self._alone:
            # a few pictures at a time: to hand one over costs as much as to read it from a disk
            some = in_batches(keys, _FETCHED_AT_ONCE)
            ahead = max(self._limits.fetch_threads + 1, ahead // _FETCHED_AT_ONCE)
            fetched = read_ahead(some, self._fetch_some, readers, ahead)
            yield from map(self._decode, chain.from_iterable(self._waited_for(fetched)))
        else:
            decoded = read_ahead(keys, self._fetch_and_decode, readers, ahead)
            yield from self._waited_for(decoded)

    def _waited_for(self, results: Iterator[tuple[object, Item]]) -> Iterator[Item]:
        """Yield the results, and measure how long the models wait for them."""
        while True:
            with self._watch.measure("wait_for_pictures"):
                found = next(results, None)
            if found is None:
                return
            yield found[1]

    def _keys(self, key: PictureKey) -> list[PictureKey | None]:
        """Return the picture as the rows of each bundle name it; None: not for this bundle."""
        return [key, key.for_shadow][: len(self._scorers)]

    def _fetch_and_decode(self, key: PictureKey) -> _Read:
        return self._decode(self._fetch(key))

    def _fetch_some(self, keys: Sequence[PictureKey]) -> list[_Fetched]:
        return [self._fetch(key) for key in keys]

    def _fetch(self, key: PictureKey) -> _Fetched:
        """Read the bytes of a picture. All errors but `SourceDownError` concern this picture."""
        try:
            with self._watch.measure(Stage.FETCH.value):
                return _Fetched(key, self._fetcher.fetch(key))
        except SourceDownError:
            raise
        except Exception as error:  # an unexpected error must not fail the other pictures
            return _Fetched(key, Failure(Stage.FETCH, self._fetcher.classify(key, None, error)))

    def _decode(self, read: _Fetched) -> _Read:
        """Turn bytes into model inputs. All errors concern this picture."""
        key, fetched = read
        if isinstance(fetched, Failure):
            return _Read(key, fetched)
        try:
            with self._watch.measure(Stage.DECODE.value):
                picture = decode_gray(fetched.data, self._limits.decode)
            with self._watch.measure("statistics"):
                statistics = picture_statistics(picture)
        except Exception as error:  # an unexpected error must not fail the other pictures
            failure = Failure(Stage.DECODE, self._fetcher.classify(key, fetched, error))
            return _Read(key.as_read(fetched), failure)
        prepared = self._prepare(key, fetched, picture)
        return _Read(key.as_read(fetched), _Decoded(statistics, prepared))

    def _prepare(
        self, key: PictureKey, fetched: Fetched, picture: Gray
    ) -> tuple[Prepared | Failure | None, ...]:
        """Return the picture's model inputs for each bundle."""
        resizer = Resizer(picture)

        def classify(error: Exception) -> Exception:
            return self._fetcher.classify(key, fetched, error)

        return tuple(
            None if own is None else scorer.prepare(resizer, classify)
            for scorer, own in zip(self._scorers, self._keys(key), strict=True)
        )

    # -- the models: in the task's own thread -----------------------------------------------------

    def _segmented(
        self, keys: Iterable[PictureKey], readers: ThreadPoolExecutor
    ) -> Iterator[_ByBundle]:
        """Run the models of each bundle; yield the pictures that pass its gate or are audited."""
        for batch in in_batches(self._decoded(keys, readers), self._batch_size):
            for number, scorer in enumerate(self._scorers):
                for some in in_batches(self._ready(batch, number), scorer.batch_size):
                    for one in scorer.feed(some):
                        yield _ByBundle(scorer, one)
        for scorer in self._scorers:
            for one in scorer.flush():
                yield _ByBundle(scorer, one)

    def _ready(self, batch: list[tuple[PictureKey, _Decoded]], number: int) -> Iterator[Ready]:
        """Yield the pictures of a batch that are for one of the bundles."""
        for key, (statistics, prepared) in batch:
            own, inputs = self._keys(key)[number], prepared[number]
            if own is not None and inputs is not None:
                yield Ready(own, statistics, self._places.of(key.key, key.place), inputs)


def _outline(one: _ByBundle) -> Outline | InferenceError:
    """Turn class maps into masks and run lengths, in the outliner's thread."""
    return one.scorer.outline(one.segmented)


def keys_of(batches: Iterable[pa.RecordBatch]) -> Iterator[PictureKey]:
    """Yield the planned pictures from the Arrow batches of a task.

    Args:
        batches: columns key, etag, size, place; and tries and shadow_tries if a plan has them.
    """
    for batch in batches:
        names = [*LISTING.names, "tries", SHADOW_TRIES]
        names = [name for name in names if name in batch.schema.names]
        columns = [batch.column(name).to_pylist() for name in names]
        for values in zip(*columns, strict=True):
            yield PictureKey(**dict(zip(names, values, strict=True)))
