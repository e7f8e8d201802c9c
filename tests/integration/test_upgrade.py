"""Workspaces and publications of earlier versions, kept as files: what today's code says to do makes them right."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pgvector.psycopg import register_vector
from tests.living import contents
from tests.stages import ALGORITHM, Stages

from meshseek.errors import DatabaseVersionError
from meshseek.store.postgres import Server
from meshseek.store.read.library import Library
from meshseek.workspace.halves import from_column
from meshseek.workspace.workspace import Workspace

FIXTURES = Path(__file__).parents[1] / "fixtures"
NAMES = sorted(path.name.removesuffix(".tar.gz") for path in FIXTURES.glob("*.tar.gz"))
UNKNOWN_LIBRARIES = (
    "it is not known which libraries these assets are from, as an older Meshseek imported them; "
    "run 'meshseek import DATASET PATH' once for each"
)


@pytest.fixture
def earlier(request: pytest.FixtureRequest, server: Server, tmp_path: Path) -> Stages:
    """What an earlier version left behind."""
    with tarfile.open(FIXTURES / f"{request.param}.tar.gz") as packed:
        packed.extractall(tmp_path, filter="data")
    for record in (tmp_path / "workspace" / "libraries").glob("*/library.json"):
        record.write_text(record.read_text().replace("/srv/models", str(tmp_path / "models")))
    server.create_database(ALGORITHM)
    with server.connect(ALGORITHM) as connection:
        connection.execute((tmp_path / "live.sql").read_bytes())
        connection.execute("RESET search_path")
    return Stages(Workspace(tmp_path / "workspace"), server)


@pytest.fixture
def anew(elsewhere: Server, tmp_path: Path) -> Stages:
    """The same library, made from nothing by today's code."""
    return Stages(Workspace(tmp_path / "anew"), elsewhere)


@pytest.mark.parametrize("earlier", NAMES, indirect=True)
def test_an_earlier_workspace_becomes_right(
    request: pytest.FixtureRequest, earlier: Stages, anew: Stages, tmp_path: Path
) -> None:
    """Each line that is said names what to do; after that, what is published is what would be made from nothing."""
    library = Library(earlier.server, ALGORITHM)
    with pytest.raises(DatabaseVersionError, match="run 'meshseek publish --algorithm toy' again"):
        library.published()
    library.close()

    told = list(update_as_told(earlier, tmp_path / "models"))
    assert told == (
        [UNKNOWN_LIBRARIES] if request.node.callspec.params["earlier"] in {"format-1", "no-libraries"} else []
    )

    (library_before, *_) = [each for each in earlier.workspace.libraries.all() if each.path]
    anew.import_folder(tmp_path / "models", library_before.name)  # it keeps the name that its layout had then
    anew.update()
    with earlier.server.connect(ALGORITHM) as one, anew.server.connect(ALGORITHM) as other:
        assert contents(one) == contents(other)


def update_as_told(stages: Stages, models: Path) -> Iterator[str]:
    """Update, and do what is said to be necessary before; gives what was said."""
    while notes := stages.update(yes=True).notes:
        yield from notes
        stages.import_folder(models)


@pytest.mark.parametrize("earlier", ["format-1"], indirect=True)
def test_vectors_of_the_first_format_are_read(earlier: Stages) -> None:
    """They were lists of numbers then, and are the ones that were published of them."""
    (table,) = earlier.workspace.vectors_table(ALGORITHM, "caption_english").tables()
    with earlier.server.connect(ALGORITHM) as connection:
        register_vector(connection)
        published = dict(connection.execute("SELECT asset_id, english_embedding FROM live.text_embeddings").fetchall())

    vectors = dict(zip(table["asset_id"].to_pylist(), from_column(table), strict=True))
    assert {name: vector.tolist() for name, vector in vectors.items()} == {
        name: vector.to_list() for name, vector in published.items()
    }
