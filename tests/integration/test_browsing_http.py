"""The catalogue, facets and the status over HTTP and on the command line, over a small real library."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.command_lines import run_here
from tests.conftest import ServedLibrary
from tests.docs.test_docs import commands
from tests.integration.test_http import picture, refused, send
from tests.integration.test_http_states import client_of
from tests.sample_library import BARE_ID, ODD_ID
from tests.source_copy import ROOT
from tests.toy import embed_toys, import_toys, publish_toys, toy, toy_algorithm

from meshseek.access.keys import make_key
from meshseek.access.keys_file import KeysFile
from meshseek.errors import BusyError
from meshseek.interfaces.cli.files import files_of
from meshseek.interfaces.cli.listing import _pages
from meshseek.interfaces.http.recent import Recent
from meshseek.interfaces.http.status import FOR_OPERATORS
from meshseek.model import FILTER_FIELDS, PublishedAsset
from meshseek.pipeline import overview
from meshseek.search.algorithm import Algorithm
from meshseek.search.browsing import SORTS, Browse, Shelf
from meshseek.search.faceting import FACETED, MOST_COUNTED
from meshseek.store.postgres import Server
from meshseek.store.read.facets import MOST_VALUES
from meshseek.store.read.library import Library
from meshseek.workspace.skipped import SKIPPED, skipped_line
from meshseek.workspace.workspace import Workspace


@pytest.fixture(scope="module")
def api(api_url: str) -> Iterator[httpx.Client]:
    """A client of the running API."""
    with httpx.Client(base_url=api_url, timeout=30) as client:
        yield client


def listed(api: httpx.Client, **parameters: Any) -> dict[str, Any]:
    """A page of the catalogue."""
    answer = api.get("/assets", params=parameters)
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


def test_all_assets_are_listed_page_by_page(api: httpx.Client, library: ServedLibrary) -> None:
    """Each once; an asset has what a result has that needs no query, and its addresses work."""
    first = listed(api, limit=15)
    rest = listed(api, limit=15, cursor=first["cursor"])
    every = first["assets"] + rest["assets"]
    assert sorted(asset["asset_id"] for asset in every) == sorted(library.asset_ids)
    assert (first["total"], rest["cursor"], first["facets"], first["counted"]) == (len(every), None, {}, None)
    assert first["version"] == rest["version"]
    assert (first["algorithm"], first["partial"], first["shards"]) == ("lite", False, 1)
    (odd,) = (asset for asset in every if asset["asset_id"] == ODD_ID)
    assert odd["caption_en"] == "an antique wooden chair"
    assert odd["added"].endswith("Z")
    for name in ("thumbnail_url", "model_url"):
        assert api.get(odd[name]).status_code == 200
    (bare,) = (asset for asset in every if asset["asset_id"] == BARE_ID)
    assert bare["caption_en"] is None


def test_a_start_page_needs_one_request(api: httpx.Client) -> None:
    """How many assets, the categories with their counts, and the newest."""
    page = listed(api, sort="-date", limit=3, facets="category,faces")
    every = listed(api, limit=200)["assets"]
    counts = Counter(asset["attributes"]["category"] for asset in every if "category" in asset["attributes"])
    assert {each["value"]: each["count"] for each in page["facets"]["category"]} == counts
    assert page["counted"] == page["total"] == len(every)
    spread = page["facets"]["faces"]
    assert sum(each["count"] for each in spread["buckets"]) == sum("faces" in each["attributes"] for each in every)
    assert (spread["min"], spread["max"]) == (spread["buckets"][0]["min"], spread["buckets"][-1]["max"])
    assert len(page["assets"]) == 3


def test_filters_are_those_of_searches(api: httpx.Client) -> None:
    """As JSON; the values of a field are told without its own filter."""
    filters = {"category": "Living room"}
    page = listed(api, filters=json.dumps(filters), facets="category,tags")
    assert {asset["attributes"]["category"] for asset in page["assets"]} == {"Living room"}
    assert len(page["facets"]["category"]) > 1
    found = api.post("/search/text", json={"query": "object", "filters": filters, "facets": ["category"]}).json()
    assert len(found["facets"]["category"]) > 1


def test_searches_tell_what_their_results_are_like(api: httpx.Client) -> None:
    """By words and by a picture; without being asked they count nothing."""
    found = api.post("/search/text", json={"query": "chair", "facets": ["tags", "height"]}).json()
    assert 0 < found["counted"] <= 22
    assert found["facets"]["tags"][0] == {"value": "seat", "count": 3}
    assert found["facets"]["height"].keys() == {"min", "max", "buckets"}
    pictured = send(api, picture(), facets=["category", "faces"]).json()  # type: ignore[arg-type]  # several of one name
    assert pictured["facets"].keys() == {"category", "faces"}
    plain = api.post("/search/text", json={"query": "chair"}).json()
    assert (plain["facets"], plain["counted"]) == ({}, None)


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"sort": "colour"}, "invalid"),
        ({"limit": 0}, "invalid"),
        ({"limit": 1000}, "invalid"),
        ({"cursor": "x" * 5000}, "invalid"),
        ({"filters": "category"}, "invalid"),
        ({"filters": '{"colour": "red"}'}, "query"),
        ({"filters": "[" * 3000}, "invalid"),
        ({"cursor": "nonsense"}, "query"),
        ({"facets": "colour"}, "query"),
        ({"facets": "tags,,"}, "query"),
    ],
)
def test_what_cannot_be_listed_is_told(api: httpx.Client, parameters: dict[str, Any], code: str) -> None:
    """In the form of every error."""
    refused(api.get("/assets", params=parameters), 422, code)


def test_unknown_facets_and_algorithms_are_told(api: httpx.Client) -> None:
    """By searches and by the catalogue."""
    message = refused(api.post("/search/text", json={"query": "a chair", "facets": ["colour"]}), 422, "query")
    assert message.startswith("cannot count 'colour'; known fields: category, ")
    assert refused(send(api, picture(), facets="colour"), 422, "query") == message
    refused(api.get("/assets", params={"algorithm": "none"}), 404, "not_found")
    refused(api.get("/assets", params={"algorithm": "siglip"}), 409, "not_published")


def test_the_status_tells_what_is_published_and_how_fast_searches_are(api: httpx.Client) -> None:
    """Of each algorithm, with the work that is left by library."""
    api.post("/search/text", json={"query": "chair"})
    status = api.get("/status").json()
    lite = status["algorithms"]["lite"]
    assert (lite["state"], lite["outdated"]) == ("ready", False)
    assert (lite["published"]["assets"], lite["published"]["views"]) == (22, 66)
    assert lite["published"]["measured"] == []
    assert status["algorithms"]["siglip"]["published"] is None
    assert [library["assets"] for library in status["libraries"].values()] == [22]
    assert {each["example"] for each in status["skipped"]} == {BARE_ID}
    assert {each["stage"] for each in status["skipped"]} == {
        "embed lite: caption_english",
        "embed lite: caption_chinese",
    }
    assert status["note"] is None
    times = status["latency"]["/search/text"]
    assert times["searches"] >= 1
    assert 0 < times["p50_ms"] <= times["p95_ms"] <= times["p99_ms"]


def test_strangers_see_no_paths_in_the_status(workspace: Workspace, server: Server) -> None:
    """Why assets were skipped is told; a reason that names a file or a host only to who has a key for that."""
    import_toys(workspace, 3)
    reasons = [
        "it has no faces",
        "it has no faces",
        "Permission denied: /home/me/x.glb",
        "Permission denied: /home/me/y.glb",
        "db.lan:5432 does not answer",
        "no route to 10.0.0.7",
    ]
    for number, reason in enumerate(reasons):
        with (workspace.folder / "assets" / SKIPPED).open("a") as file:
            file.write(skipped_line(f"bad/{number}", "made", reason))
    text, key = make_key("boss", "admin")
    KeysFile(workspace.folder).add(key)
    with client_of(workspace, toy_algorithm(server)) as client:
        stranger = client.get("/status").json()
        boss = client.get("/status", headers={"Authorization": f"Bearer {text}"}).json()
    said = [(each["reason"], each["count"]) for each in stranger["skipped"]]
    assert said == [(FOR_OPERATORS, 4), ("it has no faces", 2)]
    assert ("Permission denied: /home/me/x.glb", 1) in {(each["reason"], each["count"]) for each in boss["skipped"]}


def test_a_large_workspace_is_not_looked_through_beside_searches(
    workspace: Workspace, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The status names the command that tells."""
    import_toys(workspace, 3)
    monkeypatch.setattr(overview, "MOST_LOOKED_THROUGH", 2)
    with client_of(workspace, toy_algorithm(server)) as client:
        status = client.get("/status").json()
    assert status["libraries"] == {}
    assert status["note"] == "there are too many assets to be looked through beside searches; run 'meshseek check'"


