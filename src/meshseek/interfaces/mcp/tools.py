"""The four tools, as functions of a client: what agents ask becomes a question to the API, its answer a few lines."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from meshseek.client import Client
from meshseek.client.answers import Asset, AssetPage, Listed, SearchAnswer
from meshseek.client.questions import Part, SearchOptions, picture
from meshseek.collecting.names import readable
from meshseek.errors import InputError, MeshseekError
from meshseek.files import make_folder
from meshseek.images import MAX_IMAGE_BYTES, read_image
from meshseek.interfaces.filter_form import plain_filters
from meshseek.interfaces.mcp.arguments import (
    CollectAttribution,
    GetAsset,
    SearchAssets,
    SearchAssetsHere,
    SimilarAssets,
)
from meshseek.interfaces.mcp.contact_sheet import contact_sheet
from meshseek.interfaces.mcp.wording import (
    Reach,
    Rows,
    asset_text,
    attribution_text,
    facet_notes,
    notes_of,
    results_text,
    shortened,
)
from meshseek.search.modes import MAX_DEPTH
from meshseek.search.sizes import Size

READERS: Final = 4
"""Views of one answer that are fetched at a time."""
MOST_VIEWS: Final = 10
"""Of one asset on its contact sheet."""
MOST_LISTED: Final = 200
"""Assets of one page of the API's."""
LISTED_FACETS: Final = ("category", "tags")


