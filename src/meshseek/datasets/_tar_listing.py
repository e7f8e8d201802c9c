"""What a tar lists, kept until it changes.

To walk over millions of headers takes minutes, and where a tar lies on other storage, all of its bytes are read for it.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from meshseek.datasets._tar_samples import OpenTar, samples
from meshseek.errors import DatasetError
from meshseek.files import make_folder, write_whole
from meshseek.untrusted.tars import Tar

REVISION = 2
"""Grows whenever the same tar is listed otherwise than before, in any of its digests."""


class Listed(NamedTuple):
    """One asset in a tar."""

    key: str
    begins: int
    ends: int
    digest: str
    """Of what the headers of its files say."""
    has_times: bool
    """Whether all of its files have one."""


class Listing:
    """The assets of a tar.

    Args:
        tar: Where they are.
        place: Of the tar, as the user knows it.
        kept: The file that keeps what was listed; None for nowhere.
    """

    def __init__(self, tar: OpenTar, place: str, kept: Path | None) -> None:
        self._tar = tar
        self._place = place
        self._kept = kept
        self._facts = [REVISION, tar.size, tar.changed, tar.noted]
        self.passed_over: Counter[str] = Counter()
        """How many members are of no asset, by what they are, in words; complete when the assets were gone through."""

    def __iter__(self) -> Iterator[Listed]:
        """Those of a damaged tar up to the damage.

        Raises:
            UnreadableAssetError: It is damaged.
            DatasetError: The files of an asset do not follow each other.
            OSError: It cannot be read.
        """
        self.passed_over.clear()
        known = self._known()
        if known is not None:
            self.passed_over.update(known["passed_over"])
            yield from (Listed(*row) for row in known["assets"])
            return
        assets = []
        for listed in self._walked():
            assets.append(listed)
            yield listed
        self._keep({"facts": self._facts, "passed_over": dict(self.passed_over), "assets": assets})

    def _walked(self) -> Iterator[Listed]:
        tar, seen = Tar(self._tar.read_at, self._tar.size), set[str]()
        for sample in samples(tar):
            if sample.key in seen:
                raise DatasetError(
                    f"{self._place}: the files of '{sample.key}' do not follow each other; "
                    "pack it again with 'tar --sort=name -cf'"
                )
            seen.add(sample.key)
            if sample.passed_over:
                self.passed_over["neither pictures, captions nor models"] += sample.passed_over
            if not sample.says_nothing:
                members = (*sample.pictures.values(), *sample.cameras.values(), *sample.others.values())
                has_times = all(member.time for member in members)
                yield Listed(sample.key, sample.begins, sample.ends, sample.headers_digest.hexdigest(), has_times)
        self.passed_over.update(tar.passed_over)

    def _known(self) -> dict[str, Any] | None:
        """What was kept, if it is of this state of the tar, and whole."""
        try:
            checksum, content = self._kept.read_bytes().split(b"\n", 1) if self._kept else (b"", b"")
        except (OSError, ValueError):
            return None
        if checksum != _checksum(content):
            return None
        known: dict[str, Any] = json.loads(content)
        return known if known["facts"] == self._facts else None

    def _keep(self, values: dict[str, Any]) -> None:
        if self._kept is not None:
            content = json.dumps(values).encode()
            with contextlib.suppress(OSError):  # then it is listed again the next time
                make_folder(self._kept.parent)
                write_whole(self._kept, _checksum(content) + b"\n" + content)


def _checksum(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()
