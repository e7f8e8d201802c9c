"""``siglip``: Google's SigLIP and SigLIP 2, which see words and pictures in one space.

SigLIP: Zhai et al., 2023, arXiv:2303.15343; SigLIP 2 and NaFlex: Tschannen et al., 2025, arXiv:2502.14786.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from meshseek.embedders import Embedder, EmbedderOptions
from meshseek.embedders._torch.checkpoints import Checkpoint, find_checkpoint, first_line
from meshseek.embedders._vectors import to_unit_length
from meshseek.embedders.siglip.pixels import FixedSize, Patches
from meshseek.errors import EmbedderError
from meshseek.images import BACKGROUND
from meshseek.model import Language, Role, Space

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

try:
    import torch
    from transformers import AutoTokenizer, Siglip2ImageProcessorPil, SiglipImageProcessorPil

    from meshseek.embedders._torch.device import Batches, batch_size, choose_device
    from meshseek.embedders._torch.loading import load_model, reading
    from meshseek.embedders.siglip import onnx
except ImportError as error:
    raise EmbedderError(f"'siglip' cannot start ({first_line(error)}); run: pip install 'meshseek[siglip]'") from error

DEFAULT_ON_CPU: Final = "google/siglip2-base-patch16-256"
DEFAULT_ON_GPU: Final = "google/siglip2-so400m-patch14-384"
PROCESSORS: Final[dict[str, Any]] = {"siglip": SiglipImageProcessorPil, "siglip2": Siglip2ImageProcessorPil}
"""By the kind of checkpoint; never torchvision's, whose pixels differ a little."""
TOKENIZERS: Final = ("tokenizer.json", "spiece.model")
MAX_CHARACTERS: Final = 10_000
"""How much of a text is tokenized; the model reads 64 tokens."""
TEXTS_ON_CPU: Final = 32
IMAGES_ON_CPU: Final = 8
TEXTS_PER_GIGABYTE: Final = 32.0
IMAGES_PER_GIGABYTE: Final = 4.0


