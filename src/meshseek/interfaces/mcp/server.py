"""The tools as a server of the Model Context Protocol."""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import anyio
from anyio.to_thread import run_sync
from mcp.server import Server, ServerRequestContext
from mcp.types import (
    CallToolRequestParams,
    CallToolResult,
    ImageContent,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    Tool,
    ToolAnnotations,
)
from pydantic import BaseModel, ValidationError

from meshseek import __version__
from meshseek.client.refusals import UNAUTHORIZED
from meshseek.errors import ApiError, MeshseekError
from meshseek.interfaces.filter_form import wrong_filters
from meshseek.interfaces.mcp.arguments import (
    CollectAttribution,
    GetAsset,
    SearchAssets,
    SearchAssetsHere,
    SimilarAssets,
)
from meshseek.interfaces.mcp.contact_sheet import MIME_TYPE
from meshseek.interfaces.mcp.tools import Reply, Tools

RUNNING: Final = 8
WAITING: Final = 32
"""Calls at a time, and such as wait for their turn; more are told to come back."""
LONGEST: Final = 1_000
"""Characters of an error."""
INSTRUCTIONS: Final = (
    "Meshseek finds 3D models (GLB) in the user's own library. Search with search_assets (without arguments it lists "
    "what there is), look at the numbered contact sheet, then get_asset for the one that you choose: it gives a GLB "
    "that a 3D program imports at once, at true size (1 unit = 1 m, Y up). Before work is published, call "
    "collect_attribution with the ids that were used."
)
_KEY: Final = "name MESHSEEK_API_KEY with one under 'env' in the agent's configuration"
_SHEET = "A JPEG contact sheet comes with it: tile N is result N at its best view."

log = logging.getLogger(__name__)

ToolsFor = Callable[[ServerRequestContext[Any, Any]], Tools]


@dataclass(frozen=True, slots=True)
class _Kind:
    """One tool: what is given to it, what does it, and what agents read of it."""

    arguments: type[BaseModel]
    work: Callable[[Tools, Any], Reply]
    description: str
    is_writing: bool = False
    """Whether it puts a file on the agent's machine."""


def _kinds(*, here: bool) -> dict[str, _Kind]:
    glb = "the path of the GLB, saved on this machine" if here else "the URL of the GLB"
    row = "licence and author" if here else "licence and author, and the URL of its GLB"
    return {
        "search_assets": _Kind(
            SearchAssetsHere if here else SearchAssets,
            Tools.search_assets,
            "Find 3D assets by words (English or Chinese), by a picture, by another asset, or by several together. "
            "Filters alone list what passes them; without anything, the library is listed, with the categories and "
            "tags that filters may name. Gives at most top_k results, best first: number, id, how well it fits "
            f"(strong, fair or weak), caption, category, size in metres as width x depth x height, {row}. {_SHEET}",
        ),
        "get_asset": _Kind(
            GetAsset,
            Tools.get_asset,
            "All that is known of one asset: captions, tags, size in metres (width x depth x height), licence and "
            f"author, faces, and {glb}, ready to import. A JPEG contact sheet shows its views by their numbers.",
            is_writing=here,
        ),
        "similar_assets": _Kind(
            SimilarAssets,
            Tools.similar_assets,
            "Assets like one asset, by how they look, by what they are, or both; filters hold as in search_assets, and "
            f"results are as there. {_SHEET}",
        ),
        "collect_attribution": _Kind(
            CollectAttribution,
            Tools.collect_attribution,
            "Whom to name for the assets that are used, by their licences, as Markdown to keep beside the work; with "
            "use, warns of what a licence does not allow.",
        ),
    }


def make_server(tools_for: ToolsFor, *, here: bool) -> Server[Any]:
    """Make the server.

    Args:
        tools_for: Gives the tools for whoever makes a request.
        here: Whether the agent is on this machine, where files have paths.
    """
    kinds = _kinds(here=here)
    turns = anyio.CapacityLimiter(RUNNING)

    async def list_tools(_: ServerRequestContext[Any, Any], __: PaginatedRequestParams | None) -> ListToolsResult:
        return ListToolsResult(
            tools=[
                Tool(
                    name=name,
                    description=kind.description,
                    input_schema=kind.arguments.model_json_schema(),
                    annotations=_annotations(kind),
                )
                for name, kind in kinds.items()
            ]
        )

    async def call_tool(context: ServerRequestContext[Any, Any], params: CallToolRequestParams) -> CallToolResult:
        kind = kinds.get(params.name)
        if kind is None:
            return _refused(f"there is no tool '{params.name}'; there are {', '.join(kinds)}")
        if turns.statistics().tasks_waiting >= WAITING:
            return _refused("too many tools are called at once; try again in a second")
        try:
            asked = kind.arguments.model_validate(params.arguments or {})
            reply = await run_sync(partial(kind.work, tools_for(context), asked), limiter=turns, abandon_on_cancel=True)
        except ValidationError as error:
            return _refused(_first(error))
        except MeshseekError as error:
            return _refused(_with_cure(error) if here else str(error))
        except Exception:
            log.exception("unforeseen error in %s", params.name)
            return _refused("something went wrong in Meshseek; its log says what")
        return _result(reply)

    return Server(
        "meshseek",
        version=__version__,
        title="Meshseek",
        instructions=INSTRUCTIONS,
        on_list_tools=list_tools,
        on_call_tool=call_tool,
    )


def _annotations(kind: _Kind) -> ToolAnnotations:
    """What agents may take a tool for; a model that is saved once more is the same."""
    if not kind.is_writing:
        return ToolAnnotations(read_only_hint=True, open_world_hint=False)
    return ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=True, open_world_hint=False)


def _result(reply: Reply) -> CallToolResult:
    content: list[Any] = [TextContent(type="text", text=reply.text)]
    if reply.picture is not None:
        data = base64.b64encode(reply.picture).decode()
        content.append(ImageContent(type="image", data=data, mime_type=MIME_TYPE))
    return CallToolResult(content=content)


def _refused(message: str) -> CallToolResult:
    sentence = f"{message[:LONGEST]} ..." if len(message) > LONGEST else message
    return CallToolResult(content=[TextContent(type="text", text=sentence)], is_error=True)


def _with_cure(error: MeshseekError) -> str:
    """What is wrong, with what helps an agent that started this program: it sends no headers of its own."""
    if isinstance(error, ApiError) and error.code == UNAUTHORIZED:
        return f"{str(error).partition(';')[0]}; {_KEY}"
    return str(error)


def _first(error: ValidationError) -> str:
    """The first thing that is wrong with what was given, in one sentence."""
    errors = error.errors(include_url=False, include_input=False)
    if said := wrong_filters(errors):
        return said
    first = errors[0]
    place = ".".join(map(str, first["loc"])) or "the arguments"
    if first["type"] == "extra_forbidden":
        return f"there is no argument '{place[:100]}'; the tool's description names those that there are"
    said = first["msg"]
    return f"{place}: {said[0].lower()}{said[1:]}"
