"""The pieces of HTML on the page, from the templates in ``pieces``; whatever is put into them is escaped."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from meshseek.interfaces.ui.wording import Wording


def piece(name: str, wording: Wording, /, **given: Any) -> Markup:
    """A piece of the page.

    Args:
        name: Of the template, without its ending.
        wording: What says its words.
        given: What it shows.
    """
    return Markup(_environment().get_template(f"{name}.html").render(t=wording, **given))  # noqa: S704  # escaped by it


def notice(wording: Wording, text: str, kind: str = "problem") -> Markup:
    """One sentence about the whole page: a ``problem``, something ``waiting``, or a hint."""
    return piece("notice", wording, notices=[{"text": text, "kind": kind, "waiting": kind == "waiting"}])


@cache
def _environment() -> Environment:
    loader = FileSystemLoader(Path(__file__).with_name("pieces"))
    return Environment(
        loader=loader,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        auto_reload=False,
    )
