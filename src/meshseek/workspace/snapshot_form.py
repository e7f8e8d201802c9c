"""The form of a snapshot's record: whoever can write into a folder of backups can write any JSON."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, ValidationError

from meshseek.workspace.objects import DIGEST

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
"""Of an algorithm, a table, a column."""
Digest = Annotated[str, Field(pattern=f"^{DIGEST.pattern}$")]
Text = Annotated[str, Field(max_length=1000)]
MOST_DIMENSIONS = 16_000
"""That pgvector keeps as halves."""


class _Form(BaseModel):
    model_config = ConfigDict(strict=True)


class _Files(_Form):
    lists: list[Digest]
    count: NonNegativeInt
    bytes: NonNegativeInt


class _Table(_Form):
    columns: list[Name]
    contents: list[Digest]
    bytes: NonNegativeInt


class _Description(_Form):
    schema_version: NonNegativeInt
    embedder: Text
    model: Text
    revision: Text
    dim: Annotated[int, Field(ge=1, le=MOST_DIMENSIONS)]
    preprocessing: Text
    index_kind: Name
    assets: NonNegativeInt
    english_captions: NonNegativeInt
    chinese_captions: NonNegativeInt
    views: NonNegativeInt


class _Database(_Form):
    algorithm: Name
    identity: list[Text]
    description: _Description
    tables: dict[Name, _Table]
    bytes: NonNegativeInt


class _Snapshot(_Form):
    meshseek: Text
    format: NonNegativeInt
    files: _Files
    databases: list[_Database]


def fault_of(snapshot: Any) -> str | None:
    """What is wrong with the first field that is not as :mod:`meshseek.pipeline.backup` writes it; None if all is."""
    try:
        _Snapshot.model_validate(snapshot)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
    return None
