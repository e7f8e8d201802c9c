"""Qwen3-VL-Embedding on this machine, through transformers.

Li et al., 2026: the instruction is the system's message and the item the user's; an embedding is the hidden state of
the last token, cut short (Matryoshka) and normalised.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image as Pillow

from meshseek.embedders import Embedder, EmbedderOptions
from meshseek.embedders._torch.checkpoints import find_checkpoint
from meshseek.embedders._vectors import to_unit_length
from meshseek.embedders.qwen.models import INSTRUCTIONS, MAX_CHARACTERS
from meshseek.errors import EmbedderError
from meshseek.images import BACKGROUND
from meshseek.model import Role, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

try:
    import torch

    from meshseek.embedders._torch.device import Batches, batch_size, choose_device
    from meshseek.embedders._torch.loading import load_model, reading
    from meshseek.embedders.qwen.messages import Part, picture, read_processor, words
except ImportError as error:
    raise EmbedderError(f"'qwen' cannot start here ({error}); run: pip install 'meshseek[qwen]'") from error

DEFAULT_MODEL: Final = "Qwen/Qwen3-VL-Embedding-2B"
KINDS: Final = {"qwen3_vl"}
DEFAULT_DIM: Final = 1024
VIEWS: Final = 8
ITEMS_ON_CPU, ITEMS_PER_GIGABYTE = 8, 1.0
ST_SETTINGS: Final = "sentence_bert_config.json"
"""What a checkpoint tells sentence-transformers about its prompt."""


class QwenLocal(Embedder):
    """Any Qwen3-VL-Embedding checkpoint. Threads may share it; they take turns."""

    def __init__(self, options: EmbedderOptions) -> None:
        super().__init__(options)
        self._device = choose_device(options.device)
        checkpoint = find_checkpoint(options, DEFAULT_MODEL, KINDS, "qwen")
        with reading(checkpoint, self._device, "qwen"):
            self._processor, self._fit = read_processor(checkpoint.folder)
            self._answer_begins = _answer_begins(checkpoint.folder)
            self._model = load_model(checkpoint, self._device)
        self._batches = Batches(batch_size(self._device, per_gigabyte=ITEMS_PER_GIGABYTE, on_cpu=ITEMS_ON_CPU))
        self._turn = Lock()
        self._space = Space(
            embedder="qwen",
            model=checkpoint.model,
            revision=checkpoint.revision,
            dim=_dim(checkpoint.model, self._model.config.text_config.hidden_size, options.dim),
            preprocessing=(
                f"first {MAX_CHARACTERS} characters; {VIEWS} views together, at most {self._fit.most} pixels each, "
                f"Pillow {Pillow.Resampling(self._fit.resample).name.lower()}, background #{bytes(BACKGROUND).hex()}"
            ),
        )

    @classmethod
    def lacks(cls, options: EmbedderOptions) -> str | None:
        """Whether the weights are here."""
        try:
            find_checkpoint(options, DEFAULT_MODEL, KINDS, "qwen", fetch=False)
        except EmbedderError as error:
            return str(error)
        return None

    @property
    def is_on_device(self) -> bool:
        """Whether it computes on a GPU."""
        return self._device.type != "cpu"

    @property
    def space(self) -> Space:
        """Where this embedder's vectors are comparable."""
        return self._space

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Embed texts with the instruction for their role.

        Returns:
            Unit vectors, float32, shape ``(len(texts), dim)``.
        """
        return self._embed([[words(text)] for text in texts], role)

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed RGB images of any size, as queries.

        Returns:
            Unit vectors, float32, shape ``(len(images), dim)``.
        """
        return self._embed([[picture(self._fit(image))] for image in images], "query")

    @property
    def views_together(self) -> int:
        """The model reads several views of an asset at a time."""
        return VIEWS

    def image_preparer(self) -> Callable[[Image], Image]:
        """Resizes as the model's processor would, so that little has to be sent between processes."""
        return self._fit

    def embed_prepared(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed single views, each by itself, as documents."""
        return self._embed([[picture(image)] for image in images], "document")

    def embed_together(self, views: Sequence[Sequence[Image]]) -> NDArray[np.float32]:
        """Embed each asset's views as one document.

        Returns:
            Unit vectors, float32, shape ``(len(views), dim)``.
        """
        return self._embed([[picture(image) for image in images] for images in views], "document")

    def _embed(self, items: Sequence[list[Part]], role: Role) -> NDArray[np.float32]:
        if not items:
            return np.empty((0, self.dim), np.float32)
        instruction = [words(INSTRUCTIONS[role])]

        @torch.inference_mode()
        def forward(batch: Sequence[list[Part]]) -> torch.Tensor:
            inputs = self._processor.apply_chat_template(
                [[{"role": "system", "content": instruction}, {"role": "user", "content": item}] for item in batch],
                tokenize=True,
                add_generation_prompt=self._answer_begins,
                return_dict=True,
                return_tensors="pt",
                processor_kwargs={"text_kwargs": {"padding": True}},
            )
            hidden: torch.Tensor = self._model(**inputs.to(self._device), use_cache=False).last_hidden_state
            # Padded on the left, so that the last position is every item's last token.
            return hidden[:, -1, : self.dim].float().cpu()

        # One at a time: the processor's and the model's settings belong to the batch under way.
        with self._turn:
            return to_unit_length(torch.cat(self._batches.run(items, forward)).numpy())


def _answer_begins(folder: Path) -> bool:
    """Whether the beginning of an answer follows the item, so that the last token is the answer's.

    So it was trained. A checkpoint that was made with sentence-transformers says for itself how it was.
    """
    file = folder / ST_SETTINGS
    if not file.is_file():
        return True
    settings: dict[str, Any] = json.loads(file.read_bytes())
    template: dict[str, Any] = settings.get("processing_kwargs", {}).get("chat_template", {})
    return bool(template.get("add_generation_prompt", False))


def _dim(model: str, full: int, wanted: int | None) -> int:
    if wanted is None:
        return min(DEFAULT_DIM, full)
    if wanted > full:
        raise EmbedderError(
            f"'{model}' gives vectors of at most {full} dimensions, not {wanted}; choose a smaller --dim"
        )
    return wanted
