"""The four tools, as functions of a client: what agents ask becomes a question to the API, its answer a few lines."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from meshseek.client import Client
from meshseek.client.answers import Asset, Result
from meshseek.client.questions import SearchOptions, picture
from meshseek.collecting.names import readable
from meshseek.errors import InputError, MeshseekError
from meshseek.files import make_folder
from meshseek.images import MAX_IMAGE_BYTES, read_image
from meshseek.interfaces.mcp.arguments import (
    CollectAttribution,
    GetAsset,
    SearchAssets,
    SearchAssetsHere,
    SimilarAssets,
)
from meshseek.interfaces.mcp.contact_sheet import contact_sheet
from meshseek.interfaces.mcp.wording import Reach, asset_text, attribution_text, results_text, shortened

READERS: Final = 4
"""Views of one answer that are fetched at a time."""
MOST_VIEWS: Final = 10
"""Of one asset on its contact sheet."""


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
        """Find assets."""
        head, image = f"Search for {_named(asked)}", _image(asked)
        options: SearchOptions = {"top_k": asked.top_k, "offset": asked.offset, "filters": asked.filters}
        if asked.size:
            options["size"] = asked.size
        if algorithm := self.client.health().otherwise:
            options["algorithm"] = algorithm
        answer = self.client.search(asked.text, image=image, like=asked.like, **options)
        first = asked.offset + 1
        text = results_text(answer, self.reach, first=first, head=head)
        return Reply(text, self._sheet(answer.results, first))

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
        algorithm = self.client.health().otherwise
        answer = self.client.similar(asked.asset_id, algorithm=algorithm, target=asked.target, top_k=asked.top_k)
        text = results_text(answer, self.reach, head=f"Assets like {asked.asset_id} by {asked.target}")
        return Reply(text, self._sheet(answer.results, 1))

    def collect_attribution(self, asked: CollectAttribution) -> Reply:
        """Tell whom to name."""
        return Reply(attribution_text(self.client.attribution(asked.asset_ids, use=asked.use)))

    def _sheet(self, results: Sequence[Result], first: int) -> bytes | None:
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
    """What is asked for, in a few words.

    Raises:
        InputError: Nothing is.
    """
    with_picture = asked.image_base64 or (isinstance(asked, SearchAssetsHere) and asked.image_path)
    words = [f'"{asked.text[:100]}"' if asked.text else "", "the picture" if with_picture else ""]
    words.append(f"what is like {asked.like}" if asked.like else "")
    named = " and ".join(filter(None, words))
    if not named:
        raise InputError("there is nothing to search for; give text, a picture, or the id of an asset as like")
    return named


def _file_name(asset_id: str) -> str:
    """A name that is readable, and no other asset's: the folder may have those of other days."""
    name = readable(asset_id)
    digest = "" if name == asset_id else f"-{hashlib.sha256(asset_id.encode()).hexdigest()[:32]}"
    return f"{name}{digest}.glb"
