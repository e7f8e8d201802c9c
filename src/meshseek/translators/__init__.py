"""Translators: each module here gives English captions a Chinese wording.

To add a translator, add one file with one :class:`Translator`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from meshseek.errors import TranslatorError
from meshseek.hosted import HostedOptions
from meshseek.model import Estimate
from meshseek.plugins import Family


@dataclass(frozen=True, slots=True, kw_only=True)
class TranslatorOptions:
    """What a translator may need; None means its default."""

    model: str | None = None
    hosted: HostedOptions | None = None
    """How to reach the service."""
    folder: Path | None = None
    """Where it keeps what was sent and answered, so that nothing is paid twice."""
    poll_seconds: float = 60.0
    terms: Path | None = None
    """csv with the columns ``source`` and ``target``: words whose translation is given."""
    say: Callable[[str], None] = lambda _: None
    """Shows one line to the user."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Translation:
    """What became of one text."""

    text: str
    chinese: str | None
    reason: str | None = None
    """Why there is no Chinese."""


class Translator(ABC):
    """Turns English texts into Chinese ones.

    Raises:
        TranslatorError: On construction, when it lacks something; the message says what.
    """

    translates: ClassVar[bool] = True
    """False where it only takes what is already there."""

    def __init__(self, options: TranslatorOptions) -> None:
        self.options = options

    def estimate(self, texts: Sequence[str]) -> Estimate | None:
        """What translating these texts would cost, less what was paid already; None where nothing is paid."""
        del texts
        return None

    @abstractmethod
    def translate(self, texts: Sequence[str]) -> Iterator[Translation]:
        """Translate distinct texts; each is answered once, in any order, as soon as its answer is there.

        Raises:
            TranslatorError: It cannot go on; what was answered is kept, and running it again goes on from there.
            HostedError: Likewise, because of the service.
        """

    def write_requests(self, texts: Sequence[str], file: Path) -> int:
        """Write the requests into a file for an engine of the user's own, instead of sending them; returns how many.

        Raises:
            TranslatorError: This translator has no such file.
        """
        del texts, file
        raise TranslatorError(f"'{type(self).__name__}' writes no request file; use --translator openai_batch")

    def read_answers(self, texts: Sequence[str], file: Path) -> Iterator[Translation]:
        """Read the answers of such an engine, as ``translate`` would give them.

        Raises:
            TranslatorError: The file cannot be read, or this translator has no such file.
        """
        del texts, file
        raise TranslatorError(f"'{type(self).__name__}' reads no answer file; use --translator openai_batch")


TRANSLATORS: Family[Translator] = Family(__name__, Translator)  # type: ignore[type-abstract]
