"""WebDataset: a folder of ``.tar`` files in which the files of one asset follow each other.

What stands before the first point of a file's name is the asset's id, with the folders before it; what stands behind
says what the file is: ``<id>.<number>.png`` (or ``.jpg``, ``.jpeg``, ``.webp``) a view, ``<id>.png`` the only one,
``<id>.<number>.json`` a view's camera, ``<id>.txt`` a caption, ``<id>.json`` captions and attributes as in a captions
file, and ``<id>.glb`` the model. Other files are counted and passed over.

Pictures stay in their tar, and are read from there without unpacking it. Tars may also lie on storage that speaks S3: a
file ``*.urls`` in the folder names them, one address a line.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from meshseek.datasets import Dataset, Entry
from meshseek.datasets._captions import Description, describe, joined, read_descriptions
from meshseek.datasets._files import fingerprint_of
from meshseek.datasets._models import MOST_GLB_BYTES, settled
from meshseek.datasets._tar_listing import Listing
from meshseek.datasets._tar_samples import MOST_PARTS, OpenTar, Sample, opened_tar
from meshseek.errors import DatasetError, LibraryGoneError, UnreadableAssetError
from meshseek.files import make_folder, whole_file
from meshseek.images import MAX_IMAGE_BYTES
from meshseek.language import detect_language
from meshseek.meshes.model_files import readable
from meshseek.model import Asset, ViewSet
from meshseek.untrusted.files import read_inside
from meshseek.untrusted.remote import LONGEST_ADDRESS, SCHEME, address_of, as_name
from meshseek.untrusted.tar_views import folder_in_tar
from meshseek.untrusted.tars import Member, ReadAt, parts_of, read_member
from meshseek.viewpoints import LAST_VIEWPOINT, MOST_VIEWS, Picture, views_of_pictures

log = logging.getLogger(__name__)

MOST_TEXT_BYTES = 1 << 20
"""Of a caption, of captions and attributes, or of a camera."""
LISTED_BYTES = 8 << 20
"""Read at a time where a tar is listed that lies on other storage: a request for each header would take much longer."""
MOST_LIST_BYTES = 16 << 20
_LIST = ".urls"
_COMPRESSED = re.compile(r"\.(tgz|tbz2?|txz|tar\.\w+)$")
_ADDRESS = re.compile(rf"{SCHEME}[^/]+(/[^/]+)*/[^/]*\.tar")
_CURE = "give a folder of .tar files in WebDataset's layout"


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleEntry(Entry):
    """One asset: where in which tar its files are."""

    tar: str
    begins: int
    ends: int
    digest: str
    """Of what the headers of its files say."""
    description: Description | None
    """What the captions file says; workers need not read it again."""


class Webdataset(Dataset):
    """Tar files in WebDataset's layout."""

    def entries(self) -> Iterator[SampleEntry]:
        """List the assets tar by tar, by the headers of their files."""
        root = self.options.path
        names, faults = _tars(root)
        descriptions = None if self.options.captions is None else read_descriptions(self.options.captions)
        passed_over: Counter[str] = Counter()
        known: set[str] = set()
        listed = False
        for name in names:
            try:
                with opened_tar(root, name, LISTED_BYTES) as tar:
                    for entry in self._listed(name, tar, descriptions or {}, passed_over):
                        listed = True
                        known |= {entry.asset_id} & (descriptions or {}).keys()
                        yield entry
            except UnreadableAssetError as error:
                faults.append(f"cannot read {self._place(name)}: {error}")
            except OSError as error:
                faults.append(f"cannot read {self._place(name)}: {error.strerror}; check the file and its permissions")
        self.unlisted = len(faults)
        if not listed:
            raise DatasetError(faults[0]) if faults else LibraryGoneError(f"{root} holds no assets; {_CURE}")
        self._tell(passed_over, faults, sorted((descriptions or {}).keys() - known))

    def _listed(
        self, name: str, opened: OpenTar, descriptions: Mapping[str, Description], passed_over: Counter[str]
    ) -> Iterator[SampleEntry]:
        """The assets of a tar; of one that is damaged, those before the damage."""
        listing = Listing(opened, self._place(name), self._kept(name))
        for listed in listing:
            description = descriptions.get(listed.key)
            said = description and [description.english, description.chinese, description.attributes]
            # A tar may have been packed without times: then its own is that of all of its files.
            times = None if listed.has_times else opened.changed
            yield SampleEntry(
                asset_id=listed.key,
                fingerprint=fingerprint_of(name, listed.begins, listed.digest, times, said),
                tar=name,
                begins=listed.begins,
                ends=listed.ends,
                digest=listed.digest,
                description=description,
            )
        passed_over.update(listing.passed_over)

    def _kept(self, name: str) -> Path | None:
        """Where the listing of a tar is kept."""
        if self.options.cache is None:
            return None
        place = f"{self.options.path.absolute()}/{name}".encode(errors="surrogateescape")
        return self.options.cache / f"{hashlib.sha256(place).hexdigest()[:32]}.json"

    def _tell(self, passed_over: Counter[str], faults: list[str], unknown: list[str]) -> None:
        root = self.options.path
        for what, count in sorted((+passed_over).items()):
            log.warning("%s: %d members are passed over: %s", root, count, what)
        if unknown:
            captions = self.options.captions
            log.warning("%s: %d ids have no asset, for example %s", captions, len(unknown), unknown[0])
        for fault in faults[:3]:
            log.warning("%s", fault)
        if faults[3:]:
            log.warning("%s: %d more tar files cannot be read", root, len(faults) - 3)

    def read(self, entry: Entry, models: Path) -> Asset:
        """Describe one asset, and copy its model out of the tar."""
        assert isinstance(entry, SampleEntry)
        with (
            readable(f"{entry.asset_id}: cannot read {self._place(entry.tar)}", "pack it again"),
            opened_tar(self.options.path, entry.tar, min(LISTED_BYTES, entry.ends - entry.begins)) as tar,
        ):
            parts = next(tar.samples(entry.begins, entry.ends), None)
            if parts is None or (parts.key, parts.headers_digest.hexdigest()) != (entry.asset_id, entry.digest):
                raise UnreadableAssetError("the tar changed after it was listed; run 'meshseek update'")
            _refuse_unfit(parts)
            own = [*_told(parts, tar.read_at), *filter(None, (entry.description,))]
            description = joined(own) if own else Description(attributes={})
            glb = parts.others.get("glb")
            model = f"{entry.asset_id}.glb" if glb else None
            faces = {"faces": _put(glb, tar.read_at, models / f"{entry.asset_id}.glb")} if glb else {}
            return Asset(
                asset_id=entry.asset_id,
                fingerprint=entry.fingerprint,
                captions_english=description.english,
                captions_chinese=description.chinese,
                model=model,
                views=self._views(parts, entry.tar, tar.changed),
                attributes={**faces, **description.attributes},
            )

    def _place(self, name: str) -> str:
        """Where a tar is, as the user knows it."""
        return address_of(name) or str(self.options.path / name)

    def _views(self, parts: Sample, tar: str, changed: int) -> ViewSet | None:
        if not parts.pictures:
            return None
        pictures = [
            Picture(number, member.size, member.time or changed) for number, member in sorted(parts.pictures.items())
        ]
        folder = folder_in_tar(self.options.path.absolute() / tar, parts.pictures, parts.cameras)
        return views_of_pictures(folder, pictures, self.options.path)


