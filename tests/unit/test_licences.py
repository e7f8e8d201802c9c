"""What licences permit and demand, and the words for it."""

from __future__ import annotations

import pytest

from meshseek.licences import USES, terms

BY = "https://creativecommons.org/licenses"


@pytest.mark.parametrize(
    ("licence", "verdicts", "demands", "url"),
    [
        ("CC0-1.0", "allowed allowed allowed", (), "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("Public Domain Mark 1.0", "allowed allowed allowed", (), "https://creativecommons.org/publicdomain/mark/1.0/"),
        ("CC-PDM-1.0", "allowed allowed allowed", (), "https://creativecommons.org/publicdomain/mark/1.0/"),
        ("Unlicense", "allowed allowed allowed", (), "https://spdx.org/licenses/Unlicense.html"),
        ("public domain", "allowed allowed allowed", (), None),
        ("CC-BY-4.0", "allowed allowed forbidden", ("credit",), f"{BY}/by/4.0/"),
        ("CC BY 3.0 US", "allowed allowed forbidden", ("credit",), f"{BY}/by/3.0/us/"),
        ("cc-by-4.0-international", "allowed allowed forbidden", ("credit",), f"{BY}/by/4.0/"),
        ("by", "allowed allowed forbidden", ("credit",), None),
        ("CC-BY-SA-4.0", "allowed allowed forbidden", ("credit", "share-alike"), f"{BY}/by-sa/4.0/"),
        ("CC-BY-NC-4.0", "forbidden allowed forbidden", ("credit",), f"{BY}/by-nc/4.0/"),
        ("CC-BY-ND-2.0", "allowed forbidden forbidden", ("credit",), f"{BY}/by-nd/2.0/"),
        ("CC-BY-NC-ND-4.0", "forbidden forbidden forbidden", ("credit",), f"{BY}/by-nc-nd/4.0/"),
        (
            "Attribution-NonCommercial-ShareAlike",
            "forbidden allowed forbidden",
            ("credit", "share-alike"),
            None,
        ),
        (
            "http://creativecommons.org/licenses/by-nc-sa/4.0/",
            "forbidden allowed forbidden",
            ("credit", "share-alike"),
            f"{BY}/by-nc-sa/4.0/",
        ),
        ("MIT", "allowed allowed forbidden", ("notice",), "https://spdx.org/licenses/MIT.html"),
        ("GPL-3.0-only", "allowed allowed forbidden", ("notice", "share-alike"), None),
        ("Free Art License 1.3", "allowed allowed forbidden", ("credit", "share-alike"), None),
        ("CC-BY-4.0, but ask me first", "unknown unknown unknown", (), None),
        ("https://creativecommons.org/licenses/evil/4.0/", "unknown unknown unknown", (), None),
        ("Editorial", "unknown unknown unknown", (), None),
        ("", "unknown unknown unknown", (), None),
    ],
)
def test_what_a_licence_says(licence: str, verdicts: str, demands: tuple[str, ...], url: str | None) -> None:
    """Of each use whether it is allowed, what is demanded, and where the text is; nothing where it is not known."""
    said = terms(licence)

    assert " ".join(said.verdict(use) for use in USES) == verdicts
    assert said.demands == demands
    assert said.url == url
    assert said.licence == licence


CREDIT = "Name the creator and the licence"
CHANGES = f"{CREDIT}, and say what you changed."


@pytest.mark.parametrize(
    ("licence", "words"),
    [
        ("CC0-1.0", "May be used for anything, changed or not; nobody need be named."),
        ("CC-BY-4.0", f"May be used commercially and changed. {CHANGES}"),
        (
            "CC-BY-SA-4.0",
            f"May be used commercially and changed. {CHANGES} Pass changed versions on under the same licence.",
        ),
        ("CC-BY-ND-4.0", f"May be used commercially, but no changed version may be passed on. {CREDIT}."),
        ("CC-BY-NC-4.0", f"May be changed, but not used commercially. {CHANGES}"),
        ("CC-BY-NC-ND-4.0", f"May not be used commercially, and no changed version may be passed on. {CREDIT}."),
        (
            "MIT",
            "May be used commercially and changed. Keep its copyright notice and the text of the licence with it.",
        ),
        ("Editorial", "What this licence permits is not known here: read it, or ask the creator."),
        ("", "No licence is stated: ask the creator before you use it."),
    ],
)
def test_a_licence_in_plain_words(licence: str, words: str) -> None:
    """One line that says what may be done and what must be."""
    assert terms(licence).words == words
