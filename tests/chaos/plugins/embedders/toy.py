"""The toy algorithm as a plug-in of the command line."""

from __future__ import annotations

from tests import toy

HIDDEN = True


class Toy(toy.Toy):
    """See :mod:`tests.toy`."""
