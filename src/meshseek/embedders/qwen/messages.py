"""Messages to Qwen3-VL: what turns words and pictures into tokens and patches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from transformers import AutoTokenizer, Qwen2VLImageProcessorPil, Qwen3VLProcessor

from meshseek.embedders.qwen.models import MAX_CHARACTERS
from meshseek.embedders.qwen.pixels import CellSize

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS: Final = 512 * 512
"""Of a picture: the model makes a token of 32 x 32 pixels, and reads several views at a time."""

Part = dict[str, Any]
"""Of a message: words or a picture."""


class _WithoutVideo(Qwen3VLProcessor):
    """Qwen's processor less its video part, which needs torchvision: there are no videos here."""

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: Any = None) -> None:
        super().__init__(image_processor, tokenizer, None, chat_template=chat_template)  # type: ignore[no-untyped-call]


def read_processor(folder: Path) -> tuple[Any, CellSize]:
    """What makes tokens and patches of messages, and what makes pictures as large as it wants them."""
    tokenizer: Any = AutoTokenizer.from_pretrained(folder, local_files_only=True)
    tokenizer.padding_side = "left"
    # Always Pillow's: torchvision's resizing gives slightly other pixels.
    pictures: Any = Qwen2VLImageProcessorPil.from_pretrained(folder, local_files_only=True)
    most = min(MAX_PIXELS, pictures.size["longest_edge"])
    cell = pictures.patch_size * pictures.merge_size
    fit = CellSize(cell, pictures.size["shortest_edge"], most, int(pictures.resample))
    pictures.do_resize = False
    return _WithoutVideo(pictures, tokenizer, tokenizer.chat_template), fit


def words(text: str) -> Part:
    """Words that the tokenizer can read, with none of the model's own marks, such as the one for an image."""
    return {"type": "text", "text": text[:MAX_CHARACTERS].replace("<|", "< |").encode(errors="replace").decode()}


def picture(image: Image) -> Part:
    """A picture that has the right size already."""
    return {"type": "image", "image": image}