def test_percentiles_are_of_the_last_answers() -> None:
    """Exact ones, by route."""
    recent = Recent()
    for number in range(3000):
        recent.add("/search/text", number / 1000)
    assert recent.percentiles() == {"/search/text": (1000, {50: 2500.0, 95: 2950.0, 99: 2990.0})}


def test_the_command_line_lists(library: ServedLibrary) -> None:
    """Filtered and in an order, over several pages, as lines and as JSON."""
    told = run_here(["list", "--sort", "-faces", "--limit", "5"], library.environment)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] == "5 of 22 assets"
    asked = ["list", "--filter", "category=Living room", "--facets", "category,faces", "--json"]
    page = json.loads(run_here(asked, library.environment).stdout)
    assert {asset["attributes"]["category"] for asset in page["assets"]} == {"Living room"}
    assert page["total"] == len(page["assets"])
    assert len(page["facets"]["category"]) > 1
    lines = run_here([*asked[:-1]], library.environment).stdout
    assert f"counted among {page['total']} assets:\n  category: " in lines


def test_the_command_line_turns_pages(library: ServedLibrary, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as it takes."""
    monkeypatch.setattr("meshseek.search.browsing.MOST_LISTED", 6)
    page = json.loads(run_here(["list", "--limit", "15", "--json"], library.environment).stdout)
    first = {asset["asset_id"] for asset in page["assets"]}
    assert len(first) == 15
    rest = json.loads(run_here(["list", "--cursor", page["cursor"], "--json"], library.environment).stdout)
    assert rest["cursor"] is None
    assert first | {asset["asset_id"] for asset in rest["assets"]} == {*library.asset_ids}
    ended = run_here(["list", "--cursor", page["cursor"], "--sort", "size"], library.environment)
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)


def test_the_command_line_names_the_files_of_assets(library: ServedLibrary) -> None:
    """Paths of the model and of the view that is shown, where they are files of this machine."""
    listed = json.loads(run_here(["list", "--json"], library.environment).stdout)["assets"]
    found = json.loads(run_here(["search", "chair", "--target", "caption", "--json"], library.environment).stdout)
    for asset in (*listed, *found["results"]):
        assert Path(asset["model_path"]).read_bytes()[:4] == b"glTF"
        assert Path(asset["thumbnail_path"]).read_bytes()[:4] == b"\x89PNG"
        assert all(Path(asset[name]).is_absolute() for name in ("model_path", "thumbnail_path"))
    assert {asset["viewpoint_id"] for asset in listed} == {0}


def test_files_that_are_not_here_have_no_path(tmp_path: Path) -> None:
    """Models that lie on another server, views in a tar, and what has neither."""
    workspace = Workspace(tmp_path)
    nowhere = PublishedAsset(asset_id="a", model="a.glb", view_folder=Path("views/a"), viewpoint_ids=(0,))
    for asset in (nowhere, PublishedAsset(asset_id="b")):
        assert files_of(workspace, asset, 0) == {"model_path": None, "thumbnail_path": None}
    assert files_of(workspace, nowhere, None)["thumbnail_path"] is None


class Changing(Algorithm):
    """Of whose catalogue so many times another version is published when the second page is asked for."""

    changes = 0
    change: Callable[[], object]

    def browse(self, wanted: Browse) -> Shelf:
        """A page of what is live then."""
        if wanted.cursor is not None and self.changes:
            self.changes -= 1
            self.change()
        return super().browse(wanted)


def test_the_pages_of_a_list_are_of_one_version(published_toys: Workspace, server: Server) -> None:
    """The list begins again where another version is published meanwhile, and once more is told in a line."""
    words = iter(["second", "third", "fourth"])

    def change() -> None:
        import_toys(published_toys, 30, next(words))
        embed_toys(published_toys)
        publish_toys(published_toys, server)

    catalogue = Changing("toy", Library(server, "toy"), lambda _: toy())
    catalogue.change = change
    try:
        for changes in (0, 1):
            catalogue.changes = changes
            shelf = _pages(catalogue, Browse(limit=15), 40)
            assert shelf.version == catalogue.library.published().content
            captions = [listed.asset.captions_english[0] for listed in shelf.assets]
            assert (len(captions), sum("second" in each for each in captions)) == (40, 30 * changes)
        catalogue.changes = 2
        with pytest.raises(BusyError, match="another version was published twice while it was listed; list it when"):
            _pages(catalogue, Browse(limit=15), 40)
    finally:
        catalogue.library.close()


def test_the_command_line_counts_for_searches(library: ServedLibrary) -> None:
    """Behind the results; what cannot be counted or sorted by is told in one line."""
    told = run_here(["search", "chair", "--facets", "category,tags,height"], library.environment)
    assert told.returncode == 0, told.stderr
    assert "\n  tags: seat 3, antique 1\n" in told.stdout
    found = json.loads(run_here(["search", "chair", "--facets", "tags", "--json"], library.environment).stdout)
    assert found["facets"]["tags"][0] == {"value": "seat", "count": 3}
    wrong = (["search", "chair", "--facets", "colour"], ["list", "--sort", "colour"], ["list", "--facets", "a"])
    for arguments in wrong:
        ended = run_here(arguments, library.environment)
        assert (ended.returncode, ended.stdout, ended.stderr.count("\n")) == (1, "", 1)
        assert ended.stderr.startswith("meshseek: cannot ")


def test_the_page_about_browsing_is_true(library: ServedLibrary) -> None:
    """Its commands run, and each field, order and bound that it names is one."""
    page = ROOT / "docs" / "how-to" / "browse-and-filter.md"
    lines = commands(page)
    assert len(lines) == 4
    for line in lines:
        ended = run_here(shlex.split(line)[1:], library.environment)
        assert ended.returncode == 0, f"{line}\n{ended.stderr}"
    text = page.read_text("utf-8")
    assert [name for name in FILTER_FIELDS if f"`{name}`" not in text] == []
    assert [name for name in SORTS if name[0] != "-" and f"| `{name}` |" not in text] == []
    for number in (MOST_VALUES, MOST_COUNTED, FACETED):
        assert f"{number:,}" in text
