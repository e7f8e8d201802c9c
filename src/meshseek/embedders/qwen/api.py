"""Qwen's embedding models hosted by DashScope, over its multimodal embedding endpoint."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from meshseek.embedders import Embedder, EmbedderOptions, PartlyEmbeddedError
from meshseek.embedders.qwen.models import DEFAULT_HOSTED, HOSTED_MODELS, INSTRUCTIONS, MAX_CHARACTERS
from meshseek.embedders.qwen.wire import (
    QUALITY,
    SIDE,
    Content,
    encode_picture,
    read_vectors,
    request_tokens,
)
from meshseek.errors import EmbedderError, HostedError, HostedItemError
from meshseek.hosted import HostedClient, HostedOptions, count_tokens
from meshseek.images import BACKGROUND
from meshseek.model import Estimate, Role, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

PATH: Final = "/api/v1/services/embeddings/multimodal-embedding/multimodal-embedding"
ANSWER_SECONDS: Final = 1.0
"""About how long the service takes, for estimates."""
SUSPICIOUS: Final = 8
"""If so many items are all refused for the same reason, it is not the items that are wrong."""
Item = list[Content]
"""The contents that make one vector."""


class QwenApi(Embedder):
    """One hosted model. Threads may share it. Nothing is sent before the first vector is wanted."""

    def __init__(self, options: EmbedderOptions) -> None:
        super().__init__(options)
        model = options.model or DEFAULT_HOSTED
        if model not in HOSTED_MODELS:
            raise EmbedderError(f"there is no hosted model '{model}'; choose one of: {', '.join(HOSTED_MODELS)}")
        self._model = HOSTED_MODELS[model]
        dim = options.dim or self._model.dim
        if dim not in self._model.dims:
            lengths = ", ".join(map(str, self._model.dims))
            raise EmbedderError(
                f"'{model}' gives vectors of {lengths} dimensions, not {dim}; choose one of these as --dim"
            )
        self._space = Space(
            embedder="qwen",
            model=model,
            revision="hosted",
            dim=dim,
            preprocessing=(
                f"first {self._characters} characters; {self._model.views} views together, at most {SIDE} px, "
                f"JPEG {QUALITY}, background #{bytes(BACKGROUND).hex()}"
            ),
        )

    @classmethod
    def lacks(cls, options: EmbedderOptions) -> str | None:
        """Whether there is a key; whether it is good only the service could tell."""
        if options.hosted is None or options.hosted.api_key is None:
            return f"'{options.model or DEFAULT_HOSTED}' is hosted; set MESHSEEK_DASHSCOPE_API_KEY"
        return None

    @property
    def space(self) -> Space:
        """Where this embedder's vectors are comparable."""
        return self._space

    @property
    def views_together(self) -> int:
        """As many views as the service makes one vector of."""
        return self._model.views

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Embed texts in English or Chinese.

        Returns:
            Unit vectors, float32, shape ``(len(texts), dim)``.

        Raises:
            PartlyEmbeddedError: Some were refused, or the service cannot go on.
        """
        items: list[Item] = [[{"text": self._cut(text)}] for text in texts]
        return self._embed(items, role, self._model.contents)

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed RGB images of any size, as queries; otherwise like ``embed_texts``."""
        return self._embed([[{"image": encode_picture(image)}] for image in images], "query", self._model.images)

    def image_preparer(self) -> Callable[[Image], str]:
        """Makes pictures small and encodes them."""
        return encode_picture

    def embed_prepared(self, images: Sequence[str]) -> NDArray[np.float32]:
        """Embed encoded pictures, each by itself, as documents."""
        return self._embed([[{"image": image}] for image in images], "document", self._model.images)

    def embed_together(self, views: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """Embed each asset's encoded views as one vector."""
        if self._model.together == "fusion":
            return self._embed([[{"image": image} for image in asset] for asset in views], "document", 1, fused=True)
        assets = max(1, self._model.images // self._model.views)
        return self._embed([[{"multi_images": list(asset)}] for asset in views], "document", assets)

    def estimate_texts(self, texts: Sequence[str]) -> Estimate:
        """What embedding these texts would cost."""
        tokens = sum(count_tokens(self._cut(text)) for text in texts)
        return self._estimate(len(texts), math.ceil(len(texts) / self._model.contents), tokens, self._model.text_price)

    def estimate_views(self, views: Sequence[int]) -> Estimate:
        """What embedding so many views of each asset would cost."""
        together = 1 if self._model.together == "fusion" else max(1, self._model.images // self._model.views)
        tokens = self._model.image_tokens * sum(views)
        return self._estimate(len(views), math.ceil(len(views) / together), tokens, self._model.image_price)

    def _estimate(self, items: int, requests: int, tokens: int, price: float) -> Estimate:
        hosted = self._hosted
        minutes = max(requests / hosted.requests_per_minute, tokens / hosted.tokens_per_minute)
        return Estimate(
            service=f"{self._space.model} at {hosted.host}",
            items=items,
            requests=requests,
            input_tokens=tokens,
            output_tokens=0,
            price=tokens / 1000 * price,
            seconds=max(60 * minutes, requests * ANSWER_SECONDS / hosted.concurrency),
        )

    @property
    def _characters(self) -> int:
        """How much of a text is sent: at worst a character is a token."""
        return min(MAX_CHARACTERS, self._model.text_tokens)

    def _cut(self, text: str) -> str:
        """What is sent of a text: something, and nothing that JSON cannot hold."""
        return text[: self._characters].encode(errors="replace").decode().strip() or "-"

    @property
    def _hosted(self) -> HostedOptions:
        if self.options.hosted is None:
            raise EmbedderError(f"'{self._space.model}' is hosted; set MESHSEEK_DASHSCOPE_API_KEY")
        return self.options.hosted

    @cached_property
    def _client(self) -> HostedClient:
        return HostedClient(self._hosted)

    def _embed(
        self, items: Sequence[Item], role: Role, per_request: int, *, fused: bool = False
    ) -> NDArray[np.float32]:
        parameters: dict[str, Any] = {"output_type": "dense"}
        if len(self._model.dims) > 1:
            parameters["dimension"] = self.dim
        if self._model.instruct:
            parameters["instruct"] = INSTRUCTIONS[role]
        if fused:
            parameters["enable_fusion"] = True
        job = _Job(self._client, self._space, parameters, role == "query", items)
        numbers = range(len(items))
        requests = [numbers[start : start + per_request] for start in range(0, len(items), per_request)]
        if len(requests) > 1:
            with ThreadPoolExecutor(self._hosted.concurrency) as pool:
                list(pool.map(job.ask, requests))
        elif requests:
            job.ask(requests[0])
        return job.result()


@dataclass(slots=True)
class _Job:
    """Requests for the vectors of some items, and what came of them; several threads add to it, each other items."""

    client: HostedClient
    space: Space
    parameters: Mapping[str, Any]
    soon: bool
    """Whether somebody waits for it."""
    items: Sequence[Item]
    vectors: dict[int, NDArray[np.float32]] = field(default_factory=dict)
    reasons: dict[int, str] = field(default_factory=dict)
    stop: HostedError | None = None

    def ask(self, numbers: Sequence[int], *, again: bool = True) -> None:
        """Send one request; one that is refused is divided until the item is found that it is refused for."""
        if self.stop is not None:
            self.reasons.update(dict.fromkeys(numbers, f"not sent: {self.stop}"))
            return
        contents = [content for number in numbers for content in self.items[number]]
        body = {"model": self.space.model, "input": {"contents": contents}, "parameters": dict(self.parameters)}
        try:
            answer = self.client.post(PATH, body, tokens=request_tokens(contents), soon=self.soon)
        except HostedItemError as error:
            self._divide(numbers, str(error))
        except HostedError as error:
            self.stop = error
            self.reasons.update(dict.fromkeys(numbers, str(error)))
        else:
            self._take(numbers, answer, again=again)

    def _divide(self, numbers: Sequence[int], reason: str) -> None:
        if len(numbers) == 1:
            self.reasons[numbers[0]] = reason
            return
        # Halves, not one by one: one bad item among twenty costs about ten requests, and no item is paid twice.
        middle = len(numbers) // 2
        self.ask(numbers[:middle])
        self.ask(numbers[middle:])

    def _take(self, numbers: Sequence[int], answer: Mapping[str, Any], *, again: bool) -> None:
        """Take the vectors by their index; those that are missing or no vectors are asked for once more."""
        vectors = read_vectors(answer, len(numbers), self.space.dim)
        for position, vector in vectors.items():
            self.vectors[numbers[position]] = vector
        missing = [number for position, number in enumerate(numbers) if position not in vectors]
        if missing and again:
            self.ask(missing, again=False)
        elif missing:
            reason = f"the service gave no vector of {self.space.dim} numbers for it"
            self.reasons.update(dict.fromkeys(missing, reason))

    def result(self) -> NDArray[np.float32]:
        """Unit vectors in the order of the items, shape ``(n, dim)``.

        Raises:
            PartlyEmbeddedError: Some are missing.
        """
        vectors = np.zeros((len(self.items), self.space.dim), np.float32)
        for number, vector in self.vectors.items():
            vectors[number] = vector
        if self.reasons:
            raise PartlyEmbeddedError(vectors, self.reasons, self.stop or self._everywhere())
        return vectors

    def _everywhere(self) -> HostedError | None:
        """An error where every one of many items failed for one reason."""
        if len(self.reasons) < max(SUSPICIOUS, len(self.items)) or len(set(self.reasons.values())) > 1:
            return None
        reason = next(iter(self.reasons.values()))
        return HostedError(f"all {len(self.items)} items in a row failed ({reason}); check the model and the account")
