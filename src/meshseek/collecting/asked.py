"""What is asked for: which assets, and what for."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from meshseek.errors import BasketError, UnreadableAssetError
from meshseek.licences import USES
from meshseek.untrusted.files import open_regular, read_whole

MOST_LIST_BYTES = 10_000_000
"""Of a file of ids."""


def checked_ids(asset_ids: Iterable[str], most: int | None = None) -> list[str]:
    """The assets that are asked for, each once.

    Args:
        asset_ids: Theirs.
        most: How many there may be; None for no bound.

    Raises:
        BasketError: There is none, or there are too many.
    """
    ids = list(dict.fromkeys(asset_ids))
    if not ids:
        raise BasketError("the basket is empty; name at least one asset")
    if most is not None and len(ids) > most:
        raise BasketError(f"there are {len(ids):,} assets in the basket; take at most {most:,} at a time")
    return ids


def checked_uses(uses: Iterable[str]) -> tuple[str, ...]:
    """What somebody wants to do, each once; the name of a permission is as good as that of the use that takes it.

    Raises:
        BasketError: A use is not known.
    """
    by_permission: dict[str, str] = {permission: use for use, permission in USES.items()}
    asked = tuple(dict.fromkeys(by_permission.get(use, use) for use in uses))
    for use in asked:
        if use not in USES:
            raise BasketError(f"there is no use '{use}'; choose one of: {', '.join(USES)}")
    return asked


def ids_in(path: Path) -> list[str]:
    """The ids in a file, one a line.

    Raises:
        BasketError: It cannot be read.
    """
    try:
        with open_regular(path) as file:
            lines = read_whole(file, MOST_LIST_BYTES).decode("utf-8-sig").splitlines()
    except OSError as error:
        raise BasketError(f"cannot read {path}: {error.strerror}; check the path") from error
    except UnreadableAssetError as error:
        raise BasketError(f"cannot read {path}: {error}") from error
    except UnicodeDecodeError as error:
        raise BasketError(f"{path} is not text in UTF-8; write one id a line") from error
    return [line.strip() for line in lines if line.strip()]
