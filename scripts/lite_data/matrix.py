"""Trains the query matrix: where a description lies must become where the name of the thing lies."""

from __future__ import annotations

from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

SEED: Final = 20261125
HELD_OUT: Final = 0.03
EPOCHS: Final = 6
BATCH: Final = 1024
LEARNING_RATE: Final = 1e-3
SCALE: Final = 20.0
"""Of the cosines in the loss: the inverse of its temperature."""
PENALTY: Final = 0.3
"""Of what the matrix differs from the identity in."""
STRENGTH: Final = 0.7
"""How much of that difference is kept: captions come with glosses, to which descriptions are near as they are."""


def train(descriptions: Tensor, names: Tensor, synsets: NDArray[np.int64]) -> tuple[NDArray[np.float16], float, float]:
    """Learn ``W = I + 0.7 A`` so that a description times ``W`` is nearest to the name of what it describes.

    The loss is the symmetric cross entropy of a batch's cosines (InfoNCE: van den Oord et al., 2018, arXiv:1807.03748),
    where other pairs of the same meaning do not count.

    Args:
        descriptions: Unit vectors, float32, shape ``(pairs, dim)``.
        names: Likewise, of the names.
        synsets: Number of the meaning of each pair, shape ``(pairs,)``.

    Returns:
        The matrix, shape ``(dim, dim)``, and the mean reciprocal rank of the right name among those of the meanings
        that were held out, before and after.
    """
    torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    meanings = np.unique(synsets)
    held = np.isin(synsets, random.choice(meanings, round(HELD_OUT * len(meanings)), replace=False))
    rows = np.flatnonzero(~held)
    groups = torch.from_numpy(synsets)
    dim = descriptions.shape[1]
    difference = torch.zeros(dim, dim, requires_grad=True)
    optimizer = torch.optim.AdamW([difference], lr=LEARNING_RATE, weight_decay=0.0)
    steps = EPOCHS * (len(rows) // BATCH)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    for _ in range(EPOCHS):
        order = torch.from_numpy(random.permutation(rows))
        for batch in order[: len(rows) // BATCH * BATCH].reshape(-1, BATCH):
            queries = functional.normalize(descriptions[batch] + descriptions[batch] @ difference, dim=1)
            own = groups[batch]
            other = (own[:, None] == own[None]) & ~torch.eye(BATCH, dtype=torch.bool)
            scores = (SCALE * queries @ names[batch].T).masked_fill(other, -torch.inf)
            right = torch.arange(BATCH)
            loss = (functional.cross_entropy(scores, right) + functional.cross_entropy(scores.T, right)) / 2
            loss = loss + PENALTY * difference.square().sum() / dim
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    matrix = (torch.eye(dim) + STRENGTH * difference.detach()).numpy().astype(np.float16)
    kept = np.flatnonzero(held)
    tested = (descriptions[kept], names[kept], synsets[kept])
    return matrix, reciprocal_rank(*tested, torch.eye(dim)), reciprocal_rank(*tested, torch.from_numpy(matrix).float())


def reciprocal_rank(descriptions: Tensor, names: Tensor, synsets: NDArray[np.int64], matrix: Tensor) -> float:
    """The mean reciprocal rank of each description's name among the names of all meanings given."""
    _, first = np.unique(synsets, return_index=True)
    own = {synsets[row]: column for column, row in enumerate(first)}
    columns = torch.tensor([own[synset] for synset in synsets])
    scores = functional.normalize(descriptions @ matrix, dim=1) @ names[torch.from_numpy(first)].T
    right = scores.gather(1, columns[:, None])
    ranks = (scores > right).sum(dim=1) + 1
    return float((1 / ranks).mean())
