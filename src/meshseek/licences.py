"""What a licence permits and demands, as far as its name tells."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal, get_args

Permission = Literal["commercial", "changes", "no-credit"]
"""Commercial use; changed versions may be passed on; the author need not be named."""
Demand = Literal["credit", "share-alike", "notice"]
"""The author is to be named; changed versions keep the licence; its text stays with what is passed on."""
Verdict = Literal["allowed", "forbidden", "unknown"]

USES: Final[Mapping[str, Permission]] = {
    "commercial": "commercial",
    "modification": "changes",
    "no-credit": "no-credit",
}
"""What somebody may want to do, by the name that people give it, and the permission that it takes."""
PERMITS: Final[tuple[Permission, ...]] = get_args(Permission)
"""All of them."""
USE_NAMES: Final[tuple[str, ...]] = tuple(dict.fromkeys((*USES, *PERMITS)))
"""What uses may be called: a permission names the use that takes it."""

_URL = re.compile(
    r"(?:https?://)?(?:www\.)?creativecommons\.org/(?:licenses|publicdomain)/([a-z-]+)"
    r"(?:/(?:\d\.\d|[a-z]{2}|igo|(?:deed|legalcode)(?:\.[a-z]{2})?))*/?"
)
_PUBLIC = re.compile(
    r"(?:(?:cc|creative-commons)-?(?:0|zero|pdm|mark|public-domain)|public-domain|(?:the-)?unlicense)"
    r"(?:-(?:v?1\.0|universal|public-domain|dedication|mark|licen[cs]e))*"
)
_CREATIVE_COMMONS = re.compile(
    r"(?:(?:cc|creative-commons)-?)?(?:by|attribution)"
    r"(?:-(?:sa|share-?alike|nc|non?-?commercial|nd|no-?deriv(?:ative)?s?(?:-works)?))*"
    r"(?:-v?\d(?:\.\d)?(?:-(?:[a-z]{2}|igo|generic|unported|international|united-states))?)?(?:-licen[cs]e)?"
)
_OPEN = re.compile(
    r"(?:the-)?(?:gnu-)?(?:mit|apache|bsd|isc|zlib|[al]?gpl|mpl|free-art|lal)"
    r"(?:-?(?:licen[cs]e|version|clause|only|or-later|v?\d(?:\.\d)*\+?))*"
)
_NO_COMMERCE = re.compile(r"\bnc\b|commercial")
_NO_CHANGES = re.compile(r"\bnd\b|deriv")


_SHARE_ALIKE = re.compile(r"\bsa\b|share-?alike|gpl|mpl|free-art|lal")
_VERSION = re.compile(
    r"-v?(\d)(?:\.(\d))?(?:-(?:([a-z]{2}|igo|united-states)|generic|unported|international))?(?:-licen[cs]e)?$"
)
_ADDRESSES: Final[Mapping[str, str]] = {
    "mit": "https://spdx.org/licenses/MIT.html",
    "isc": "https://spdx.org/licenses/ISC.html",
    "zlib": "https://spdx.org/licenses/Zlib.html",
    "apache-2.0": "https://spdx.org/licenses/Apache-2.0.html",
    "bsd-2-clause": "https://spdx.org/licenses/BSD-2-Clause.html",
    "bsd-3-clause": "https://spdx.org/licenses/BSD-3-Clause.html",
    "unlicense": "https://spdx.org/licenses/Unlicense.html",
}
"""Of licences whose name tells the whole text, beside those of Creative Commons."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What a licence says, as far as its name tells. It helps to choose, and is no legal advice."""

    licence: str
    """As it was stated; empty where none was."""
    url: str | None = None
    """Of its text, where the name tells it."""
    permits: tuple[Permission, ...] = ()
    """Sorted."""
    demands: tuple[Demand, ...] = ()
    is_known: bool = False
    """Whether what it permits and demands is all that it does."""

    def verdict(self, use: str) -> Verdict:
        """Whether it allows one of :data:`USES`."""
        if not self.is_known:
            return "unknown"
        return "allowed" if USES[use] in self.permits else "forbidden"

    @property
    def words(self) -> str:
        """The same in plain words, on one line."""
        if not self.licence:
            return "No licence is stated: ask the creator before you use it."
        if not self.is_known:
            return "What this licence permits is not known here: read it, or ask the creator."
        return " ".join(self._sentences())

    def _sentences(self) -> Iterator[str]:
        if "no-credit" in self.permits:
            yield "May be used for anything, changed or not; nobody need be named."
            return
        yield {
            (True, True): "May be used commercially and changed.",
            (True, False): "May be used commercially, but no changed version may be passed on.",
            (False, True): "May be changed, but not used commercially.",
            (False, False): "May not be used commercially, and no changed version may be passed on.",
        }["commercial" in self.permits, "changes" in self.permits]
        if "credit" in self.demands:
            yield f"Name the creator and the licence{', and say what you changed' * ('changes' in self.permits)}."
        if "notice" in self.demands:
            yield "Keep its copyright notice and the text of the licence with it."
        if "share-alike" in self.demands:
            yield "Pass changed versions on under the same licence."


