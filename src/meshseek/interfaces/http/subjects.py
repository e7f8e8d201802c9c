"""What routes are about, by which the API's description groups them."""

from __future__ import annotations

from enum import StrEnum


class Subject(StrEnum):
    """One of them; programs that make a client of the description put the routes of each in a module of its own."""

    SEARCH = "search"
    LIBRARY = "library"
    COLLECTING = "collecting"
    SERVICE = "service"


TOLD = {
    Subject.SEARCH: "Find assets",
    Subject.LIBRARY: "What there is, and each asset with its files",
    Subject.COLLECTING: "Take assets away, and name whom to name for them",
    Subject.SERVICE: "How the service stands, and what the caller may do",
}
TAGS = [{"name": str(subject), "description": told} for subject, told in TOLD.items()]
"""As OpenAPI has them."""
