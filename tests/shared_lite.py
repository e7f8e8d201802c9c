"""One ``lite`` for all tests of a process, as one service has one: loading it takes two seconds."""

from __future__ import annotations

from meshseek.embedders import EMBEDDERS, Embedder, EmbedderOptions

_load = EMBEDDERS.load
_loaded: dict[tuple[object, ...], Embedder] = {}


def shared_lite(options: EmbedderOptions | None = None) -> Embedder:
    """The one for these options."""
    options = options or EmbedderOptions()
    asked = (options.model, options.languages)
    if asked not in _loaded:
        _loaded[asked] = _load("lite")(options)
    return _loaded[asked]
