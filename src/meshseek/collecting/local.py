"""Assets of a workspace as a zip or a folder: models, and whom to name for them. It appears whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from meshseek.collecting.credits import Credit, credits_of
from meshseek.collecting.notes import notes
from meshseek.collecting.zips import ZipParts
from meshseek.errors import BasketError, UnreadableAssetError
from meshseek.files import copy_whole, disk_error, move_whole, whole_file
from meshseek.model import Asset, PublishedAsset
from meshseek.untrusted.files import open_inside
from meshseek.workspace.current import CurrentAssets
from meshseek.workspace.workspace import Part, Workspace

NOT_HERE = "its model is not in the workspace"
_PART_BYTES = 1 << 20
_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalBasket:
    """Assets of a workspace that are taken away together."""

    workspace: Workspace
    credits: list[Credit]
    uses: tuple[str, ...]
    assets: dict[str, Asset]

    @classmethod
    def read(
        cls, workspace: Workspace, asset_ids: Sequence[str], uses: tuple[str, ...], *, with_views: bool = False
    ) -> LocalBasket:
        """Look assets up.

        Args:
            workspace: Has them.
            asset_ids: Theirs, each once.
            uses: What they are for.
            with_views: Whether their pictures are wanted, which takes a while in a large workspace.

        Raises:
            BasketError: One of them is not there.
            WorkspaceError: The workspace is empty or damaged.
        """
        wanted = {*asset_ids}
        parts: tuple[Part, ...] = ("captions", "model", "attributes", "views")
        every = CurrentAssets(workspace, parts=parts if with_views else parts[:-1])
        assets = {asset.asset_id: asset for asset in every if asset.asset_id in wanted}
        unknown = [asset_id for asset_id in asset_ids if asset_id not in assets]
        if unknown:
            told = ", ".join(f"'{asset_id}'" for asset_id in unknown[:_SHOWN])
            more = f" and {len(unknown) - _SHOWN:,} more" if len(unknown) > _SHOWN else ""
            raise BasketError(f"there is no asset {told}{more} in the workspace; take the ids as a search shows them")
        missing = {
            asset_id: NOT_HERE
            for asset_id, asset in assets.items()
            if asset.model is not None and size_of_model(workspace.models, asset.model) is None
        }
        given = credits_of(asset_ids, {key: _with_library(asset) for key, asset in assets.items()}, missing)
        return cls(workspace=workspace, credits=given, uses=uses, assets=assets)

    @property
    def there(self) -> list[Credit]:
        """The assets whose models can be taken."""
        return [credit for credit in self.credits if credit.missing is None]

    def write_zip(self, target: Path) -> None:
        """Write a zip, in place of a file that may be there.

        Raises:
            WorkspaceError: It cannot be written.
        """
        try:
            with whole_file(target) as draft, draft.open("wb") as out:
                parts = ZipParts()
                for name, content in notes(self.credits, self.uses).items():
                    parts.add(name, content)
                for credit in self.there:
                    self._pack(credit, parts, out)
                out.write(parts.end())
        except OSError as error:
            raise disk_error(error, target) from error

    def write_folder(self, target: Path, finish: Callable[[Path], None] = lambda _: None) -> None:
        """Write a folder.

        Args:
            target: Where nothing is yet, or an empty folder.
            finish: Adds to it before it gets its name.

        Raises:
            BasketError: There is something.
            WorkspaceError: It cannot be written.
        """
        if target.is_symlink() or (target.exists() and not (target.is_dir() and not any(target.iterdir()))):
            raise BasketError(f"there is something at {target} already; name a folder that is not there yet")
        draft = target.with_name(f".{secrets.token_hex(8)}.tmp")
        try:
            draft.mkdir()
            for name, content in notes(self.credits, self.uses).items():
                (draft / name).write_bytes(content)
            for credit in self.there:
                (draft / credit.file).parent.mkdir(exist_ok=True)
                with self.opened(credit) as file:
                    copy_whole(file, draft / credit.file)
            finish(draft)
            move_whole(draft, target)
        except OSError as error:
            raise disk_error(error, target) from error
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def opened(self, credit: Credit) -> BinaryIO:
        """The model of an asset that is there.

        Raises:
            OSError: It has gone meanwhile.
        """
        root = self.workspace.models
        return open_inside(root / str(self.assets[credit.asset_id].model), root)

    def _pack(self, credit: Credit, parts: ZipParts, out: BinaryIO) -> None:
        with self.opened(credit) as file, parts.file(credit.file, os.fstat(file.fileno()).st_size) as entry:
            while data := file.read(_PART_BYTES):
                entry.write(data)
                out.write(parts.taken())


def size_of_model(root: Path, model: str) -> int | None:
    """Bytes of a model below a folder; None where it is not there, or leads elsewhere."""
    with suppress(OSError, UnreadableAssetError), open_inside(root / model, root) as file:
        return os.fstat(file.fileno()).st_size
    return None


def _with_library(asset: Asset) -> PublishedAsset:
    published = PublishedAsset.of(asset)
    return replace(published, attributes={"library": asset.library, **asset.attributes})
