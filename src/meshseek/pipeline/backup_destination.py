"""Where a backup goes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from meshseek.reporting import Reporter
from meshseek.workspace.backup_folder import Snapshot
from meshseek.workspace.drafts import Drafts
from meshseek.workspace.objects import Kept, Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Destination:
    """Where a backup goes, and what is there already."""

    objects: Objects
    drafts: Drafts
    """Of the contents that are on their way."""
    former: Snapshot | None
    """The last snapshot."""
    verify: bool
    """Whether to read also what looks as it did, and what is there."""
    reporter: Reporter

    def add(self, pieces: Iterable[bytes]) -> Kept:
        """Keep a content.

        Raises:
            OSError: The disk refuses.
        """
        return self.objects.add(pieces, self.drafts, verify=self.verify)
