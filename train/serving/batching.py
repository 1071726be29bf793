"""One thread that tags: the texts that requests bring while it is busy are its next batch."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field
from typing import Any, Protocol

from train.document import Document

_LOG = logging.getLogger(__name__)


class Tags(Protocol):
    """What the thread needs of a tagger: one pass of the model over texts, and its reading at a precision."""

    def scored(self, documents: Sequence[Document]) -> list[Any]: ...

    def decoded(self, scored: Iterable[Any], *, min_precision: float | None = None) -> list[Document]: ...


class BusyError(Exception):
    """No room for a request's texts; `seconds` is when to try again."""

    def __init__(self, seconds: int) -> None:
        super().__init__(f"too many texts are waiting; try again in {seconds} s")
        self.seconds = seconds


@dataclass(slots=True, eq=False)
class _Job:
    """A request: `found` fills up as its texts are tagged, and completes `future` when none is missing."""

    min_precision: float | None
    found: list[Document | None]
    future: Future[list[Document]] = field(default_factory=Future)

    def put(self, place: int, document: Document) -> None:
        self.found[place] = document
        done = [d for d in self.found if d is not None]
        if len(done) == len(self.found):
            self._settle(done)

    def fail(self, error: BaseException) -> None:
        self._settle(error)

    def _settle(self, outcome: list[Document] | BaseException) -> None:
        try:
            if isinstance(outcome, BaseException):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)
        except InvalidStateError:  # nobody waits for it any more
            pass


@dataclass(frozen=True, slots=True, eq=False)
class _Item:
    job: _Job
    place: int
    document: Document


class Batcher:
    """Tags texts in the order in which they come, as many at a time as fit into `batch_characters` (one at least).

    At most `queue` texts wait. A pass over the model cannot be stopped, but what nobody waits for any more is not begun.
    """

    def __init__(self, tagger: Tags, *, batch_characters: int, queue: int) -> None:
        self._tagger, self._limit, self._room = tagger, batch_characters, queue
        self._waiting: deque[_Item] = deque()
        self._changed = threading.Condition()
        self._closed = False
        self._began: float | None = None
        self._last = 0.0  # seconds that the last batch took
        # A daemon, so that a pass that never ends does not keep the process.
        self._thread = threading.Thread(target=self._work, name="tagger", daemon=True)
        self._thread.start()

    def submit(self, documents: Sequence[Document], *, min_precision: float | None = None) -> Future[list[Document]]:
        """The documents' tagged counterparts to come, in order; raises BusyError where they find no room.

        Cancelling the future takes those that are not begun out of the queue; an exception of the model is the future's.
        """
        job = _Job(min_precision, [None] * len(documents))
        if not documents:
            job.future.set_result([])
            return job.future
        with self._changed:
            if self._closed or not self.room(len(documents)):
                raise BusyError(self.retry_after())
            self._waiting.extend(_Item(job, i, document) for i, document in enumerate(documents))
            self._changed.notify()
        return job.future

    def room(self, texts: int = 1) -> bool:
        """Whether so many texts find room in the queue; those that nobody waits for any more make it."""
        with self._changed:
            if len(self._waiting) + texts > self._room:
                self._waiting = deque(item for item in self._waiting if not item.job.future.done())
            return len(self._waiting) + texts <= self._room

    @property
    def waiting(self) -> int:
        """How many texts wait that somebody waits for."""
        with self._changed:
            return sum(not item.job.future.done() for item in self._waiting)

    def retry_after(self) -> int:
        """Whole seconds after which room is likely: as long as the last batch took."""
        return max(1, round(self._last))

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def busy_for(self) -> float:
        """Seconds since the batch at work began, 0 between batches."""
        began = self._began
        return 0.0 if began is None else time.monotonic() - began

    def close(self, timeout: float = 5.0) -> None:
        """Take nothing more and drop what waits; returns when the batch at work is done, or after `timeout` seconds."""
        with self._changed:
            self._closed = True
            for item in self._waiting:
                item.job.future.cancel()
            self._waiting.clear()
            self._changed.notify()
        self._thread.join(timeout)

    def _work(self) -> None:
        while batch := self._next():
            self._began = time.monotonic()
            try:
                self._tag(batch)
            finally:
                self._last, self._began = self.busy_for(), None

    def _next(self) -> list[_Item]:
        """The next batch, waited for; empty when the batcher is closed."""
        batch: list[_Item] = []
        characters = 0
        with self._changed:
            while not batch:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if self._closed:
                    return []
                while self._waiting:
                    item = self._waiting[0]
                    if not item.job.future.done():
                        characters += len(item.document.text)
                        if batch and characters > self._limit:
                            break
                        batch.append(item)
                    self._waiting.popleft()
        return batch

    def _tag(self, batch: Sequence[_Item]) -> None:
        """One pass for all; where it fails, one for each, so that only those fail that are to blame."""
        try:
            scored = self._tagger.scored([item.document for item in batch])
        except Exception as error:
            if len(batch) == 1:
                _fail(batch[0], error)
                return
            for item in batch:
                if not item.job.future.done():
                    self._tag([item])
            return
        for item, scores in zip(batch, scored, strict=True):
            try:
                item.job.put(item.place, *self._tagger.decoded([scores], min_precision=item.job.min_precision))
            except Exception as error:
                _fail(item, error)


def _fail(item: _Item, error: Exception) -> None:
    _LOG.error("a text of %d characters could not be tagged", len(item.document.text), exc_info=error)
    item.job.fail(error)
