"""The tools of agents, asked by the SDK's own client: over HTTP from a real service, and over stdio as a program."""

from __future__ import annotations

import base64
import io
import json
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from fastapi import FastAPI
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, ImageContent, TextContent
from PIL import Image
from tests.sample_library import BARE_ID, ODD_ID

from meshseek.access.keys import Caller, make_key
from meshseek.access.keys_file import KeysFile
from meshseek.bootstrap import Meshseek
from meshseek.interfaces.http import create_app
from meshseek.interfaces.mcp.contact_sheet import MOST_BYTES, SIDE
from meshseek.interfaces.mcp.over_http import Inside
from meshseek.interfaces.mcp.tools import _file_name
from meshseek.interfaces.mcp.wording import MOST_TOKENS, tokens
from meshseek.settings import read_settings

ROOT = Path(__file__).parents[2]
TOOLS = ["search_assets", "get_asset", "similar_assets", "collect_attribution"]
Calls = Callable[[Client], Coroutine[Any, Any, None]]


def over_http(url: str, calls: Calls, mode: str = "auto") -> None:
    """Make calls at ``/mcp`` of an API."""

    async def run() -> None:
        async with Client(f"{url}/mcp", mode=mode) as client:
            await calls(client)

    anyio.run(run)


def over_stdio(url: str, models: Path, calls: Calls, **environment: str) -> None:
    """Make calls to ``meshseek mcp``, started as agents start it."""
    arguments = ["-m", "meshseek", "mcp", "--url", url, "--models", str(models)]
    env = {"PYTHONPATH": ":".join(filter(None, sys.path)), **environment}
    server = StdioServerParameters(command=sys.executable, args=arguments, env=env, cwd=models)

    async def run() -> None:
        async with Client(server) as client:
            await calls(client)

    anyio.run(run)


def text_of(result: CallToolResult) -> str:
    """What is said."""
    assert isinstance(result.content[0], TextContent)
    return result.content[0].text


def sheet_of(result: CallToolResult) -> Image.Image:
    """The contact sheet, opened."""
    (image,) = result.content[1:]
    assert isinstance(image, ImageContent)
    assert image.mime_type == "image/jpeg"
    content = base64.b64decode(image.data)
    assert len(content) <= MOST_BYTES
    opened = Image.open(io.BytesIO(content))
    opened.load()
    return opened


