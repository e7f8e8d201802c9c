"""Finds a model's checkpoint on disk or on the Hugging Face hub, and checks that it is whole and of the right kind."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any, Final

import httpx

from meshseek.embedders import EmbedderOptions
from meshseek.embedders._torch.before_transformers import prepare
from meshseek.errors import EmbedderError

WHOLE: Final = 256 << 20
"""Weight files up to this size are hashed whole."""
SAMPLES: Final = 64
SAMPLE: Final = 1 << 20
HUB_SECONDS: Final = 5.0
"""How long the hub may take to answer at all."""
LENGTH_SIZE: Final = 8
"""A safetensors file begins with the length of its header, little-endian."""
SETTINGS: Final = (
    "*config*.json",
    "*token*.json",
    "modules.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "chat_template*",
    "[0-9]*_*/config.json",
)
"""Files that change what a model computes, beside its weights."""
FETCHED: Final = ["*.json", "*.safetensors", "*.model", "*.txt", "*.jinja"]
"""What is fetched from the hub, where some models also lie in the formats of other libraries."""
HUB_ID: Final = re.compile(r"\w[\w.-]*/\w[\w.-]*")
TRUE: Final = {"1", "ON", "YES", "TRUE"}

log = logging.getLogger(__name__)
prepare()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """One model on disk."""

    model: str
    """Its id on the hub, or the name of its folder."""
    folder: Path
    revision: str
    """Hash of the content, 12 hexadecimal digits: the same weights have the same one wherever they come from.

    Configuration and tokenizer files are hashed whole, and so are weights up to 256 MB; larger files of weights by
    their size, their header and 64 evenly spaced blocks of a megabyte.
    """
    config: Mapping[str, Any]


def find_checkpoint(
    options: EmbedderOptions,
    default: str,
    kinds: Collection[str],
    extra: str = "siglip",
    naming: str = "give --model-dir",
    *,
    fetch: bool = True,
) -> Checkpoint:
    """Find the checkpoint that the options mean.

    The model may be a folder. Else it is looked for in ``model_dir``, which may be the checkpoint itself or hold it in
    a folder named by the id (as it is, with ``--`` for ``/``, or without the owner), then among what was fetched from
    the hub before, then on the hub.

    Args:
        options: Name the model, where weights are, both or neither.
        default: Id of the model if they name none.
        kinds: What ``model_type`` may be in its ``config.json``.
        extra: What of our package brings the library that fetches.
        naming: How a user says which folder holds the weights.
        fetch: Whether the hub may be asked for what is not here.

    Raises:
        EmbedderError: It is not there, not whole, or of another kind.
    """
    model = options.model or default
    candidates = [candidate for candidate in _candidates(model, options.model_dir) if _is_folder(candidate)]
    for candidate in candidates:
        if (candidate / "config.json").is_file():
            named = options.model is None and candidate == options.model_dir
            return _checked(candidate.resolve().name if named else model, candidate, kinds)
    for candidate in candidates:
        if candidate != options.model_dir:
            raise EmbedderError(f"{candidate} is not a checkpoint: it has no config.json; name a folder that has one")
    return _checked(model, _from_hub(model, options.model_dir, extra, naming, fetch=fetch), kinds)


def first_line(error: BaseException) -> str:
    """What an error of another library says, fit to stand inside a message of ours."""
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(" .;:") if lines else type(error).__name__


def _candidates(model: str, folder: Path | None) -> list[Path]:
    names = (model, model.replace("/", "--"), model.rpartition("/")[2])
    return [Path(model), *([folder, *(folder / name for name in names)] if folder else [])]


def _is_folder(candidate: Path) -> bool:
    try:
        return candidate.is_dir()
    except OSError:  # a name too long for a file, or above a folder that may not be read
        return False


def _from_hub(model: str, folder: Path | None, extra: str, naming: str, *, fetch: bool) -> Path:
    """Fetch a model, or find what was fetched; a part of it is fetched on."""
    looked = f"in {folder} nor " if folder else ""
    missing = f"there are no weights of '{model}' {looked}among those fetched from the Hugging Face hub"
    cure = f"{naming} the folder that holds them"
    if not HUB_ID.fullmatch(model):
        raise EmbedderError(f"{missing}, whose ids look like owner/name; {cure}")
    cure = f"on a machine with a network run 'hf download {model} --local-dir DIR', then {naming} DIR"
    try:
        from huggingface_hub import constants, snapshot_download  # noqa: PLC0415  # slow, and seldom needed
    except ImportError as error:
        raise EmbedderError(f"{missing}; run: pip install 'meshseek[{extra}]', or {cure}") from error
    fetched: Path | None = None
    try:
        fetched = Path(snapshot_download(model, local_files_only=True, allow_patterns=FETCHED))
    except (OSError, ValueError):
        log.debug("%s was not fetched before", model)
    if fetched and _are_there(fetched):
        return fetched
    if not fetch:
        raise EmbedderError(f"{missing}; {cure}")
    if constants.HF_HUB_OFFLINE or any(_is_set(name) for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")):
        raise EmbedderError(f"{missing}, which is not asked because HF_HUB_OFFLINE is set; {cure}")
    try:
        _probe(constants.ENDPOINT)
        return Path(snapshot_download(model, etag_timeout=HUB_SECONDS, allow_patterns=FETCHED))
    except (httpx.HTTPError, OSError, ValueError, RuntimeError) as error:
        raise EmbedderError(f"{missing}, which says: {first_line(error)}; {cure}") from error


def _probe(endpoint: str) -> None:
    """See whether the hub answers: its own client would try for minutes where there is no network.

    In a thread of its own, because no timeout ends the look-up of a name.

    Raises:
        OSError: It does not answer.
    """
    failures: list[OSError] = [TimeoutError(f"no answer in {HUB_SECONDS:.0f} s")]

    def ask() -> None:
        try:
            httpx.head(endpoint, timeout=HUB_SECONDS)
            failures.clear()
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            failures[:] = [OSError(str(error))]

    thread = Thread(target=ask, daemon=True)
    thread.start()
    thread.join(HUB_SECONDS)
    for failure in failures[:1]:
        raise failure


def _is_set(name: str) -> bool:
    return os.environ.get(name, "").upper() in TRUE


def _are_there(folder: Path) -> bool:
    """Whether nothing that a folder of the hub's cache should hold is missing."""
    if not (folder / "config.json").is_file():
        return False
    weights = _weights(folder)
    return bool(weights) and all(file.is_file() for file in weights)