def _tars(root: Path) -> tuple[list[str], list[str]]:
    """The names of the tar files in a folder, and what is to be told of compressed ones.

    Raises:
        LibraryGoneError: There is no such folder.
    """
    try:
        names = sorted(name for name in os.listdir(root) if not name.startswith("."))  # noqa: PTH208  # only names
    except (FileNotFoundError, NotADirectoryError) as error:
        raise LibraryGoneError(f"there is no folder {root}; {_CURE}") from error
    except OSError as error:
        raise LibraryGoneError(f"cannot list {root}: {error.strerror}; fix its permissions, or {_CURE}") from error
    lists = [name for name in names if name.lower().endswith(_LIST)]
    tars = [name for name in names if name.lower().endswith(".tar")]
    tars += [as_name(address) for name in lists for address in _addresses(root / name, root)]
    compressed = [
        f"{root / name} is compressed, and cannot be read from the middle; unpack it, for example with 'gunzip'"
        for name in names
        if _COMPRESSED.search(name.lower())
    ]
    return tars, compressed


def _addresses(path: Path, root: Path) -> Iterator[str]:
    """The addresses that a list names, one a line.

    Raises:
        DatasetError: It cannot be read, or one of them is none.
    """
    try:
        lines = read_inside(path, root, MOST_LIST_BYTES).decode().splitlines()
    except (OSError, UnreadableAssetError, UnicodeDecodeError) as error:
        raise DatasetError(f"cannot read {path}: {error}; give a text in UTF-8 with one address a line") from error
    for number, address in enumerate(map(str.strip, lines), 1):
        if not address or address.startswith("#"):
            continue
        if not (_ADDRESS.fullmatch(address) and len(address) <= LONGEST_ADDRESS):
            raise DatasetError(f"{path}, line {number}: no address of a tar; write it as s3://BUCKET/FOLDER/NAME.tar")
        yield address