def as_base64(image: Image.Image) -> str:
    """A picture as agents send it."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return base64.b64encode(file.getvalue()).decode()


async def refused(client: Client, tool: str, **arguments: Any) -> str:
    """The one sentence that a tool says instead of an answer."""
    result = await client.call_tool(tool, arguments)
    assert result.is_error
    assert len(result.content) == 1
    assert "\n" not in text_of(result)
    return text_of(result)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_search_over_http_is_short_and_shows_what_it_found(api_url: str, mode: str) -> None:
    """By the protocol of today and that before it: ten results in few tokens, with one picture of as many tiles."""

    async def calls(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == TOOLS
        assert all(tool.annotations and tool.annotations.read_only_hint for tool in tools)
        found = await client.call_tool("search_assets", {"text": "antique wooden chair"})
        text = text_of(found)
        assert tokens(text) <= MOST_TOKENS
        assert f"\n1. {ODD_ID} [" in text
        assert "\n10. " in text
        assert " m, unit likely; CC0-1.0 by Meshseek; glb http://127.0.0.1:" in text
        assert sheet_of(found).size == (5 * SIDE, 2 * SIDE)
        address = re.findall(r"glb (http\S+)", text)[0]
        async with httpx2.AsyncClient() as web:
            assert (await web.get(address)).content[:4] == b"glTF"

    over_http(api_url, calls, mode)


def test_every_way_of_asking_over_http(api_url: str) -> None:
    """A picture, filters, a size, the next page, one asset, what is like it, and whom to name."""

    async def calls(client: Client) -> None:
        sheet = sheet_of(await client.call_tool("get_asset", {"asset_id": ODD_ID}))
        assert sheet.size == (3 * SIDE, SIDE)
        tile = as_base64(sheet.crop((0, 0, SIDE, SIDE)))
        by_picture = {"image_base64": f"data:image/png;base64,{tile}", "filters": {"permits": "commercial"}, "top_k": 3}
        assert ODD_ID in text_of(await client.call_tool("search_assets", by_picture))
        asked = {"text": "椅子", "size": "60x60x90", "top_k": 2, "offset": 2}
        assert "\n3. " in text_of(await client.call_tool("search_assets", asked))
        like = text_of(await client.call_tool("search_assets", {"like": BARE_ID, "text": "cup", "top_k": 3}))
        assert like.startswith(
            f'Search for "cup" and what is like {BARE_ID}: 3 results, best first; more with offset 3.'
        )
        assert f". {BARE_ID} [" not in like
        alike = await client.call_tool("similar_assets", {"asset_id": ODD_ID, "top_k": 7})
        assert sheet_of(alike).size == (5 * SIDE, 2 * SIDE)
        assert f"Assets like {ODD_ID} by both: 7 results" in text_of(alike)
        some = {"asset_id": ODD_ID, "target": "appearance", "filters": {"category": "Kitchen"}, "offset": 1}
        assert "; Kitchen; " in text_of(await client.call_tool("similar_assets", some)).replace("   ", "; ")
        bare = text_of(await client.call_tool("get_asset", {"asset_id": BARE_ID}))
        assert "licence: unknown licence" in bare
        assert "glb: http://127.0.0.1:" in bare
        asked = {"asset_ids": [ODD_ID, BARE_ID, "gone"], "use": "commercial"}
        credits_ = text_of(await client.call_tool("collect_attribution", asked)).splitlines()
        assert credits_[0].startswith(f"Warning: '{BARE_ID}': nothing says that commercial use is allowed")
        assert credits_[1] == "Warning: 'gone': no asset here has this id"
        assert not any(line.startswith("gone: ") for line in credits_)
        assert any(line.startswith("* Antique by Meshseek, CC0-1.0") for line in credits_)
        assert any(line.startswith("CC0-1.0: May be used for anything") for line in credits_)

    over_http(api_url, calls)


def test_what_is_not_wanted_comes_last(api_url: str) -> None:
    """Words that the results should not be like."""

    async def calls(client: Client) -> None:
        async def first(**arguments: Any) -> list[str]:
            found = text_of(await client.call_tool("search_assets", {"top_k": 20, **arguments}))
            return re.findall(r"^\d+\. (\S+)-\d+ ", found, re.MULTILINE)

        assert (await first(text="furniture to sit on"))[0] == "chair"
        assert "chair" not in (await first(text="furniture to sit on", without="chair"))[:3]

    over_http(api_url, calls)


def test_filters_alone_list_the_library(api_url: str) -> None:
    """By name, with the categories and tags to filter by; pages end where it does, and say so."""

    async def calls(client: Client) -> None:
        async def said(**arguments: Any) -> list[str]:
            found = text_of(await client.call_tool("search_assets", arguments))
            assert tokens(found) <= MOST_TOKENS
            return found.splitlines()

        everything = await said()
        assert everything[0].startswith("Assets of the library, 22 in all: 10 results, by name; more with offset 10.")
        assert re.match(r"category: [A-Z]\w.* \d+, ", everything[1])
        assert everything[2].startswith("tags: ")
        shown = [line for offset in (0, 10, 20) for line in await said(offset=offset) if re.match(r"\d+\. ", line)]
        assert [int(line.partition(".")[0]) for line in shown] == list(range(1, 23))
        assert len({line.split()[1] for line in shown}) == 22
        assert "these are the last" in (await said(offset=20))[0]
        assert await said(offset=22) == [
            "Assets of the library, 22 in all: no result has the number 23; the pages before have all that there are."
        ]
        some = await said(filters={"category": "Living room", "height": {"min": 10}})
        assert some[0].startswith("Assets that pass the filters, ")
        (none,) = await said(filters={"category": "living rom"})
        assert none.startswith(
            "Assets that pass the filters: nothing found. No asset here has the category 'living rom'; "
        )
        assert "there are: Living room, " in none

    over_http(api_url, calls)


def test_the_end_of_a_search_is_told(api_url: str) -> None:
    """And a filter on what nothing has."""

    async def calls(client: Client) -> None:
        async def first(**arguments: Any) -> str:
            return text_of(await client.call_tool("search_assets", arguments)).splitlines()[0]

        assert "more with offset 10." in await first(text="chair")
        assert "results 21 to 22, best first; these are the last." in await first(text="chair", offset=20)
        beyond = 'Search for "chair": no result has the number 23; the pages before have all that there are.'
        assert await first(text="chair", offset=22) == beyond
        wrong = await first(text="desk", filters={"licence": "CC0"})
        assert wrong == ("Search for \"desk\": nothing found. No asset here has the licence 'CC0'; there are: CC0-1.0.")

    over_http(api_url, calls)


def test_bad_input_is_one_sentence(api_url: str) -> None:
    """That says what is wrong and what to give instead; nothing of it is an error of the protocol."""

    async def calls(client: Client) -> None:
        for tool, arguments, words in (
            ("search_assets", {"without": "wood"}, "without and size need text, a picture or like beside them"),
            (
                "search_assets",
                {"text": "chair", "filters": {"height": {"lt": 80}}},
                "the filter on 'height' takes a number",
            ),
            ("search_assets", {"filters": "height<80"}, "filters: give a JSON object by field"),
            ("search_assets", {"filters": {"permits": "comercial"}}, "there are: commercial, changes, no-credit"),
            ("search_assets", {"text": "chair", "offset": 1_000}, "offset: input should be less than 1000"),
            ("search_assets", {"text": " "}, "the query is empty"),
            ("search_assets", {"text": "x" * 5_000}, "at most"),
            ("search_assets", {"text": "chair", "top_k": 200}, "top_k: input should be less than or equal to 20"),
            ("search_assets", {"text": "chair", "filters": {"colour": "red"}}, "colour"),
            ("search_assets", {"text": "chair", "size": "big"}, "write width x depth x height"),
            ("search_assets", {"query": "chair"}, "there is no argument 'query'"),
            ("search_assets", {"image_path": "/etc/passwd"}, "there is no argument 'image_path'"),
            ("search_assets", {"image_base64": "%%%"}, "is no base64"),
            ("search_assets", {"image_base64": "AAAA"}, "PNG"),
            ("get_asset", {"asset_id": "none"}, "there is no asset 'none' here; check the id"),
            ("get_asset", {}, "asset_id: field required"),
            ("similar_assets", {"asset_id": "none"}, "none"),
            ("delete_assets", {}, "there are search_assets, get_asset"),
        ):
            assert words in await refused(client, tool, **arguments), (tool, arguments)

    over_http(api_url, calls)


def test_over_stdio_models_and_pictures_are_files(api_url: str, tmp_path: Path) -> None:
    """A GLB is put where the agent's 3D program finds it; pictures may be files, and only pictures."""
    secret = tmp_path / "secret.txt"
    secret.write_text("not to be sent")
    saved: list[str] = []

    async def calls(client: Client) -> None:
        tools = (await client.list_tools()).tools
        assert [tool.name for tool in tools] == TOOLS
        hints = [tool.annotations and tool.annotations.read_only_hint for tool in tools]
        assert hints == [True, False, True, True]
        asset = await client.call_tool("get_asset", {"asset_id": ODD_ID})
        saved.append(text_of(asset).partition("glb: ")[2].partition("\n")[0])
        photo = tmp_path / "photo.png"
        sheet_of(asset).crop((0, 0, SIDE, SIDE)).save(photo)
        found = await client.call_tool("search_assets", {"image_path": str(photo), "top_k": 3})
        assert ODD_ID in text_of(found)
        assert "get_asset saves a GLB on this machine and gives its path." in text_of(found).splitlines()
        assert "cannot read" in await refused(client, "search_assets", image_path=str(secret))
        two = {"image_path": str(photo), "image_base64": "AAAA"}
        assert "not both" in await refused(client, "search_assets", **two)

    over_stdio(f"{api_url}/mcp", tmp_path, calls)
    (glb,) = map(Path, saved)
    assert glb.parent == tmp_path
    assert glb.read_bytes()[:4] == b"glTF"


