"""Results of searches, kept on disk so that no query is sent twice.

Each query has one small JSON file under ``DIR/searches``, named by the SHA-256 of the query and
written atomically. A refusal (an answer that will not change) is kept as well. A server that does
not answer leaves nothing.

>>> SearchCache(None).load("https://example.org/search?POS=1,2") is None
True
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mingolotss.errors import ServiceAnswerError
from mingolotss.io.documents import parse_json
from mingolotss.io.files import write_bytes
from mingolotss.model import Candidate

__all__ = ["SearchCache", "SearchResult"]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """The result of one query.

    Attributes
    ----------
    candidates : tuple of Candidate
        Sorted by field; their `source` is empty.
    refused : str
        The reason if the service refused the query for good; "" otherwise.
    sha256 : str
        Checksum of the response as the server sent it.
    notices : tuple of str
        The files of a list that are not used, a line for each reason.
    """

    candidates: tuple[Candidate, ...] = ()
    refused: str = ""
    sha256: str = ""
    notices: tuple[str, ...] = ()

    def candidates_or_raise(self, query: str) -> tuple[Candidate, ...]:
        """Return the candidates.

        Raises
        ------
        ServiceAnswerError
            The query was refused, now or in an earlier run.
        """
        if self.refused:
            raise ServiceAnswerError(self.refused, url=query)
        return self.candidates


class SearchCache:
    """Search results by query. May be used from any thread.

    Parameters
    ----------
    folder : Path or None
        Where results are stored; None stores nothing.
    refresh : bool
        Ignore what is stored, and replace it.
    """

    def __init__(self, folder: Path | None, *, refresh: bool = False) -> None:
        self.folder, self.refresh = folder, refresh
        self._results: dict[str, SearchResult] = {}
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.folder, self.refresh)

    def get_or_run(self, query: str, run_query: Callable[[str], SearchResult]) -> SearchResult:
        """Return the result of a query that many sources share.

        One thread runs the query while the others wait; the result stays in memory.
        """
        # One lock for each query, so that different queries run concurrently.
        with self._lock:
            lock = self._locks.setdefault(query, threading.Lock())
        with lock:
            if query not in self._results:
                result = self.load(query)
                if result is None:
                    result = run_query(query)
                    self.store(query, result)
                self._results[query] = result
            return self._results[query]

    def get_if_run(self, query: str) -> SearchResult | None:
        """Return the result of a query that many sources share, None if no source needed it."""
        return self._results.get(query)

    def load(self, query: str) -> SearchResult | None:
        """Return the stored result of a query, or None if the query has to be run."""
        if self.folder is None or self.refresh:
            return None
        try:
            record = parse_json(self._path(query).read_text(encoding="utf-8"))
            if record["question"] != query:
                return None
            candidates = tuple(
                Candidate(str(c["field"]), str(c["image"]), str(c["rms"]))
                for c in record["candidates"]
            )
            notices = tuple(str(line) for line in record.get("notices", ()))
            return SearchResult(candidates, str(record["refused"]), str(record["sha256"]), notices)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None  # not there, or damaged from outside: it is replaced

    def store(self, query: str, result: SearchResult) -> None:
        """Store the result of a query."""
        if self.folder is None:
            return
        record: dict[str, object] = {
            "question": query,
            "sha256": result.sha256,
            "refused": result.refused,
            "candidates": [
                {"field": c.field, "image": c.image, "rms": c.rms} for c in result.candidates
            ],
        }
        if result.notices:
            record["notices"] = list(result.notices)
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        write_bytes(self._path(query), text.encode())

    def _path(self, query: str) -> Path:
        """Return the file of a query; in subfolders, since there may be a million."""
        digest = hashlib.sha256(query.encode()).hexdigest()
        return (self.folder or Path()) / digest[:2] / f"{digest[2:34]}.json"


def _rebuild(folder: Path | None, refresh: bool) -> SearchCache:
    """Unpickle a cache; the copy reads the same folder."""
    return SearchCache(folder, refresh=refresh)