def _refuse_unfit(parts: Sample) -> None:
    """Refuse an asset that cannot be taken as it is.

    Raises:
        UnreadableAssetError: It cannot.
    """
    if parts.count > MOST_PARTS or len(parts.pictures) > MOST_VIEWS:
        raise UnreadableAssetError(f"it has more than {MOST_VIEWS:,} pictures; move some elsewhere")
    if parts.repeated:
        raise UnreadableAssetError(f"'{parts.repeated}' is there twice, or under two suffixes; take one out")
    if parts.pictures and (last := max(parts.pictures)) > LAST_VIEWPOINT:
        raise UnreadableAssetError(f"view {last} has a number above {LAST_VIEWPOINT:,}; rename it")
    for member in parts.pictures.values():
        if not 0 < member.size <= MAX_IMAGE_BYTES:
            raise UnreadableAssetError(
                f"'{member.name}' has {member.size / 1e6:,.1f} MB; make it a picture of at most "
                f"{MAX_IMAGE_BYTES / 1e6:.0f} MB"
            )
    for member in parts.cameras.values():
        _expect_short(member)


def _told(parts: Sample, read_at: ReadAt) -> Iterator[Description]:
    """What the texts of an asset say."""
    if "txt" in parts.others:
        caption = _text(parts.others["txt"], read_at).decode("utf-8-sig").strip()
        name = "caption_zh" if detect_language(caption) == "chinese" else "caption"
        yield describe(parts.key, {name: caption})
    if "json" in parts.others:
        try:
            fields = json.loads(_text(parts.others["json"], read_at))
        except (ValueError, RecursionError) as error:
            raise UnreadableAssetError(f"'{parts.others['json'].name}' is no JSON; fix it") from error
        if not isinstance(fields, dict):
            raise UnreadableAssetError(f"'{parts.others['json'].name}' holds JSON, but no object; fix it")
        yield describe(parts.key, fields)


def _text(member: Member, read_at: ReadAt) -> bytes:
    _expect_short(member)
    return read_member(read_at, (member.header, member.size, member.check))


def _expect_short(member: Member) -> None:
    if member.size > MOST_TEXT_BYTES:
        raise UnreadableAssetError(f"'{member.name}' has {member.size / 1e6:,.0f} MB; shorten it")


def _put(member: Member, read_at: ReadAt, target: Path) -> int:
    if member.size > MOST_GLB_BYTES:
        raise UnreadableAssetError(f"'{member.name}' has {member.size / 1e6:,.0f} MB; no GLB can be so large")
    make_folder(target.parent)
    with whole_file(target) as draft, draft.open("wb") as file:
        for part in parts_of(read_at, member):
            file.write(part)
    return settled(target, member.name)