def test_the_guide_s_configuration_and_calls_work(api_url: str, tmp_path: Path) -> None:
    """The program as an agent would start it, and the conversation, but for the address, the folder and the id."""
    page = (ROOT / "docs" / "how-to" / "agents.md").read_text("utf-8")
    blocks = [json.loads(block) for block in re.findall(r"^ *```json\n(.*?)```", page, re.DOTALL | re.MULTILINE)]
    (configured,) = blocks[0]["mcpServers"].values()
    tools = re.findall(r"^\d\. `(\w+)`", page, re.MULTILINE)
    assert page.count(f"/models/{_file_name('chairs/red')}") == 2
    assert configured["args"][:2] == ["mcp", "--url"]
    assert configured["command"] == "meshseek"

    async def calls(client: Client) -> None:
        for tool, arguments in zip(tools, blocks[2:], strict=True):
            known = json.loads(json.dumps(arguments).replace("chairs/red", BARE_ID))
            told = await client.call_tool(tool, known)
            assert not told.is_error, text_of(told)

    over_stdio(api_url, tmp_path, calls)


def test_over_stdio_a_service_that_is_away_or_refuses_is_told(api_url: str, tmp_path: Path) -> None:
    """The program stays: the service may be started later."""

    async def away(client: Client) -> None:
        assert "run 'meshseek serve' there" in await refused(client, "search_assets", text="chair")

    async def no_key(client: Client) -> None:
        told = await refused(client, "search_assets", text="chair")
        assert told.startswith("this is no key")
        assert told.endswith("name MESHSEEK_API_KEY with one under 'env' in the agent's configuration")

    over_stdio("http://127.0.0.1:9", tmp_path, away)
    over_stdio(api_url, tmp_path, no_key, MESHSEEK_API_KEY=make_key("x", "read")[0])