@dataclass(frozen=True, slots=True)
class Reply:
    """What an agent gets."""

    text: str
    picture: bytes | None = None
    """A contact sheet."""


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools for one agent.

    Each method raises :class:`meshseek.errors.MeshseekError` where there is no answer, with a sentence for the agent.
    """

    client: Client
    reach: Reach
    models: Path | None = None
    """Folder on the agent's machine where GLBs are put; None where that machine is not this one."""

    def search_assets(self, asked: SearchAssets) -> Reply:
        """Find assets; or list those that pass the filters, where nothing is looked for."""
        image, named = _image(asked), _named(asked)
        if not named:
            return self._list(asked)
        options = self._options(asked)
        if asked.size:
            options["size"] = asked.size
        if asked.like:
            options["others_only"] = True
        parts: list[Part] | None = [{"text": asked.without, "weight": -1.0}] if asked.without else None
        answer = self.client.search(asked.text, image=image, like=asked.like, parts=parts, **options)
        return self._found(answer, asked, f"Search for {named}", None if asked.size is None else Size.parse(asked.size))

    def get_asset(self, asked: GetAsset) -> Reply:
        """Tell of one asset, and bring its model where the agent's 3D program finds it."""
        asset = self.client.asset(asked.asset_id)
        views = list(zip(asset.viewpoint_ids, asset.view_urls, strict=False))
        shown = views[:: -(-len(views) // MOST_VIEWS) or 1]
        numbers = [str(number) for number, _ in shown]
        tiles = list(zip(numbers, self._pictures([url for _, url in shown]), strict=True))
        text = asset_text(asset, self._glb(asset), numbers)
        return Reply(shortened(text), contact_sheet(tiles) if tiles else None)

    def similar_assets(self, asked: SimilarAssets) -> Reply:
        """Find assets like one."""
        options: SearchOptions = {**self._options(asked), "target": asked.target, "diverse": False, "others_only": True}
        answer = self.client.search(like=asked.asset_id, **options)
        return self._found(answer, asked, f"Assets like {asked.asset_id} by {asked.target}")

    def collect_attribution(self, asked: CollectAttribution) -> Reply:
        """Tell whom to name."""
        return Reply(attribution_text(self.client.attribution(asked.asset_ids, use=asked.use)))

    def _options(self, asked: SearchAssets | SimilarAssets) -> SearchOptions:
        """What both searches have in common. One result more than is shown tells whether any follow."""
        is_last = asked.offset + asked.top_k >= MAX_DEPTH
        options: SearchOptions = {"top_k": asked.top_k + (not is_last), "offset": asked.offset}
        options["filters"] = plain_filters(asked.filters)
        if algorithm := self.client.health().otherwise:
            options["algorithm"] = algorithm
        return options

    def _found(
        self, answer: SearchAnswer, asked: SearchAssets | SimilarAssets, head: str, wished: Size | None = None
    ) -> Reply:
        shown = answer.results[: asked.top_k]
        end = asked.offset + len(shown) if shown else 0
        return self._reply(
            Rows(
                head=head,
                assets=shown,
                order="best first",
                offset=asked.offset,
                follows=_follows(end, has_more=len(answer.results) > len(shown) or end >= MAX_DEPTH),
                notes=notes_of(answer),
                why_none=answer.hint or "use other words, or fewer filters",
                wished=wished,
            )
        )

    def _list(self, asked: SearchAssets) -> Reply:
        """What passes the filters, by name, and what there is of the fields that most filters name.

        Raises:
            InputError: Something is asked for that only a search knows.
        """
        if asked.without or asked.size:
            raise InputError(
                "without and size need text, a picture or like beside them; for sizes that must hold, filter by width, "
                "depth and height"
            )
        page = self._page(asked)
        shown = "Assets that pass the filters" if asked.filters else "Assets of the library"
        return self._reply(
            Rows(
                head=f"{shown}, {page.total:,} in all" if page.total else shown,
                assets=page.assets,
                order="by name",
                offset=asked.offset,
                follows=_follows(asked.offset + len(page.assets), has_more=page.cursor is not None),
                notes=[] if page.hint else facet_notes(page),
                why_none=page.hint or "use fewer filters",
            )
        )

    def _page(self, asked: SearchAssets) -> AssetPage:
        """The page that begins at an offset; pages are known by where the one before ended."""
        filters = plain_filters(asked.filters)
        algorithm = self.client.health().otherwise
        cursor, left = None, asked.offset
        while left:
            before = self.client.page(cursor, limit=min(left, MOST_LISTED), algorithm=algorithm, filters=filters)
            cursor, left = before.cursor, left - len(before.assets)
            if cursor is None:
                return before.model_copy(update={"assets": ()})
        facets = LISTED_FACETS if cursor is None else ()
        return self.client.page(cursor, limit=asked.top_k, algorithm=algorithm, filters=filters, facets=facets)

    def _reply(self, rows: Rows) -> Reply:
        return Reply(results_text(rows, self.reach), self._sheet(rows.assets, rows.offset + 1))

    def _sheet(self, results: Sequence[Listed], first: int) -> bytes | None:
        pictures = self._pictures([result.thumbnail_url for result in results])
        numbers = map(str, range(first, first + len(results)))
        tiles = list(zip(numbers, pictures, strict=True))
        return contact_sheet(tiles) if tiles else None

    def _pictures(self, addresses: Sequence[str | None]) -> list[bytes | None]:
        with ThreadPoolExecutor(READERS) as threads:
            return list(threads.map(self._picture, addresses))

    def _picture(self, address: str | None) -> bytes | None:
        """A view; None where it cannot be had, which is no reason to give no answer."""
        try:
            return None if address is None else self.client.read(address, most=MAX_IMAGE_BYTES)
        except MeshseekError:
            return None

    def _glb(self, asset: Asset) -> str | None:
        """The path of a model on the agent's machine, else its address."""
        if asset.model_url is None:
            return None
        address = self.reach.model(asset.asset_id)
        if self.models is None:
            return f"{address}{' (send the key with it)' if self.reach.needs_key else ''}"
        try:
            make_folder(self.models)
            return str(self.client.download(asset.asset_id, self.models / _file_name(asset.asset_id)).resolve())
        except (MeshseekError, OSError) as error:
            return f"{address} (it could not be saved here: {error})"


def _follows(end: int, *, has_more: bool) -> Literal["more", "none", "unknown"]:
    """Whether more can be asked for; what lies beyond the deepest offset cannot."""
    if not has_more:
        return "none"
    return "more" if end < MAX_DEPTH else "unknown"


def _image(asked: SearchAssets) -> bytes | None:
    """The picture that is asked with.

    Raises:
        InputError: There are two, or it is none.
    """
    path = asked.image_path if isinstance(asked, SearchAssetsHere) else None
    if path is not None:
        if asked.image_base64 is not None:
            raise InputError("there are two pictures; give image_path or image_base64, not both")
        content = picture(_at_home(path))
        read_image(content)  # nothing else on this machine may be sent to a service by an agent's mistake
        return content
    if asked.image_base64 is None:
        return None
    try:
        return base64.b64decode(asked.image_base64.rpartition(",")[2], validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError("image_base64 is no base64; send the bytes of a PNG, JPEG or WebP file encoded so") from error


def _at_home(path: str) -> Path:
    """A path in which ``~`` stands for somebody's folder.

    Raises:
        InputError: There is nobody of that name.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError as error:
        raise InputError(f"cannot read {path}: there is no such user; give the whole path of a picture") from error


def _named(asked: SearchAssets) -> str:
    """What is looked for, in a few words; none where nothing is."""
    with_picture = asked.image_base64 or (isinstance(asked, SearchAssetsHere) and asked.image_path)
    words = [f'"{asked.text[:100]}"' if asked.text else "", "the picture" if with_picture else ""]
    words.append(f"what is like {asked.like}" if asked.like else "")
    named = " and ".join(filter(None, words))
    return f'{named} without "{asked.without[:100]}"' if named and asked.without else named


def _file_name(asset_id: str) -> str:
    """A name that is readable, and no other asset's: the folder may have those of other days."""
    name = readable(asset_id)
    digest = "" if name == asset_id else f"-{hashlib.sha256(asset_id.encode()).hexdigest()[:32]}"
    return f"{name}{digest}.glb"
