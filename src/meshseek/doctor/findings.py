"""What an examination finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from meshseek.errors import MeshseekError

State = Literal["ok", "warning", "problem"]
STATES: Final[tuple[State, ...]] = ("ok", "warning", "problem")
"""From good to bad: what is a problem keeps something from working."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Args:
        about: What was looked at.
        state: How it is.
        text: The same in words, on one line.
        cure: What to do; empty where it is as it should be.
    """

    about: str
    state: State
    text: str
    cure: str = ""

    @classmethod
    def of_error(cls, about: str, error: MeshseekError, state: State = "problem") -> Finding:
        """From an error, whose message says what is wrong and what to do."""
        text, _, cure = str(error).partition("; ")
        return cls(about, state, text, cure or "see docs/operating.md")

    def as_json(self) -> dict[str, Any]:
        """As the command prints it for programs."""
        return asdict(self)

    def __str__(self) -> str:
        cure = f"; {self.cure}" if self.cure else ""
        return f"{self.state:<7}  {self.about:<11}  {self.text}{cure}"
