"""Cap3D's captions by people: each caption is a query, and the model it was written for is relevant.

Read as it is published, ``Cap3D_human_Objaverse.pkl`` (a pickled ``{uid: caption}`` or ``{uid: [caption, ...]}``), or
as CSV without a header: ``uid,caption``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from meshseek.errors import DatasetError
from meshseek.evaluation.benchmarks.items import MAX_ITEMS, Item, check_size, checked, is_uid
from meshseek.evaluation.benchmarks.plain_pickle import read_plain_pickle
from meshseek.tables import read_rows

FORM = "Cap3D_human_Objaverse.pkl, or CSV with uid,caption"


def read_cap3d_human(path: Path) -> list[Item]:
    """One item for each caption.

    Raises:
        DatasetError: The file is missing, damaged, empty or of another form.
    """
    check_size(path)
    captions = _captions_of_csv(path) if path.suffix.lower() == ".csv" else _captions_of_pickle(path)
    items: list[Item] = []
    for line, uid, caption in captions:
        if len(items) == MAX_ITEMS:
            raise DatasetError(f"{path}: more than {MAX_ITEMS:,} captions; give {FORM}")
        if text := " ".join(caption.split()):
            items.append(Item(line=line, text=text, uids=(uid,)))
    return checked(items, path, FORM)


def _captions_of_csv(path: Path) -> Iterator[tuple[int, str, str]]:
    for line, row in read_rows(path, DatasetError):
        if len(row) == 2 and is_uid(row[0].strip()):  # noqa: PLR2004 - uid and caption
            yield line, row[0].strip(), row[1]
        elif line > 1 or len(row) != 2:  # noqa: PLR2004 - the first line may name the columns
            raise DatasetError(f"{path}, line {line}: no Objaverse uid and caption; give {FORM}")


def _captions_of_pickle(path: Path) -> Iterator[tuple[int, str, str]]:
    value = read_plain_pickle(path, FORM)
    if not isinstance(value, dict):
        raise DatasetError(f"{path} holds no table of uid to caption; give {FORM}")
    for number, (uid, captions) in enumerate(value.items(), 1):
        if not isinstance(uid, str) or not is_uid(uid):
            raise DatasetError(f"{path}, entry {number}: '{str(uid)[:40]}' is no Objaverse uid; give {FORM}")
        for caption in captions if isinstance(captions, list) else [captions]:
            if not isinstance(caption, str):
                raise DatasetError(f"{path}, entry {number}: a caption is no text; give {FORM}")
            yield number, uid, caption
