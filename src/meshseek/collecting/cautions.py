"""What to mind before assets are used: licences that forbid it or say nothing of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from meshseek.collecting.credits import GONE, Credit
from meshseek.untrusted.text import plain

_NOT_ALLOWED = {
    "commercial": "does not allow commercial use",
    "modification": "does not allow changed versions to be passed on",
    "no-credit": "does not allow its creator to go unnamed",
}
_NOT_KNOWN = {
    "commercial": "commercial use is allowed",
    "modification": "changed versions may be passed on",
    "no-credit": "its creator may go unnamed",
}


def warnings_of(credits_: Iterable[Credit], uses: Sequence[str]) -> list[str]:
    """What to mind, a sentence each: licences that forbid a use or say nothing of it, and names that are lacking."""
    return [warning for credit in credits_ if credit.missing != GONE for warning in _warnings(credit, uses)]


def unknown_of(credits_: Iterable[Credit]) -> list[str]:
    """Of which ids there is no asset, a sentence each."""
    return [f"'{plain(credit.asset_id)}': {GONE}" for credit in credits_ if credit.missing == GONE]


def _warnings(credit: Credit, uses: Sequence[str]) -> Iterator[str]:
    asset, licence = plain(credit.asset_id), credit.terms.licence
    for use in uses:
        verdict = credit.terms.verdict(use)
        if verdict == "forbidden":
            yield f"'{asset}': its licence {licence} {_NOT_ALLOWED[use]}"
        elif verdict == "unknown":
            why = f"its licence '{licence}' is not known here; read it, or" if licence else "no licence is stated;"
            yield f"'{asset}': nothing says that {_NOT_KNOWN[use]}: {why} ask the creator"
    if not uses and not licence:
        yield f"'{asset}': no licence is stated; ask the creator before you use it"
    if "credit" in credit.terms.demands and not credit.creator:
        yield f"'{asset}': its licence {licence} demands that the creator is named, but who that is is not stated"
