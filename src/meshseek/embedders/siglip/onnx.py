"""SigLIP's text tower as ONNX: on a CPU it embeds a query several times faster than torch does."""

from __future__ import annotations

import json
import logging
import os
import shutil
import tempfile
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from meshseek.embedders._torch.checkpoints import first_line
from meshseek.embedders._vectors import to_unit_length
from meshseek.errors import EmbedderError

if TYPE_CHECKING:
    from numpy.typing import NDArray

FULL: Final = "text.onnx"
SMALL: Final = "text-int8.onnx"
REPORT: Final = "report.json"
LEAST_COSINE: Final = 0.99
"""The 8-bit form is used only if it is at least so near to the original."""
LARGEST_DIFFERENCE: Final = 1e-4
"""The form in full precision is kept only if no number of a unit vector differs by more."""
LARGEST_FILE: Final = 1_800_000_000
"""Bytes; a single ONNX file ends at 2 GB, so larger weights go into a file beside it."""
SAMPLES: Final = (
    "a chair",
    "a red wooden chair with armrests",
    "一把红色的木椅",
    "a low-poly model of a medieval castle with four towers and a stone bridge over a river, seen from above",
    "台灯",
    "a small blue car",
    "white ceramic vase, hand-painted, 18th century",
    "沙发",
)
"""What the forms are measured on."""

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How near the two forms are to the original, over the samples' unit vectors."""

    full_difference: float
    """The largest difference of any number."""
    int8_cosine: float
    """The least cosine."""

    @property
    def used(self) -> str:
        """Name of the file that embeds queries."""
        return SMALL if self.int8_cosine >= LEAST_COSINE else FULL


class OnnxText:
    """An exported text tower. Threads may share it.

    Raises:
        Exception: The export is damaged; what is raised is onnxruntime's choice.
    """

    def __init__(self, folder: Path) -> None:
        self.report = Report(**json.loads((folder / REPORT).read_bytes()))
        self._session = _session(folder / self.report.used)

    def __call__(self, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
        """Token ids, int64, ``(n, 64)`` to pooled vectors, float32, ``(n, dim)``, not normalised.

        Each text by itself: the 8-bit form takes its scales from all that it is given, so that a vector would depend
        on its neighbours.
        """
        return _one_by_one(self._session, token_ids)


class _Pooled(torch.nn.Module):
    """Only what a text goes through."""

    def __init__(self, tower: torch.nn.Module) -> None:
        super().__init__()
        self.tower = tower

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Token ids ``(n, 64)`` to pooled vectors ``(n, dim)``, not normalised."""
        pooled: torch.Tensor = self.tower(input_ids=input_ids).pooler_output
        return pooled


def load(folder: Path, tower: torch.nn.Module, samples: torch.Tensor) -> OnnxText | None:
    """Open an export; None where there is none, or, with a warning, where it is damaged.

    Args:
        folder: What ``export`` wrote.
        tower: The original, for comparison.
        samples: Token ids of some texts, int64, shape ``(n, 64)``.
    """
    if not folder.is_dir():
        return None
    try:
        text = OnnxText(folder)
        cosine = float((to_unit_length(text(samples.numpy())) * _original(tower, samples)).sum(axis=1).min())
    except Exception as error:  # noqa: BLE001  # onnxruntime raises its own, and the original is still there
        log.warning("the ONNX form in %s is damaged (%s); export it again", folder, first_line(error))
        return None
    if cosine >= LEAST_COSINE:
        return text
    log.warning("the ONNX form in %s is damaged (its vectors are others); export it again", folder)
    return None


def export(tower: torch.nn.Module, samples: torch.Tensor, folder: Path) -> Report:
    """Write the tower in full precision and in 8 bits, and measure both; the folder is there whole or not at all.

    Args:
        tower: The text tower, on the CPU in single precision.
        samples: Token ids of some texts, int64, shape ``(n, 64)``.
        folder: Where to.

    Raises:
        EmbedderError: It cannot be written, or is not the same model.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".export-") as temporary:
            part = Path(temporary) / folder.name
            part.mkdir()
            _write(tower, samples, part)
            report = _measure(tower, samples, part)
            (part / REPORT).write_text(json.dumps(asdict(report)), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)
    except EmbedderError:
        raise
    except ImportError as error:
        raise EmbedderError(f"cannot export ({first_line(error)}); run: pip install 'meshseek[siglip]'") from error
    except OSError as error:
        reason = error.strerror or first_line(error)
        raise EmbedderError(f"the ONNX form cannot be written into {folder} ({reason}); make room there") from error
    except Exception as error:  # the exporter raises whatever its parts do
        raise EmbedderError(f"cannot export to ONNX ({first_line(error)}); leave --export-onnx out") from error
    return report


def _write(tower: torch.nn.Module, samples: torch.Tensor, folder: Path) -> None:
    from onnxruntime.quantization import (  # type: ignore[import-untyped]  # noqa: PLC0415  # only for an export
        QuantType,
        quantize_dynamic,
    )

    large = sum(weight.numel() * weight.element_size() for weight in tower.parameters()) > LARGEST_FILE
    logging.getLogger("torch.onnx._internal.exporter._registration").setLevel(logging.ERROR)  # misses torchvision
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's own deprecations
        program = torch.onnx.export(
            _Pooled(tower).eval(),
            (samples[:2],),
            dynamo=True,
            dynamic_shapes={"input_ids": {0: torch.export.Dim("batch")}},
            input_names=["input_ids"],
            verbose=False,
        )
    assert program is not None
    program.model.metadata_props["onnx.quant.pre_process"] = "onnxruntime.quant"  # else it warns on the root logger
    program.save(folder / FULL, external_data=large)
    # Only products of matrices: the table of words would get one scale for a quarter of a million of them.
    # Weights in 7 bits: a processor without VNNI adds two products in 16 bits, which 8-bit ones overflow (cosine 0.94).
    quantize_dynamic(
        folder / FULL,
        folder / SMALL,
        per_channel=True,
        reduce_range=True,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul"],
        use_external_data_format=large,
    )


def _measure(tower: torch.nn.Module, samples: torch.Tensor, folder: Path) -> Report:
    original = _original(tower, samples)
    full = to_unit_length(_run(_session(folder / FULL), samples.numpy()))
    small = to_unit_length(_one_by_one(_session(folder / SMALL), samples.numpy()))
    report = Report(
        full_difference=float(np.abs(full - original).max()),
        int8_cosine=float((small * original).sum(axis=1).min()),
    )
    if not report.full_difference <= LARGEST_DIFFERENCE:
        raise EmbedderError(
            f"the ONNX form differs from the original by {report.full_difference:.1e}; leave --export-onnx out"
        )
    return report


def _session(file: Path) -> Any:
    import onnxruntime  # type: ignore[import-untyped]  # noqa: PLC0415  # only where there is an export

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = os.cpu_count() or 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


def _one_by_one(session: Any, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.concatenate([_run(session, token_ids[row : row + 1]) for row in range(len(token_ids))])


def _run(session: Any, token_ids: NDArray[np.int64]) -> NDArray[np.float32]:
    vectors: NDArray[np.float32] = session.run(None, {"input_ids": token_ids})[0]
    return vectors


@torch.inference_mode()
def _original(tower: torch.nn.Module, samples: torch.Tensor) -> NDArray[np.float32]:
    return to_unit_length(tower(input_ids=samples).pooler_output.numpy())
