"""Qwen3-VL-Reranker on this machine, through transformers.

Li et al., 2026: the model reads a query and a document in one prompt and is asked whether they fit; the score is the
sigmoid of how much likelier its answer begins with 'yes' than with 'no'. The prompt is that of the authors' script.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from threading import Lock
from typing import TYPE_CHECKING, Any, Final

from meshseek.embedders import EmbedderOptions
from meshseek.embedders.qwen.models import INSTRUCTIONS
from meshseek.errors import EmbedderError, RerankerError
from meshseek.rerankers import Candidate, Judgement, Reranker, RerankerOptions, Wanted

if TYPE_CHECKING:
    from PIL.Image import Image

try:
    import torch
    from transformers import AutoModelForImageTextToText

    from meshseek.embedders._torch.checkpoints import Checkpoint, find_checkpoint
    from meshseek.embedders._torch.device import Batches, batch_size, choose_device
    from meshseek.embedders._torch.loading import load_model, reading
    from meshseek.embedders.qwen.messages import Part, picture, read_processor, words
except ImportError as error:
    what = EmbedderError(f"'qwen_reranker' cannot start here ({error}); run: pip install 'meshseek[qwen]'")
    raise RerankerError.of(what) from error  # what cannot be imported is told with its path

DEFAULT_MODEL: Final = "Qwen/Qwen3-VL-Reranker-8B"
KINDS: Final = {"qwen3_vl"}
VIEWS: Final = 2
LAYERS_OF_2B: Final = 28
"""The published 2B orders pictures worse than the embedder does (74.0 against 74.8): it reads captions only."""
SYSTEM: Final = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)
NOTHING: Final = "NULL"
"""What the authors' script writes for a document without content."""
ANSWERS: Final = ("yes", "no")
PAIRS_ON_CPU, PAIRS_PER_GIGABYTE = 4, 0.25


class QwenReranker(Reranker):
    """Any Qwen3-VL-Reranker checkpoint. Threads may share it; they take turns."""

    def __init__(self, options: RerankerOptions) -> None:
        super().__init__(options)
        try:
            self._load(options)
        except EmbedderError as error:
            raise RerankerError.of(error) from error
        self._turn = Lock()

    def _load(self, options: RerankerOptions) -> None:
        self._device = choose_device(options.device)
        checkpoint = _checkpoint(options)
        with reading(checkpoint, self._device, "qwen"):
            self._processor, self._fit = read_processor(checkpoint.folder)
            numbers = _numbers_of(ANSWERS, self._processor.tokenizer, checkpoint)
            model = load_model(checkpoint, self._device, AutoModelForImageTextToText)
            self._model = model.model
            yes, no = model.lm_head.weight[list(numbers)].detach().float()
            self._yes_over_no = yes - no
        if self._model.config.text_config.num_hidden_layers == LAYERS_OF_2B:
            self.views, self.takes_pictures = 0, False
        else:
            self.views = VIEWS
        self._batches = Batches(batch_size(self._device, per_gigabyte=PAIRS_PER_GIGABYTE, on_cpu=PAIRS_ON_CPU))

    def judge(self, wanted: Wanted, candidates: Sequence[Candidate]) -> Judgement:
        """Read each candidate's captions and views beside the query.

        Returns:
            Scores in 0..1: how sure the model is that they fit.

        Raises:
            RerankerError: The device has too little memory.
        """
        query = self._part_of(wanted.text, [] if wanted.image is None else [wanted.image])
        pairs = [self._prompt(query, self._part_of(own.caption(), own.views(self.views))) for own in candidates]
        try:
            # One at a time: the processor's and the model's settings belong to the batch under way.
            with self._turn:
                logits = torch.cat(self._batches.run(pairs, self._logits))
        except EmbedderError as error:
            raise RerankerError.of(error) from error
        return Judgement(scores=torch.sigmoid(logits).numpy())

    def _part_of(self, text: str | None, images: Sequence[Image]) -> list[Part]:
        """Pictures first, then words, as the authors order them."""
        parts = [picture(self._fit(image)) for image in images]
        if text:
            parts.append(words(text))
        return parts or [words(NOTHING)]

    def _prompt(self, query: list[Part], document: list[Part]) -> list[dict[str, Any]]:
        asked = [words(f"<Instruct>: {INSTRUCTIONS['query']}"), words("<Query>:"), *query]
        return [
            {"role": "system", "content": [words(SYSTEM)]},
            {"role": "user", "content": [*asked, words("\n<Document>:"), *document]},
        ]

    @torch.inference_mode()
    def _logits(self, pairs: Sequence[list[dict[str, Any]]]) -> torch.Tensor:
        """How much likelier 'yes' is than 'no', as a difference of logits, float32, shape ``(len(pairs),)``."""
        inputs = self._processor.apply_chat_template(
            list(pairs),
            tokenize=True,
            add_generation_prompt=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"text_kwargs": {"padding": True}},
        )
        hidden = self._model(**inputs.to(self._device), use_cache=False).last_hidden_state
        # Padded on the left, so that the last position is where each answer begins.
        logits: torch.Tensor = hidden[:, -1].float() @ self._yes_over_no
        return logits.cpu()


def _checkpoint(options: RerankerOptions) -> Checkpoint:
    """Where the weights are. A folder that is itself a checkpoint is the embedder's, and none of ours."""
    folder = options.model_dir
    if folder is not None and (folder / "config.json").is_file():
        folder = None
    named = EmbedderOptions(model=options.model, model_dir=folder)
    checkpoint = find_checkpoint(named, DEFAULT_MODEL, KINDS, "qwen", "set MESHSEEK_RERANKER_MODEL to")
    modules = checkpoint.folder / "modules.json"
    if modules.is_file() and any("Pooling" in str(own.get("type")) for own in json.loads(modules.read_bytes())):
        raise EmbedderError(f"{checkpoint.folder} holds an embedding model; set MESHSEEK_RERANKER_MODEL to a reranker")
    return checkpoint


def _numbers_of(answers: Sequence[str], tokenizer: Any, checkpoint: Checkpoint) -> tuple[int, ...]:
    vocabulary = tokenizer.get_vocab()
    for answer in answers:
        if answer not in vocabulary:
            raise EmbedderError(f"{checkpoint.folder} is no reranker: its tokenizer has no '{answer}'; choose another")
    return tuple(vocabulary[answer] for answer in answers)