class Siglip(Embedder):
    """Any checkpoint of SigLIP 1, of SigLIP 2 with a fixed size, or of NaFlex. Threads may share it."""

    languages: tuple[Language, ...] = ("english",)
    weak_languages: ClassVar[tuple[Language, ...]] = ("chinese",)

    def __init__(self, options: EmbedderOptions) -> None:
        super().__init__(options)
        self._device = choose_device(options.device)
        checkpoint = find_checkpoint(options, _default(self._device), PROCESSORS, "siglip")
        self._model, self._tokenizer, processor = _load(checkpoint, self._device)
        self._tokenizing = Lock()
        self._pixels = _resizer(processor, checkpoint)
        self._scale = float(processor.rescale_factor)
        self._mean, self._std = (
            torch.tensor(values, device=self._device).reshape(3, 1, 1)
            for values in (processor.image_mean, processor.image_std)
        )
        self._length = int(self._model.config.text_config.max_position_embeddings)
        self._texts = Batches(batch_size(self._device, per_gigabyte=TEXTS_PER_GIGABYTE, on_cpu=TEXTS_ON_CPU))
        self._images = Batches(batch_size(self._device, per_gigabyte=IMAGES_PER_GIGABYTE, on_cpu=IMAGES_ON_CPU))
        self._space = self._describe(checkpoint)
        self._onnx = self._load_onnx()

    @classmethod
    def lacks(cls, options: EmbedderOptions) -> str | None:
        """Whether the weights are here."""
        try:
            find_checkpoint(options, _default(choose_device(options.device)), PROCESSORS, "siglip", fetch=False)
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
        """Embed texts, lower-cased; queries by the ONNX form where there is one.

        Returns:
            Unit vectors, float32, shape ``(len(texts), dim)``.
        """
        if not texts:
            return np.empty((0, self.dim), np.float32)
        if self._onnx is not None and role == "query":
            return to_unit_length(self._onnx(self._token_ids(texts).numpy()))
        return to_unit_length(torch.cat(self._texts.run(texts, self._text_features)).numpy())

    def embed_images(self, images: Sequence[Image]) -> NDArray[np.float32]:
        """Embed RGB images of any size.

        Returns:
            Unit vectors, float32, shape ``(len(images), dim)``.
        """
        return self.embed_prepared([self._pixels(image) for image in images])

    def image_preparer(self) -> Callable[[Image], NDArray[np.uint8]]:
        """Resizes a picture with Pillow: uint8, ``(3, height, width)``."""
        return self._pixels

    def embed_prepared(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Embed resized pictures.

        Returns:
            Unit vectors, float32, shape ``(len(images), dim)``.
        """
        if not images:
            return np.empty((0, self.dim), np.float32)
        return to_unit_length(torch.cat(self._images.run(images, self._image_features)).numpy())

    def export_onnx(self) -> str:
        """Write the text tower as ONNX, which embeds queries faster on a CPU; returns a sentence about it.

        Raises:
            EmbedderError: It cannot be written, or there is no folder for it.
        """
        folder = self._onnx_folder
        if folder is None:
            raise EmbedderError("the ONNX export is for CPUs, and is kept in a workspace; set MESHSEEK_DEVICE=cpu")
        report = onnx.export(self._model.text_model, self._samples(), folder)
        self._onnx = self._load_onnx()
        return (
            f"{folder}: the ONNX form in full precision differs from the original by at most "
            f"{report.full_difference:.1e}, the one in 8 bits has a cosine of at least {report.int8_cosine:.4f}; "
            f"queries now use {report.used if self._onnx else 'neither'}"
        )

    @property
    def _onnx_folder(self) -> Path | None:
        if self.options.cache_dir is None or self._device.type != "cpu":
            return None
        return self.options.cache_dir / "onnx" / self._space.revision

    def _load_onnx(self) -> onnx.OnnxText | None:
        if self._onnx_folder is None:
            return None
        return onnx.load(self._onnx_folder, self._model.text_model, self._samples())

    def _samples(self) -> torch.Tensor:
        return self._token_ids(onnx.SAMPLES)

    def _describe(self, checkpoint: Checkpoint) -> Space:
        dim = int(self._model.config.vision_config.hidden_size)
        if self.options.dim not in (None, dim):
            raise EmbedderError(
                f"'{checkpoint.model}' has vectors of {dim} dimensions, not {self.options.dim}; leave --dim out"
            )
        text = f"lower case, {self._length} tokens"
        return Space(
            embedder="siglip",
            model=checkpoint.model,
            revision=checkpoint.revision,
            dim=dim,
            preprocessing=f"{text}; {self._pixels}, background #{bytes(BACKGROUND).hex()}",
        )

    def _token_ids(self, texts: Sequence[str]) -> torch.Tensor:
        """Token ids, int64, shape ``(n, 64)``: padded on the right, and without a mask, as the models were trained."""
        # A Python string may hold a lone surrogate, which UTF-8, and so the tokenizer, cannot.
        lower = [text[:MAX_CHARACTERS].lower().encode(errors="replace").decode() for text in texts]
        with self._tokenizing:  # it sets its length of padding in each call
            encoded = self._tokenizer(
                lower, padding="max_length", max_length=self._length, truncation=True, return_tensors="pt"
            )
        token_ids: torch.Tensor = encoded["input_ids"]
        return token_ids

    @torch.inference_mode()
    def _text_features(self, texts: Sequence[str]) -> torch.Tensor:
        token_ids = self._token_ids(texts).to(self._device)
        pooled: torch.Tensor = self._model.get_text_features(input_ids=token_ids).pooler_output
        return pooled.float().cpu()

    @torch.inference_mode()
    def _image_features(self, images: Sequence[NDArray[np.uint8]]) -> torch.Tensor:
        if isinstance(self._pixels, Patches):
            inputs = self._patched(images, self._pixels)
        else:
            inputs = {"pixel_values": self._normalised(np.stack(images))}
        pooled: torch.Tensor = self._model.get_image_features(**inputs).pooler_output
        return pooled.float().cpu()

    def _normalised(self, pixels: NDArray[np.uint8]) -> torch.Tensor:
        """Pixels of one or more pictures in the model's range, on the device, ``(..., 3, height, width)``."""
        values = torch.from_numpy(pixels).to(self._device).float() * self._scale
        normalised: torch.Tensor = ((values - self._mean) / self._std).to(self._model.dtype)
        return normalised

    def _patched(self, images: Sequence[NDArray[np.uint8]], kind: Patches) -> dict[str, torch.Tensor]:
        """What NaFlex reads: each picture's patches, padded with zeros to one number, and its rows and columns."""
        values = torch.zeros((len(images), kind.limit, 3 * kind.patch**2), dtype=self._model.dtype, device=self._device)
        mask = torch.zeros((len(images), kind.limit), dtype=torch.int32, device=self._device)
        for number, image in enumerate(images):
            patches = _cut(self._normalised(image), kind.patch)
            values[number, : len(patches)] = patches
            mask[number, : len(patches)] = 1
        shapes = torch.tensor([[side // kind.patch for side in image.shape[1:]] for image in images])
        return {"pixel_values": values, "pixel_attention_mask": mask, "spatial_shapes": shapes.to(self._device)}


def _default(device: torch.device) -> str:
    return DEFAULT_ON_GPU if device.type == "cuda" else DEFAULT_ON_CPU


def _load(checkpoint: Checkpoint, device: torch.device) -> tuple[Any, Any, Any]:
    """Model, tokenizer and image processor."""
    folder = checkpoint.folder
    _check_tokenizer(folder)
    with reading(checkpoint, device, "siglip"):
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        tokenizer.padding_side = "right"
        processor = PROCESSORS[checkpoint.config["model_type"]].from_pretrained(folder, local_files_only=True)
        return load_model(checkpoint, device), tokenizer, processor


def _check_tokenizer(folder: Path) -> None:
    """The library would make an empty tokenizer, to which all words are unknown, or one that adds other tokens."""
    if not (folder / "tokenizer_config.json").is_file() or not any((folder / name).is_file() for name in TOKENIZERS):
        needed = f"tokenizer_config.json and {' or '.join(TOKENIZERS)}"
        raise EmbedderError(f"{folder} holds a half-downloaded checkpoint (it lacks {needed}); fetch it again")


def _resizer(processor: Any, checkpoint: Checkpoint) -> FixedSize | Patches:
    if checkpoint.config["model_type"] == "siglip2":
        return Patches(processor.patch_size, processor.max_num_patches, int(processor.resample))
    return FixedSize(processor.size["height"], processor.size["width"], int(processor.resample))


def _cut(pixels: torch.Tensor, patch: int) -> torch.Tensor:
    """Cut a picture into patches: ``(3, rows * patch, columns * patch)`` to ``(rows * columns, patch * patch * 3)``."""
    channels, height, width = pixels.shape
    tiles = pixels.reshape(channels, height // patch, patch, width // patch, patch)
    return tiles.permute(1, 3, 2, 4, 0).reshape(-1, patch * patch * channels)
