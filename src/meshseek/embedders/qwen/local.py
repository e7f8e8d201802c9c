"""Qwen3-VL-Embedding on this machine, through sentence-transformers.

Li et al., 2026: an embedding is the last token's hidden state, cut short (Matryoshka) and normalised.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from PIL import Image as Pillow

from meshseek.embedders import Embedder, EmbedderOptions
from meshseek.embedders._torch.checkpoints import Checkpoint, find_checkpoint
from meshseek.embedders.qwen.models import INSTRUCTIONS, MAX_CHARACTERS
from meshseek.embedders.qwen.pixels import CellSize
from meshseek.errors import EmbedderError
from meshseek.images import BACKGROUND
from meshseek.model import Role, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

try:
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.base.modules import transformer
    from transformers import AutoTokenizer, Qwen2VLImageProcessorPil, Qwen3VLProcessor
    from transformers.utils import logging as transformers_logging

    from meshseek.embedders._torch.device import Batches, batch_size, choose_device, half_precision
except ImportError as error:
    raise EmbedderError(f"'qwen' cannot start here ({error}); run: pip install 'meshseek[qwen]'") from error

DEFAULT_MODEL: Final = "Qwen/Qwen3-VL-Embedding-2B"
KINDS: Final = {"qwen3_vl"}
DEFAULT_DIM: Final = 1024
VIEWS: Final = 8
MAX_PIXELS: Final = 512 * 512
"""Of a picture: the model makes a token of 32 x 32 pixels, and reads several views at a time."""
ITEMS_ON_CPU, ITEMS_PER_GIGABYTE = 8, 1.0

_LOADING = Lock()
transformers_logging.set_verbosity_error()  # type: ignore[no-untyped-call]
transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]


class QwenLocal(Embedder):
    """Any Qwen3-VL-Embedding checkpoint. Threads may share it; they take turns."""

    def __init__(self, options: EmbedderOptions) -> None:
        super().__init__(options)
        self._device = choose_device(options.device)
        checkpoint = find_checkpoint(options, DEFAULT_MODEL, KINDS)
        self._model, self._fit = _load(checkpoint, self._device)
        self._batches = Batches(batch_size(self._device, per_gigabyte=ITEMS_PER_GIGABYTE, on_cpu=ITEMS_ON_CPU))
        self._turn = Lock()
        self._space = Space(
            embedder="qwen",
            model=checkpoint.model,
            revision=checkpoint.revision,
            dim=_dim(checkpoint.model, int(self._model.get_embedding_dimension() or 0), options.dim),
            preprocessing=(
                f"first {MAX_CHARACTERS} characters; {VIEWS} views together, at most {self._fit.most} pixels each, "
                f"Pillow {Pillow.Resampling(self._fit.resample).name.lower()}, background #{bytes(BACKGROUND).hex()}"
            ),
        )

    @property
    def space(self) -> Space:
        """Where this embedder's vectors are comparable."""
        return self._space

    def embed_texts(self, texts: Sequence[str], *, role: Role) -> NDArray[np.float32]:
        """Embed texts with the instruction for their role.

        Returns:
            Unit vectors, float32, shape ``(len(texts), dim)``.
        """
        # A bare string that names a file or a URL would be opened: a dictionary says that it is text.
        return self._embed([{"text": _harmless(text)} for text in texts], role)

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed RGB images of any size, as queries.

        Returns:
            Unit vectors, float32, shape ``(len(images), dim)``.
        """
        return self._embed([{"image": self._fit(image)} for image in images], "query")

    @property
    def views_together(self) -> int:
        """The model reads several views of an asset at a time."""
        return VIEWS

    def image_preparer(self) -> Callable[[Image], Image]:
        """Resizes as the model's processor would, so that little has to be sent between processes."""
        return self._fit

    def embed_prepared(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed single views, each by itself, as documents."""
        return self._embed([{"image": image} for image in images], "document")

    def embed_together(self, views: Sequence[Sequence[Image]]) -> NDArray[np.float32]:
        """Embed each asset's views as one document.

        Returns:
            Unit vectors, float32, shape ``(len(views), dim)``.
        """
        return self._embed([{"image": list(own)} for own in views], "document")

    def _embed(self, items: Sequence[dict[str, Any]], role: Role) -> NDArray[np.float32]:
        if not items:
            return np.empty((0, self.dim), np.float32)

        def forward(batch: Sequence[dict[str, Any]]) -> torch.Tensor:
            vectors = self._model.encode(
                list(batch),
                prompt=INSTRUCTIONS[role],
                batch_size=len(batch),
                convert_to_tensor=True,
                show_progress_bar=False,
            )
            return torch.nn.functional.normalize(vectors[:, : self.dim].float(), dim=1).cpu()

        with self._turn:
            vectors: NDArray[np.float32] = torch.cat(self._batches.run(items, forward)).numpy()
        return vectors


class _WithoutVideo(Qwen3VLProcessor):
    """Qwen's processor less its video part, which needs torchvision: there are no videos here."""

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template)  # type: ignore[no-untyped-call]


def _load(checkpoint: Checkpoint, device: torch.device) -> tuple[SentenceTransformer, CellSize]:
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(checkpoint.folder, local_files_only=True)
        # Always Pillow's: torchvision's resizing gives slightly other pixels.
        pictures: Any = Qwen2VLImageProcessorPil.from_pretrained(checkpoint.folder, local_files_only=True)
        most = min(MAX_PIXELS, pictures.size["longest_edge"])
        fit = CellSize(
            pictures.patch_size * pictures.merge_size, pictures.size["shortest_edge"], most, int(pictures.resample)
        )
        pictures.do_resize = False
        with _processor(_WithoutVideo(pictures, tokenizer, tokenizer.chat_template)):
            model = SentenceTransformer(
                str(checkpoint.folder),
                device=str(device),
                local_files_only=True,
                model_kwargs={"dtype": half_precision(device), "attn_implementation": "sdpa"},
            )
    except torch.OutOfMemoryError as error:
        raise EmbedderError(
            f"'{checkpoint.model}' does not fit into the memory of {device}; choose a smaller one"
        ) from error
    except Exception as error:  # the libraries raise whatever their parts do on damaged files
        reason = str(error).partition("\n")[0]
        raise EmbedderError(f"{checkpoint.folder} cannot be read ({reason}); fetch it again") from error
    return model.eval(), fit


@contextmanager
def _processor(processor: Any) -> Iterator[None]:
    """Let sentence-transformers take this processor: it has no parameter for one."""
    loader: Any = transformer
    with _LOADING:
        usual = loader.AutoProcessor
        loader.AutoProcessor = SimpleNamespace(from_pretrained=lambda *_, **__: processor)
        try:
            yield
        finally:
            loader.AutoProcessor = usual


def _dim(model: str, full: int, wanted: int | None) -> int:
    if wanted is None:
        return min(DEFAULT_DIM, full)
    if wanted > full:
        raise EmbedderError(f"'{model}' gives vectors of {full} numbers at most, not {wanted}; choose a smaller --dim")
    return wanted


def _harmless(text: str) -> str:
    """Text that the tokenizer can read, and that holds none of the model's own marks, such as the one for an image."""
    return text[:MAX_CHARACTERS].replace("<|", "< |").encode(errors="replace").decode()
