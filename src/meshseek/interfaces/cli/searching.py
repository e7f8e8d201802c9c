"""Searching from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from meshseek.interfaces.cli.facet_lines import facets_as_lines, facets_option
from meshseek.interfaces.cli.files import files_of
from meshseek.interfaces.cli.options import algorithms, application, common, show
from meshseek.interfaces.cli.parts import Weighted, WeightedPart, asked_for
from meshseek.model import FILTER_FIELDS, LANGUAGES, RELEVANCES, Hit, Language
from meshseek.rerankers import RERANKERS
from meshseek.search.basis import basis
from meshseek.search.modes import MODES
from meshseek.untrusted.text import plain

if TYPE_CHECKING:
    from meshseek.search.answer import Answer
    from meshseek.workspace.workspace import Workspace

FILTER_HELP = (
    "field=word, field!=word or faces=100..5000; may be given several times. Fields: "
    f"{', '.join(FILTER_FIELDS)}. Width, depth and height are in cm, as in height=60..90."
)
target_option = click.option(
    "--target", type=click.Choice(MODES.names), help="What to compare with; takes precedence over --cross-modal."
)
cross_modal_option = click.option(
    "--cross-modal/--inner-modal",
    default=None,
    help="Compare words with views, a picture with captions; or each with its own kind only.  [default: words with "
    "captions, views and words; a picture with views]",
)


@click.command("search")
@click.argument("text", required=False)
@click.option("--image", "images", type=click.Path(path_type=Path), multiple=True, help="Search with this picture.")
@click.option("--like", multiple=True, metavar="ASSET_ID", help="Search for what is like this asset.")
@click.option("--others-only", is_flag=True, help="Leave out the assets that --like names.")
@click.option("--without", multiple=True, metavar="TEXT", help="What is not wanted.")
@click.option(
    "--part",
    "weighted",
    type=WeightedPart(),
    multiple=True,
    help="A part of the query with its weight, as in 0.5:blue, -1:wooden, 2:image:photo.png or 0.5:like:ASSET_ID.",
)
@click.option(
    "--language", type=click.Choice(LANGUAGES), help="Language of the words.  [default: detected from their script]"
)
@algorithms
@target_option
@cross_modal_option
@click.option("--top-k", type=int, default=10, show_default=True, help="Number of results, 1 to 200.")
@click.option("--filter", "filters", multiple=True, metavar="FIELD=VALUE", help=FILTER_HELP)
@click.option("--offset", type=int, default=0, show_default=True, help="First result of the page.")
@click.option("--collapsed", is_flag=True, help="Show assets that look the same as one result.")
@click.option(
    "--diverse/--not-diverse",
    default=None,
    help="Let neighbours in the ranking differ.  [default: for words, unless --exact]",
)
@click.option(
    "--min-relevance",
    type=click.Choice(RELEVANCES),
    help="Leave out of the page what fits less; the page may be shorter.",
)
@click.option(
    "--size",
    metavar="WxDxH",
    help="Prefer assets of about this size, in cm: 60x60x90, 0.6x0.6x0.9m, or ?x60x90 where one side does not matter.",
)
@click.option("--explain", is_flag=True, help="Tell of each result what its score rests on.")
@click.option(
    "--rerank",
    type=click.Choice(RERANKERS.names),
    help="Let this model look at the first results again; openai_vlm costs money.",
)
@facets_option
@click.option("--exact", is_flag=True, help="Compare with everything instead of using the index.")
@common
def search_command(
    *,
    text: str | None,
    images: tuple[Path, ...],
    like: tuple[str, ...],
    without: tuple[str, ...],
    weighted: tuple[Weighted, ...],
    language: Language | None,
    algorithms: tuple[str, ...],
    filters: tuple[str, ...],
    size: str | None,
    workspace: Path | None,
    max_assets: int | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Find assets by TEXT in English or Chinese, by a picture, by an asset, or by several of them together."""
    from meshseek.search.query import Query
    from meshseek.search.sizes import Size

    typed: list[Weighted] = [] if text is None else [("text", text, 1.0)]
    typed += [("image", str(image), 1.0) for image in images]
    typed += [*(("like", asset_id, 1.0) for asset_id in like), *(("text", words, -1.0) for words in without)]
    query = Query(
        **asked_for([*typed, *weighted]),
        language=language,
        filters=parsed_filters(filters),
        size=None if size is None else Size.parse(size),
        **options,
    )
    with application(workspace=workspace, max_assets=max_assets, needs="published") as meshseek:
        if query.rerank is not None:
            meshseek.reranking.prepare(query.rerank)  # whoever typed this waits for it anyway
        answer = meshseek.search_service.search(query, algorithms)
        value = answer_as_json(answer, meshseek.workspace) if as_json else None
    show(value, as_json=as_json, text=answer_as_text(answer))


