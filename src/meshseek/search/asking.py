"""Puts a query to one version of each algorithm that is asked: as it is, or in parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from meshseek.errors import NotFoundError
from meshseek.model import Hit, Language, PublishedAsset, Ranked, Relevance
from meshseek.search.explaining import EXPLAINED
from meshseek.search.judging import Judge
from meshseek.search.modes import MODES, Mode, Page
from meshseek.search.phrases import may_be_id
from meshseek.search.query import Query, Share
from meshseek.search.question import Embedded, Question
from meshseek.search.versions import naming
from meshseek.store.read.published import CAPTION_COLUMNS

if TYPE_CHECKING:
    from meshseek.search.query_model import QueryModel
    from meshseek.store.read.library import Library
    from meshseek.store.read.published import Published


class Judging(Protocol):
    """Says how well results fit."""

    def relevance(self, ranked: Ranked) -> Relevance:
        """How well an asset fits."""

    def nothing_close(self, page: Page) -> bool:
        """Whether even the best assets fit weakly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """One algorithm as it is searched."""

    name: str
    library: Library
    model: QueryModel


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredPart:
    """What became of a part of a query."""

    text: str | None
    asset_id: str | None
    weight: float
    """As it was given."""
    language: Language | None
    """Of the words that were searched; None of a picture or an asset."""
    translated: str | None
    """The English words that were searched in place of Chinese ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A query as it is put to one version."""

    mode: Mode
    question: Question
    """What counts most, as the first algorithm is asked it."""
    judge: Judging
    questions: Sequence[tuple[Share, Question]]
    """Each part, as each algorithm is asked it."""

    @property
    def translated(self) -> str | None:
        """The English words that were searched in place of Chinese ones; None where there are several questions."""
        embedded = self.question.embedded if len(self.questions) == 1 else None
        return embedded.translated if embedded else None

    @property
    def embed_seconds(self) -> float:
        """What it took to embed all of them."""
        return sum(question.embedded.seconds for _, question in self.questions if question.embedded)

    def parts(self, query: Query) -> tuple[AnsweredPart, ...]:
        """What became of the parts, in the order in which they were given."""
        found = {place: (share, question) for share, question in reversed(self.questions) for place in share.places}
        answered = []
        for place, part in enumerate(query.parts, 1):
            share, question = found.get(place, (None, None))
            language = part.language or query.language if share is None else share.query.resolved_language
            embedded = question.embedded if question else None
            answered.append(
                AnsweredPart(
                    text=part.text,
                    asset_id=part.asset_id,
                    weight=part.weight,
                    language=None if part.text is None else language,
                    translated=embedded.translated if embedded else None,
                )
            )
        return tuple(answered)


def ask(query: Query, searched: Sequence[Searched], published: Sequence[Published]) -> Asked:
    """Put a query to algorithms, of each of which the live version is given.

    Raises:
        NotFoundError: An asset that it asks for is not there.
    """
    split = query.split or (Share(query=query, weight=1.0),)
    if len(split) == 1:
        split = (replace(split[0], query=query.plain),)
    every = [(each, live, share) for each, live in zip(searched, published, strict=True) for share in split]
    questions = [(share, question_of(each, share.query, live, len(searched))) for each, live, share in every]
    if len(every) == 1:
        question = questions[0][1]
        judge = Judge(searched[0].library, question)
        return Asked(mode=MODES.load(split[0].query.mode)(), question=question, judge=judge, questions=questions)
    return _combined([each for each, _, _ in every], questions)


def question_of(searched: Searched, query: Query, published: Published, among: int = 1) -> Question:
    """The query to one version; the id of an asset asks for that asset, by its own vectors.

    Args:
        searched: The algorithm.
        query: Without parts.
        published: The version.
        among: How many algorithms are asked the same.

    Raises:
        NotFoundError: It asks for an asset that is not there.
    """
    library, asked_for = searched.library, query.asset_id
    text = query.text if asked_for is None else asked_for
    asset_id = (text or "").strip() if asked_for is None else asked_for
    own = library.own_vectors(asset_id) if asked_for is not None or may_be_id(asset_id) else {}
    if own:
        known = Embedded(vector=next(iter(own.values())), query_type=query.query_type)
        first = library.one(published, asset_id, query.request(1))
        return Question(published=published, embed=lambda: known, text=text, own=own, first=first)
    if asked_for is not None:
        library.expect_asked(asked_for)
        raise NotFoundError(f"there is no asset '{asked_for}' here that can be compared; check the id")

    def embed() -> Embedded:
        with naming(searched.name, among=among):
            return searched.model.embed(query, published.space)

    return Question(published=published, embed=embed, text=text)


def explained(
    searched: Searched, question: Question, assets: Mapping[str, PublishedAsset], hits: Sequence[Hit]
) -> list[Hit]:
    """With what each text of the captions gave, where captions were compared; of the first few hits."""
    space = question.published.space
    first = [hit for hit in hits[:EXPLAINED] if "caption" in hit.parts]
    if not first or searched.library.last_known().space != space:  # nobody loads the model of a space that is gone
        return list(hits)
    columns = CAPTION_COLUMNS[question.query_type]
    those = [assets[hit.asset_id] for hit in first]
    shares = searched.model.text_shares(question.vector_for("caption"), space, columns, those)
    return [replace(hit, texts=shares.get(hit.asset_id, ())) for hit in hits]


def _combined(searched: Sequence[Searched], questions: Sequence[tuple[Share, Question]]) -> Asked:
    """Several questions as one; to each is given whom it asks, the first algorithm before the others."""
    from meshseek.search.combining import CombinedJudge, Combining, Term  # noqa: PLC0415  # most searches need none

    parts, algorithms = {share.places for share, _ in questions}, {each.name for each in searched}
    terms = []
    for each, (share, question) in zip(searched, questions, strict=True):
        names = [each.name] if len(algorithms) > 1 else []
        names += [f"part_{share.places[0]}"] if len(parts) > 1 else []
        terms.append(
            Term(
                name=".".join(names),
                part=share.places[0],
                weight=share.weight,
                algorithm=each.name,
                library=each.library,
                question=question,
                mode=MODES.load(share.query.mode)(),
            )
        )
    leading = max(terms[: len(parts)], key=lambda term: term.weight)
    return Asked(mode=Combining(terms), question=leading.question, judge=CombinedJudge(terms), questions=questions)
