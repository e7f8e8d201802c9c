"""The quick pictures as a plug-in of the command line."""

from __future__ import annotations

from tests import living


class Tints(living.Tints):
    """See :mod:`tests.living`."""