def test_the_gate_holds_for_agents(tmp_path: Path) -> None:
    """Without a key, with a wrong one, by a foreign name or from a website nobody comes in; with one they do."""
    app = create_app(Meshseek(read_settings(workspace=tmp_path, allowed_hosts="assets.example.com")))
    text, key = make_key("agent", "read")
    KeysFile(tmp_path).add(key)

    async def status(url: str = "http://localhost", **headers: str) -> tuple[int, str]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=url, headers=headers) as web:
            answer = await web.post("/mcp", json={"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
            return answer.status_code, answer.json()["error"]["code"]

    async def run() -> None:
        wrong = f"Bearer {make_key('x', 'read')[0]}"
        assert await status() == (401, "unauthorized")
        assert await status(Authorization=wrong) == (401, "unauthorized")
        assert await status("http://evil.example", Authorization=f"Bearer {text}") == (400, "unknown_host")
        assert await status(Authorization=f"Bearer {text}", Origin="http://evil.example") == (403, "foreign_origin")
        sent = {"Authorization": f"Bearer {text}"}
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, headers=sent) as web:
            async with Client(streamable_http_client("http://assets.example.com/mcp", http_client=web)) as client:
                assert [tool.name for tool in (await client.list_tools()).tools] == TOOLS
            assert (await web.get("http://localhost/mcp")).status_code == 405
        await app.state.agents.close()

    anyio.run(run)


def test_a_tool_asks_as_who_called_it() -> None:
    """The caller, and the number of the request in the log, go with what a tool asks of the API."""
    app = FastAPI()
    seen: dict[str, Any] = {}

    async def asked(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope["state"], headers=dict(scope["headers"]))
        await app(scope, receive, send)

    caller = Caller(name="agent", scopes=("read",), key_id="a")

    async def run() -> None:
        transport = Inside(asked, {"state": {"caller": caller, "request_id": "r7"}})
        client = httpx.Client(transport=transport, base_url="http://localhost")
        answer = await anyio.to_thread.run_sync(lambda: client.post("/none", json={"a": 1}))
        assert answer.status_code == 404
        assert json.loads(answer.content) == {"detail": "Not Found"}

    anyio.run(run)
    assert seen["caller"] is caller
    assert seen["headers"][b"x-request-id"] == b"r7"
