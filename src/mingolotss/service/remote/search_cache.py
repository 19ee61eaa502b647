"""What a server has already answered, kept on disk so that it is not asked again.

One small JSON file per question under ``DIR/searches``, named by the question's SHA-256, written
atomically. A refusal (an answer that will not change) is kept as well; a server that was away is
not an answer and leaves nothing.

>>> SearchCache(None).recall("https://example.org/search?POS=1,2") is None
True
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mingolotss.errors import ServiceAnswerError
from mingolotss.io.files import write_bytes
from mingolotss.model import Candidate

__all__ = ["SearchCache", "SearchResult"]


@dataclass(frozen=True, slots=True)
class SearchResult:
    """What came of one question.

    Attributes
    ----------
    candidates : tuple of Candidate
        Sorted by field; their `source` is empty.
    refused : str
        Why there will never be an answer; "" if there is one.
    sha256 : str
        Of the answer as the server sent it.
    """

    candidates: tuple[Candidate, ...] = ()
    refused: str = ""
    sha256: str = ""

    def given(self, question: str) -> tuple[Candidate, ...]:
        """Return the candidates, or raise the refusal again."""
        if self.refused:
            raise ServiceAnswerError(self.refused, url=question)
        return self.candidates


class SearchCache:
    """SearchCache by question.

    Parameters
    ----------
    folder : Path or None
        Where they are kept; None keeps nothing.
    refresh : bool
        Forget what is there: ask everything once more.
    """

    def __init__(self, folder: Path | None, *, refresh: bool = False) -> None:
        self.folder, self.refresh = folder, refresh
        self._told: dict[str, SearchResult] = {}
        self._lock = threading.Lock()
        self._locks: dict[str, threading.Lock] = {}

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self.folder, self.refresh)

    def once(self, question: str, ask: Callable[[str], SearchResult]) -> SearchResult:
        """Return the answer to a question that many sources have in common.

        It is asked by one thread while the others wait, and remembered for this run.
        """
        with self._lock:
            lock = self._locks.setdefault(question, threading.Lock())
        with lock:
            if question not in self._told:
                known = self.recall(question)
                if known is None:
                    known = ask(question)
                    self.keep(question, known)
                self._told[question] = known
            return self._told[question]

    def recall(self, question: str) -> SearchResult | None:
        """Return the answer to a question, or None if it has to be asked."""
        if self.folder is None or self.refresh:
            return None
        try:
            kept = json.loads(self._place(question).read_text(encoding="utf-8"))
            return _from_json(kept, question)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return None  # damaged from outside: ask again and write it anew

    def keep(self, question: str, answer: SearchResult) -> None:
        """Write an answer down."""
        if self.folder is None:
            return
        found = [{"field": c.field, "image": c.image, "rms": c.rms} for c in answer.candidates]
        record = {
            "question": question,
            "sha256": answer.sha256,
            "refused": answer.refused,
            "candidates": found,
        }
        text = json.dumps(record, indent=1, ensure_ascii=False) + "\n"
        write_bytes(self._place(question), text.encode())

    def _place(self, question: str) -> Path:
        """Return the file of a question; two levels, since there may be a million."""
        digest = hashlib.sha256(question.encode()).hexdigest()
        return (self.folder or Path()) / digest[:2] / f"{digest[2:34]}.json"


def _rebuild(folder: Path | None, refresh: bool) -> SearchCache:
    """Unpickle answers: what is on disk is there for the copy too."""
    return SearchCache(folder, refresh=refresh)


def _from_json(kept: dict[str, Any], question: str) -> SearchResult | None:
    if kept["question"] != question:
        return None
    rows = (Candidate(str(c["field"]), str(c["image"]), str(c["rms"])) for c in kept["candidates"])
    return SearchResult(tuple(rows), str(kept["refused"]), str(kept["sha256"]))