def _checked(model: str, folder: Path, kinds: Collection[str]) -> Checkpoint:
    config = _read_object(folder / "config.json")
    kind = config.get("model_type")
    if kind not in kinds:
        wanted = " or ".join(f"'{name}'" for name in sorted(kinds))
        raise EmbedderError(
            f"{folder} holds another kind of checkpoint: its model_type is '{kind}', not {wanted}; choose another"
        )
    for part in sorted(folder.rglob("*.incomplete")):
        raise _half(folder, f"{part.name} is left over")
    weights = _weights(folder)
    if not weights:
        raise _half(folder, "it has no model.safetensors")
    for file in weights:
        _check_whole(folder, file)
    try:
        revision = _revision(folder, weights)
    except OSError as error:
        raise EmbedderError(f"cannot read {folder}: {error.strerror}; make it readable") from error
    return Checkpoint(model=model, folder=folder, revision=revision, config=config)


def _half(folder: Path, what: str) -> EmbedderError:
    return EmbedderError(f"{folder} holds a half-downloaded checkpoint ({what}); fetch it again")


def _read_object(path: Path) -> dict[str, Any]:
    try:
        value: Any = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise _half(path.parent, f"{path.name} cannot be read") from error
    if not isinstance(value, dict):
        raise _half(path.parent, f"{path.name} is no JSON object")
    return value


def _weights(folder: Path) -> list[Path]:
    """The files of weights that transformers would read: one, or the shards of an index, which may be missing."""
    for name in ("model.safetensors", "pytorch_model.bin"):
        if (folder / name).is_file():
            return [folder / name]
        index = folder / f"{name}.index.json"
        if index.is_file():
            shards = _read_object(index).get("weight_map")
            if not isinstance(shards, dict):
                raise _half(folder, f"{index.name} names no weights")
            return [folder / shard for shard in sorted({str(value) for value in shards.values()})]
    return []


def _check_whole(folder: Path, file: Path) -> None:
    """Compare the size of a file of weights with what its header says."""
    if not file.is_file():
        raise _half(folder, f"{file.name} is missing")
    if file.suffix != ".safetensors":
        return
    try:
        header = _header(file)
        tensors = (value for name, value in json.loads(header).items() if name != "__metadata__")
        expected = LENGTH_SIZE + len(header) + max((int(value["data_offsets"][1]) for value in tensors), default=0)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise _half(folder, f"{file.name} has no readable header") from error
    size = file.stat().st_size
    if size != expected:
        raise _half(folder, f"{file.name} has {size:,} of {expected:,} bytes")


def _header(file: Path) -> bytes:
    with file.open("rb") as opened:
        length = int.from_bytes(opened.read(LENGTH_SIZE), "little")
        if not 0 < length <= file.stat().st_size:
            raise ValueError("the header is longer than the file")
        return opened.read(length)


def _revision(folder: Path, weights: Collection[Path]) -> str:
    digest = hashlib.sha256()
    settings = {file for pattern in SETTINGS for file in folder.glob(pattern) if file.is_file()}
    names = {file.relative_to(folder).as_posix(): file for file in settings}
    for name, file in sorted(names.items()):
        content = file.read_bytes()
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    for file in weights:
        digest.update(f"{file.name}\0{file.stat().st_size}\0".encode())
        for block in _blocks(file):
            digest.update(block)
    return digest.hexdigest()[:12]


def _blocks(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    with file.open("rb") as opened:
        if size <= WHOLE:
            while block := opened.read(SAMPLE):
                yield block
            return
        if file.suffix == ".safetensors":
            yield _header(file)
        for number in range(SAMPLES):
            opened.seek((size - SAMPLE) * number // (SAMPLES - 1))
            yield opened.read(SAMPLE)
