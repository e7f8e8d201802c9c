"""Asks a hosted chat model that sees, over OpenAI's protocol: all candidates in one request, for all grades at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

import numpy as np

from meshseek.errors import RerankerError
from meshseek.hosted import HostedClient, HostedOptions, count_tokens, without_thinking
from meshseek.rerankers import Candidate, Judgement, Reranker, RerankerOptions, Wanted
from meshseek.rerankers._grades import SIDE, longest_answer, messages, read_grades

CELL: Final = 32
"""A token is about a square of so many pixels."""
PRICES: Final[Mapping[str, tuple[float, float]]] = {"qwen3-vl-flash": (0.15, 1.5), "qwen3-vl-plus": (1.0, 10.0)}
"""Yuan for a million tokens in and out, in Beijing, below 32,000 tokens a request, as published in 2026."""


class OpenaiVlm(Reranker):
    """One hosted model. Nothing is sent before something is to be reranked; each request costs money."""

    def __init__(self, options: RerankerOptions) -> None:
        super().__init__(options)
        if options.model is None:
            raise RerankerError(
                "'openai_vlm' pays a hosted model for each search; set MESHSEEK_RERANKER_MODEL to one that sees, "
                "such as qwen3-vl-flash"
            )
        self._model = options.model

    def judge(self, wanted: Wanted, candidates: Sequence[Candidate]) -> Judgement:
        """Send the captions and one view of each candidate.

        Returns:
            Grades from 0 to 100.

        Raises:
            RerankerError: The answer does not grade each candidate.
            HostedError: The service cannot be asked, or refuses.
        """
        body = {
            "model": self._model,
            "messages": messages(wanted, candidates, self.views),
            "temperature": 0,
            "max_tokens": longest_answer(len(candidates)),
            **without_thinking(self._model),
        }
        answer = self._client.post("chat/completions", body, tokens=_about(body), soon=True)
        grades = read_grades(answer, len(candidates))
        return Judgement(scores=np.array(grades, np.float32), cost=self._cost(answer))

    def _cost(self, answer: Mapping[str, Any]) -> str:
        """What the service says that it counted, and what that costs."""
        usage = answer.get("usage")
        usage = usage if isinstance(usage, dict) else {}
        came, went = usage.get("prompt_tokens"), usage.get("completion_tokens")
        who = f"{self._model} at {self._hosted.host}"
        if not (isinstance(came, int) and isinstance(went, int)):
            return f"{who}, tokens not told"
        price = PRICES.get(self._model)
        told = "price not known" if price is None else f"{(came * price[0] + went * price[1]) / 1e6:.5f} CNY"
        return f"{who}, {came:,} tokens in and {went:,} out, {told}"

    @property
    def _hosted(self) -> HostedOptions:
        if self.options.hosted is None:
            raise RerankerError("'openai_vlm' needs a service; set MESHSEEK_DASHSCOPE_API_KEY")
        return self.options.hosted

    @cached_property
    def _client(self) -> HostedClient:
        return HostedClient(self._hosted)


def _about(body: Mapping[str, Any]) -> int:
    """About how many tokens a request counts."""
    system, user = body["messages"]
    texts = [system["content"], *(part["text"] for part in user["content"] if part["type"] == "text")]
    pictures = len(user["content"]) - len(texts) + 1
    return sum(map(count_tokens, texts)) + pictures * (SIDE // CELL) ** 2 + int(body["max_tokens"])
