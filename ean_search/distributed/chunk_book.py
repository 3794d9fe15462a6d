"""Keeps account of the chunks that workers evaluate. Pure Python: knows nothing of Ray.

A chunk whose worker died is tried again. One that failed too often is tried placement by placement;
a placement that then still fails is recorded as failed.
"""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import Any

from ean_search.core.space import Placement
from ean_search.core.trial import EvaluationResult
from ean_search.utils.errors import UserError

log = logging.getLogger(__name__)

Results = dict[int, EvaluationResult]  # by place in the cohort


@dataclass(frozen=True)
class _OpenChunk:
    placements: list[Placement]
    places: list[int]  # of its members in their cohort
    results: Results  # of the whole cohort


class ChunkBook:
    """The open chunks of a search, how often their workers died, and the results of cohorts.

    Args:
        max_failures: How often a chunk is tried again after its worker died.
        joint: Whether results depend on the whole cohort, so that chunks are never split.
        time_whole_trials: Whether a result's seconds are those of its trial, because the result
            itself knows only its last round.
    """

    def __init__(self, max_failures: int, *, joint: bool = False, time_whole_trials: bool = False):
        self._max_failures = max_failures
        self._joint, self._time_whole_trials = joint, time_whole_trials
        self._numbers = count()
        self._open: dict[int, _OpenChunk] = {}
        self._deaths: Counter[int | None] = Counter()  # by chunk; None while waiting for one
        self._any_result = False

    @property
    def open_chunks(self) -> dict[int, list[Placement]]:
        """Return the chunks without results, by number."""
        return {number: chunk.placements for number, chunk in self._open.items()}

    def open_cohort(self, placements: Sequence[Placement], parts: Sequence[list[int]]) -> Results:
        """Open the chunks of a cohort.

        Args:
            placements: The cohort.
            parts: For each chunk, the places of its members in the cohort.

        Returns:
            The cohort's results by place: empty, and filled as chunks come to their ends.
        """
        results: Results = {}
        for places in parts:
            self._open_chunk([placements[place] for place in places], places, results)
        return results

    def finish(self, report: Mapping[str, Any]) -> None:
        """Take in the last report of a trial; a chunk that is not open is ignored.

        It may have been measured twice, because the queue was lost with its node.

        Args:
            report: The `chunk`'s number and its `results` as rows, or an `error`.

        Raises:
            UserError: If the report has an error that the user can mend.
        """
        self._any_result = True
        chunk = self._open.pop(report["chunk"], None)
        if chunk is None:
            return
        if "error" in report:
            raise UserError(report["error"])
        results = [EvaluationResult.from_row(row) for row in report["results"]]
        if self._time_whole_trials:
            results = [replace(result, seconds=report["time_total_s"]) for result in results]
        chunk.results.update(zip(chunk.places, results, strict=True))

    def may_retry(self, number: int | None, error: str) -> bool:
        """Count the death of a worker, and tell whether its trial may start again.

        Args:
            number: The chunk that the worker had, or None if it had none.
            error: Why it died.

        Raises:
            UserError: If no worker has ever got as far as a result, nor will.
        """
        self._deaths[number] += 1
        if self._deaths[number] <= self._max_failures:
            return True
        if number is None and not self._any_result:
            raise UserError(f"workers cannot start: {error}")
        return False

    def fail(self, number: int | None, error: str) -> bool:
        """Split a chunk that is not tried again as a whole; record a single placement as failed.

        Args:
            number: The chunk; None, or one that is not open, is ignored.
            error: Why its last worker died.

        Returns:
            Whether there are new chunks.
        """
        chunk = None if number is None else self._open.pop(number, None)
        if chunk is None:
            return False
        if len(chunk.places) == 1 or self._joint:
            note = f"its worker died {self._max_failures + 1} times: {error}"
            chunk.results.update(dict.fromkeys(chunk.places, EvaluationResult(None, 0.0, note)))
            return False
        log.warning("a chunk of %d is tried piece by piece: %s", len(chunk.places), error)
        for place, placement in zip(chunk.places, chunk.placements, strict=True):
            self._open_chunk([placement], [place], chunk.results)
        return True

    def _open_chunk(self, placements: list[Placement], places: list[int], results: Results) -> None:
        self._open[next(self._numbers)] = _OpenChunk(placements, places, results)