def answer_as_json(answer: Answer, workspace: Workspace | None = None) -> dict[str, Any]:
    """An answer as plain values.

    Args:
        answer: It.
        workspace: Has the files of its assets; None to say nothing of them.
    """
    return {
        "results": [
            {
                "asset_id": hit.asset_id,
                "score": hit.score,
                "relevance": hit.relevance,
                "caption_en": hit.caption_english,
                "caption_zh": hit.caption_chinese,
                "viewpoint_id": hit.viewpoint_id,
                **({} if workspace is None else files_of(workspace, hit, hit.thumbnail)),
                "attributes": dict(hit.attributes),
                "basis": list(basis(hit.parts)),
                "duplicates": list(hit.duplicates),
                **({"explanation": _explanation(hit)} if answer.explained else {}),
            }
            for hit in answer.hits
        ],
        "nothing_close": answer.nothing_close,
        "algorithm": answer.algorithm,
        "query_type": answer.query_type,
        "cross_modal": answer.cross_modal,
        "target": answer.target,
        "hint": answer.hint,
        "translated_query": answer.translated_query,
        "reranked_by": answer.reranked_by,
        "note": answer.note,
        "partial": answer.shares.is_partial,
        "shards": answer.shares.all,
        "shards_answered": answer.shares.asked,
        **({"parts": [asdict(part) for part in answer.parts]} if answer.parts else {}),
        **({"algorithms": dict(answer.versions)} if len(answer.versions) > 1 else {}),
        **(answer.facets.as_plain() if answer.facets else {}),
        "took_ms": {"embed": answer.embed_ms, "search": answer.search_ms, "total": answer.total_ms},
    }


def answer_as_text(answer: Answer) -> str:
    """An answer as lines, one for each result."""
    lines = [_hit_as_text(rank, hit, explained=answer.explained) for rank, hit in enumerate(answer.hits, 1)]
    if answer.nothing_close:
        lines.append(f"nothing here is close to this{'; these are the nearest' if lines else ''}")
    lines = lines or ["nothing found"]
    if answer.hint:
        lines.append(f"({answer.hint})")
    if answer.shares.is_partial:
        lines.append(f"(only {answer.shares.asked} of {answer.shares.all} shards answered; better ones may be missing)")
    translated = dict.fromkeys([answer.translated_query, *(part.translated for part in answer.parts)])
    lines += [f"(searched as: {words})" for words in translated if words]
    if answer.note:
        lines.append(f"({answer.note})" if answer.reranked_by else f"(not reranked: {answer.note})")
    return "\n".join([*lines, *facets_as_lines(answer.facets)])


def _explanation(hit: Hit) -> dict[str, Any]:
    return {"parts": dict(hit.parts), "texts": [asdict(share) for share in hit.texts]}


def _hit_as_text(rank: int, hit: Hit, *, explained: bool) -> str:
    captions = " / ".join(plain(caption) for caption in (hit.caption_english, hit.caption_chinese) if caption)
    copies = f"  (and {len(hit.duplicates)} that look the same)" if hit.duplicates else ""
    why = "".join(f"\n     {line}" for line in _because(hit)) if explained else ""
    return f"{rank:>3}  {hit.score:.3f}  {hit.asset_id:<40}  {hit.relevance:<6}  {captions}{copies}{why}"


def _because(hit: Hit) -> list[str]:
    """What a score rests on, as lines."""
    parts = ", ".join(f"{name.replace('_', ' ')} {value:.3f}" for name, value in hit.parts.items())
    return [parts or "its name", *(f"{share.gave:+.3f} of the caption by: {share.text}" for share in hit.texts)]


def parsed_filters(pairs: Sequence[str]) -> dict[str, Any]:
    """Filters by field; the words that are given for one field are words of which one must hold."""
    from meshseek.search.filters import parse_filter

    filters: dict[str, Any] = {}
    for name, value in map(parse_filter, pairs):
        if isinstance(value, str) and isinstance(filters.setdefault(name, []), list):
            filters[name].append(value)
        elif filters.setdefault(name, value) != value:
            raise click.BadParameter(f"'{name}' is filtered twice; give one filter for it", param_hint="--filter")
    return filters
