"""What both engines of Qwen share, and DashScope's models: what each takes, gives and costs, as documented in 2026."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

from meshseek.model import Role


@dataclass(frozen=True, slots=True, kw_only=True)
class HostedModel:
    """One hosted model."""

    dims: tuple[int, ...]
    """Lengths that it can give; with a single one it cannot be chosen."""
    dim: int
    """The one we ask for."""
    text_tokens: int
    """How much of a text it reads."""
    contents: int
    """Texts in a request at most."""
    images: int
    """Images in a request at most."""
    together: Literal["fusion", "multi_images"]
    """How several images become one vector: as separate contents of a fused request, or as one content."""
    views: int
    """Views of an asset that are made into one vector."""
    image_tokens: int
    """About what a picture of the size we send counts."""
    text_price: float
    image_price: float
    """Yuan for a thousand tokens."""
    instruct: bool
    """Whether it takes an instruction."""


MAX_CHARACTERS: Final = 6000
"""How much of a text either engine reads."""
INSTRUCTIONS: Final[Mapping[Role, str]] = {
    "query": "Retrieve images or text relevant to the user's query.",
    "document": "Represent the user's input.",
}
"""For either engine, in English as the model's authors advise."""
DEFAULT_HOSTED: Final = "qwen3-vl-embedding"

HOSTED_MODELS: Final[Mapping[str, HostedModel]] = {
    "qwen3-vl-embedding": HostedModel(
        dims=(2560, 2048, 1536, 1024, 768, 512, 256),
        dim=1024,
        text_tokens=32_000,
        contents=20,
        images=5,
        together="fusion",
        views=5,
        image_tokens=258,
        text_price=0.0007,
        image_price=0.0018,
        instruct=True,
    ),
    "tongyi-embedding-vision-plus": HostedModel(
        dims=(1152,),
        dim=1152,
        text_tokens=1024,
        contents=20,
        images=8,
        together="multi_images",
        views=8,
        image_tokens=402,
        text_price=0.0005,
        image_price=0.0005,
        instruct=False,
    ),
    "tongyi-embedding-vision-flash": HostedModel(
        dims=(768,),
        dim=768,
        text_tokens=1024,
        contents=20,
        images=8,
        together="multi_images",
        views=8,
        image_tokens=402,
        text_price=0.00015,
        image_price=0.00015,
        instruct=False,
    ),
    "tongyi-embedding-vision-plus-2026-03-06": HostedModel(
        dims=(1152, 1024, 512, 256, 128, 64),
        dim=1024,
        text_tokens=1024,
        contents=20,
        images=64,
        together="multi_images",
        views=8,
        image_tokens=402,
        text_price=0.0005,
        image_price=0.0005,
        instruct=True,
    ),
    "tongyi-embedding-vision-flash-2026-03-06": HostedModel(
        dims=(768, 512, 256, 128, 64),
        dim=768,
        text_tokens=1024,
        contents=20,
        images=64,
        together="multi_images",
        views=8,
        image_tokens=402,
        text_price=0.00015,
        image_price=0.00015,
        instruct=True,
    ),
}
