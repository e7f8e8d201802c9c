"""One query as a vector."""

from __future__ import annotations

from typing import TYPE_CHECKING

from meshseek.embedders import Embedder, PartlyEmbeddedError
from meshseek.errors import HostedItemError
from meshseek.search.phrases import without_quotes
from meshseek.search.query import Query

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def embed_query(embedder: Embedder, query: Query) -> NDArray[np.float32]:
    """The vector of a query, shape ``(dim,)``; quotes are no part of what words mean.

    Raises:
        HostedError: A hosted model cannot be asked, or refuses this query.
    """
    try:
        if query.image is not None:
            vectors = embedder.embed_images([query.image])
        else:
            vectors = embedder.embed_texts([without_quotes(query.text or "")], role="query")
    except PartlyEmbeddedError as error:
        raise error.stop or HostedItemError(str(error)) from error
    vector: NDArray[np.float32] = vectors[0]
    return vector
