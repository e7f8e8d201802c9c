"""How long the parts of a vector are, and what the network sees; read without importing the network's library."""

from __future__ import annotations

from typing import Final

TEXT_DIM: Final = 512
LOOK_DIM: Final = 256
DIM: Final = TEXT_DIM + LOOK_DIM
INPUT_SIZE: Final = 224
"""Side of the square that the network sees, in pixels."""
TEXT_SHARE: Final = 0.2
"""How much of a picture's squared length is its text part: more makes neighbours alike in kind, less alike in look."""
CONSE_CLASSES: Final = 30
CONSE_TEMPERATURE: Final = 1.5
"""Above 1, because the classifier is too sure of itself on renders."""