def permissions(licence: str) -> tuple[Permission, ...]:
    """What a licence permits by its SPDX or Creative Commons name or URL, sorted; nothing where that is not known.

    The whole text must be such a name: one more word may take back what the name permits. It helps to choose, and is
    no legal advice.
    """
    name = _name(licence)
    if _PUBLIC.fullmatch(name):
        return ("changes", "commercial", "no-credit")
    if not (_CREATIVE_COMMONS.fullmatch(name) or _OPEN.fullmatch(name)):
        return ()
    allowed: list[Permission] = []
    if not _NO_CHANGES.search(name):
        allowed.append("changes")
    if not _NO_COMMERCE.search(name):
        allowed.append("commercial")
    return tuple(allowed)


def terms(licence: str) -> Terms:
    """What a licence permits and demands, by the names that :func:`permissions` knows."""
    stated, name = licence.strip(), _name(licence)
    if _PUBLIC.fullmatch(name):
        return Terms(licence=stated, url=_public_url(name), permits=permissions(licence), is_known=True)
    is_creative = _CREATIVE_COMMONS.fullmatch(name) is not None
    if not (is_creative or _OPEN.fullmatch(name)):
        return Terms(licence=stated)
    first: Demand = "credit" if is_creative or re.search("free-art|lal", name) else "notice"
    demands: tuple[Demand, ...] = (first, "share-alike") if _SHARE_ALIKE.search(name) else (first,)
    url = (_url(licence) or _creative_url(name)) if is_creative else _ADDRESSES.get(name)
    return Terms(licence=stated, url=url, permits=permissions(licence), demands=demands, is_known=True)


def _normal(licence: str) -> str:
    return re.sub(r"[\s_,-]+", "-", licence.strip().lower())


def _name(licence: str) -> str:
    name = _normal(licence)
    url = _URL.fullmatch(name)
    return f"cc-{url[1]}" if url else name


def _url(licence: str) -> str | None:
    """The address that was stated in place of a name."""
    name = _normal(licence)
    return f"https://{re.sub('^https?://', '', name)}" if _URL.fullmatch(name) else None


def _creative_url(name: str) -> str | None:
    version = _VERSION.search(name)
    if version is None:
        return None
    parts = ["by"]
    parts += [part for part, is_there in (("nc", _NO_COMMERCE), ("nd", _NO_CHANGES)) if is_there.search(name)]
    parts += ["sa"] if _SHARE_ALIKE.search(name) else []
    port = {"united-states": "us"}.get(version[3], version[3])
    where = f"{port}/" if port else ""
    return f"https://creativecommons.org/licenses/{'-'.join(parts)}/{version[1]}.{version[2] or 0}/{where}"


def _public_url(name: str) -> str | None:
    if re.search("cc-?0|zero", name):
        return "https://creativecommons.org/publicdomain/zero/1.0/"
    if re.search("mark|pdm", name):
        return "https://creativecommons.org/publicdomain/mark/1.0/"
    return _ADDRESSES["unlicense"] if "unlicense" in name else None
