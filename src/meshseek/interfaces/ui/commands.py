"""What is on the page, as commands that do the same: for curl, for Python, and for the command line."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from meshseek.collecting.names import readable
from meshseek.interfaces.ui.address import Filter, State, bounds_of

CLI = "CLI"
NAMES = ("curl", "Python", CLI)


def asset_commands(api_url: str, asset_id: str) -> dict[str, str]:
    """How to get one asset and what is known of it, by what runs the command."""
    address = f"{api_url}/assets/{quote(asset_id)}"
    name = readable(asset_id.rpartition("/")[2])
    file = f"{name}.glb"
    client = f"client = meshseek.Client({_python(api_url)})"
    return dict(
        zip(
            NAMES,
            (
                f"curl -o {shlex.quote(file)} {shlex.quote(f'{address}/model')}",
                f"import meshseek\n\n{client}\nclient.download({_python(asset_id)}, {_python(file)})",
                _line("collect", asset_id, ["--out", name]),
            ),
            strict=True,
        )
    )


def search_commands(api_url: str, state: State) -> dict[str, str]:
    """The search of a state, likewise; empty where it cannot be repeated elsewhere, as with an uploaded picture."""
    if not state.parts or any(part.kind == "picture" for part in state.parts):
        return {}
    return dict(zip(NAMES, (_curl(api_url, state), _client(api_url, state), _command(state)), strict=True))


def _options(state: State) -> dict[str, Any]:
    chosen = {
        "algorithm": state.algorithm,
        "target": state.target,
        "cross_modal": state.cross_modal,
        "filters": state.asked_filters,
    }
    plain = {"diverse": False} if state.plain else {}
    stacked = {} if state.copies else {"collapsed": True}
    return {**{name: value for name, value in chosen.items() if value}, **plain, **stacked, "top_k": state.count}


def _parts(state: State) -> list[dict[str, Any]]:
    names = {"q": "text", "like": "asset_id"}
    return [
        {names[part.kind]: part.value, **({} if part.weight == 1 else {"weight": part.weight})} for part in state.parts
    ]


def _only_words(state: State) -> bool:
    return len(state.parts) == 1 and state.parts[0].kind == "q" and state.parts[0].weight == 1


def _curl(api_url: str, state: State) -> str:
    language = {"query_type": state.language} if state.language else {}
    if _only_words(state):
        path, body = "/search/text", {"query": state.words, **language, **_options(state)}
    else:
        path, body = "/search", {"parts": [{**part, **language} for part in _parts(state)], **_options(state)}
    text = shlex.quote(json.dumps(body, ensure_ascii=False))
    return f"curl {shlex.quote(api_url + path)} -H 'Content-Type: application/json' \\\n  -d {text}"


def _client(api_url: str, state: State) -> str:
    asked = _python(state.words) if _only_words(state) else f"parts={_python(_parts(state))}"
    language = {"query_type": state.language} if state.language and _only_words(state) else {}
    options = "".join(f", {name}={_python(value)}" for name, value in {**language, **_options(state)}.items())
    return (
        f"import meshseek\n\nclient = meshseek.Client({_python(api_url)})\n"
        f"for result in client.search({asked}{options}).results:\n    print(result.asset_id, result.caption_en)"
    )


def _command(state: State) -> str:
    first, *rest = state.parts
    is_plain = first.kind == "q" and first.weight == 1
    words: list[str] = []
    for part in rest if is_plain else state.parts:
        words += _command_part(part.kind, part.value, part.weight)
    for option, value in {"algorithm": state.algorithm, "target": state.target, "language": state.language}.items():
        words += [f"--{option}", value] if value else []
    words += ["--cross-modal"] if state.cross_modal else []
    words += ["--not-diverse"] if state.plain else []
    words += [] if state.copies else ["--collapsed"]
    words += _filter_words(state.filters)
    return _line("search", first.value if is_plain else "", [*words, "--top-k", str(state.count)])


def _line(command: str, argument: str, options: Sequence[str]) -> str:
    """A command line; an argument that looks like an option comes last, after what ends them."""
    said = [argument] if argument else []
    words = [*options, "--", *said] if argument.startswith("-") else [*said, *options]
    return shlex.join(["meshseek", command, *words])


def _command_part(kind: str, value: str, weight: float) -> list[str]:
    if kind == "like" and weight == 1:
        return ["--like", value]
    return ["--part", f"{weight:g}:{'like:' if kind == 'like' else ''}{value}"]


def _filter_words(filters: Mapping[str, Filter]) -> Iterator[str]:
    for name, each in filters.items():
        for value in each.values or (bounds_of(each),):
            yield from ("--filter", f"{name}={value}")


def _python(value: Any) -> str:
    return repr(value)
