"""The routes; each turns a request into a value, asks the search service, and turns the answer into a schema."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, BinaryIO
from urllib.parse import quote

import httpx
from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi import Query as Parameter
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from meshseek.bootstrap import Meshseek
from meshseek.errors import NotFoundError, ServiceError, UnreadableAssetError
from meshseek.images import MAX_IMAGE_BYTES, read_image
from meshseek.interfaces.http.failures import sees_details
from meshseek.interfaces.http.opened import OpenedFile
from meshseek.interfaces.http.results import Result
from meshseek.interfaces.http.schemas import (
    DEFAULT_ALGORITHM,
    AlgorithmName,
    AssetAnswer,
    ErrorAnswer,
    Facet,
    Health,
    ImageSearch,
    SearchAnswer,
    SimilarAnswer,
    TargetName,
    TextSearch,
)
from meshseek.model import LABEL_FIELDS
from meshseek.search.admission import Admission
from meshseek.search.algorithm import Answer
from meshseek.search.query import MAX_TOP_K, Query
from meshseek.untrusted.files import open_inside
from meshseek.workspace.view_files import open_camera, open_view

FIELD_BYTES = 100_000
"""More than all fields of a search together; a picture comes on top."""
GLB = "model/gltf-binary"
FORM = "multipart/form-data"
PICTURES = Admission(running=2, waiting=14)
"""So many pictures are unpacked and wait to be at a time: one of 50 million pixels takes 200 MB."""
CACHED, ASKED_AGAIN = {"Cache-Control": "max-age=3600"}, {"Cache-Control": "no-cache"}
"""A picture may be kept where its address names the version of its asset that is published."""
MISSING: dict[int | str, dict[str, Any]] = {404: {"model": ErrorAnswer}}

router = APIRouter(responses={422: {"model": ErrorAnswer}, 503: {"model": ErrorAnswer}})


async def _meshseek(request: Request) -> Meshseek:  # a plain function would be called in another thread
    meshseek: Meshseek = request.app.state.meshseek
    return meshseek


Application = Annotated[Meshseek, Depends(_meshseek)]
Version = Annotated[str | None, Parameter(description="As search results give it: what it names may be kept")]


@router.get("/health", responses={503: {"model": Health}})
def health(meshseek: Application, request: Request, response: Response) -> Health:
    """Whether queries can be answered, by algorithm; 503 until one of them can."""
    states = meshseek.search_service.health(general=not sees_details(request.scope))
    ready = "ready" in states.values()
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Health(status="ready" if ready else "unavailable", algorithms=states)


@router.post("/search/text", response_model=SearchAnswer, max_body_size=FIELD_BYTES)
def search_text(meshseek: Application, search: TextSearch) -> Response:
    """Find assets by words in English or Chinese."""
    language = None if search.query_type == "auto" else search.query_type
    query = Query(text=search.query, language=language, **search.options())
    answer = meshseek.search_service.algorithm(search.algorithm).search(query)
    return _written(answer)


@router.post("/search/image", response_model=SearchAnswer, max_body_size=MAX_IMAGE_BYTES + FIELD_BYTES)
def search_image(meshseek: Application, search: Annotated[ImageSearch, Form(media_type=FORM)]) -> Response:
    """Find assets by a picture."""
    algorithm = meshseek.search_service.algorithm(search.algorithm)
    with PICTURES.admitted():
        query = Query(image=read_image(search.file.file.read()), **search.options())
    return _written(algorithm.search(query))


@router.get("/facets/{attribute}")
def facets(meshseek: Application, attribute: str, algorithm: AlgorithmName = DEFAULT_ALGORITHM) -> list[Facet]:
    """The values of a filter field, most frequent first."""
    if attribute not in LABEL_FIELDS:
        raise NotFoundError(f"there are no values of '{attribute}' to list; known fields: {', '.join(LABEL_FIELDS)}")
    library = meshseek.search_service.algorithm(algorithm).library
    return [Facet(value=value, count=count) for value, count in library.facet(attribute)]


@router.get("/assets/{asset_id:path}/similar", responses=MISSING)
def similar(
    meshseek: Application,
    asset_id: str,
    algorithm: AlgorithmName = DEFAULT_ALGORITHM,
    target: TargetName = "appearance",
    top_k: Annotated[int, Parameter(ge=1, le=MAX_TOP_K)] = 10,
) -> SimilarAnswer:
    """Assets like this one."""
    hits = meshseek.search_service.algorithm(algorithm).similar(asset_id, target, top_k)
    return SimilarAnswer(results=[Result.of(hit, algorithm) for hit in hits], algorithm=algorithm, target=target)


@router.get(
    "/assets/{asset_id:path}/model", response_class=Response, responses={200: {"content": {GLB: {}}}, **MISSING}
)
def model(meshseek: Application, asset_id: str, algorithm: AlgorithmName | None = None) -> Response:
    """The asset's GLB, from the workspace or from ``BASE_URL``."""
    try:
        key = meshseek.search_service.asset(asset_id, algorithm).model
    except NotFoundError:
        # An id may itself end in "/model": then this is the address of that asset.
        return JSONResponse(asset(meshseek, f"{asset_id}/model", algorithm).model_dump())
    if key is None:
        raise NotFoundError(f"asset '{asset_id}' has no model file")
    with suppress(OSError, UnreadableAssetError):
        return OpenedFile(open_inside(meshseek.workspace.models / key, meshseek.workspace.models), GLB)
    if meshseek.settings.base_url is None or ".." in key.split("/"):
        raise NotFoundError(f"the model of '{asset_id}' is not in the workspace; set MESHSEEK_BASE_URL to fetch it")
    return StreamingResponse(_fetched(f"{meshseek.settings.base_url.rstrip('/')}/{quote(key)}"), media_type=GLB)


@router.get("/assets/{asset_id:path}/views/{viewpoint_id}", response_class=FileResponse, responses=MISSING)
def view(
    meshseek: Application,
    asset_id: str,
    viewpoint_id: int,
    algorithm: AlgorithmName | None = None,
    v: Version = None,
) -> FileResponse:
    """One view of the asset, a PNG."""
    return _of_view(meshseek, open_view, asset_id, viewpoint_id, (algorithm, v))


@router.get("/assets/{asset_id:path}/views/{viewpoint_id}/camera", response_class=FileResponse, responses=MISSING)
def camera(
    meshseek: Application,
    asset_id: str,
    viewpoint_id: int,
    algorithm: AlgorithmName | None = None,
    v: Version = None,
) -> FileResponse:
    """Where one view was taken from, as JSON in the layout of G-Objaverse."""
    return _of_view(meshseek, open_camera, asset_id, viewpoint_id, (algorithm, v))


@router.get("/assets/{asset_id:path}", responses=MISSING)
def asset(meshseek: Application, asset_id: str, algorithm: AlgorithmName | None = None) -> AssetAnswer:
    """All that is known of one asset; without an algorithm, from the first that publishes it."""
    return AssetAnswer.of(meshseek.search_service.asset(asset_id, algorithm), algorithm)


def _written(answer: Answer) -> Response:
    """The answer as JSON, written in the thread of the search; FastAPI would check it once more, in another thread."""
    return Response(SearchAnswer.of(answer).model_dump_json(), media_type="application/json")


def _of_view(
    meshseek: Meshseek,
    opened: Callable[[Path, int, Path], BinaryIO],
    asset_id: str,
    viewpoint_id: int,
    options: tuple[str | None, str | None],
) -> OpenedFile:
    """A file of a view; options are the algorithm, and the version that its address names."""
    algorithm, version = options
    published = meshseek.search_service.asset(asset_id, algorithm)
    folder = published.view_folder
    if folder is None or viewpoint_id not in published.viewpoint_ids:
        raise NotFoundError(f"asset '{asset_id}' has no view {viewpoint_id}")
    what, media_type = ("camera", "application/json") if opened is open_camera else ("picture", "image/png")
    root = meshseek.workspace.view_root(folder, published.attributes.get("library"))
    try:
        file = opened(meshseek.workspace.folder / folder, viewpoint_id, root)
    except NotFoundError as error:  # its message has a path of this machine
        raise NotFoundError(f"the {what} of view {viewpoint_id} of '{asset_id}' is missing on the server") from error
    return OpenedFile(file, media_type, CACHED if version == published.version else ASKED_AGAIN)


def _fetched(url: str) -> Iterator[bytes]:
    """The bytes behind a URL; asked for before the answer starts, so that a failure still has its own status."""
    client = httpx.Client(timeout=30, follow_redirects=True)
    try:
        answer = client.send(client.build_request("GET", url), stream=True)
    except httpx.HTTPError as error:
        client.close()
        raise ServiceError(f"the model cannot be fetched from MESHSEEK_BASE_URL: {error}") from error
    if answer.status_code != HTTPStatus.OK:
        client.close()
        raise NotFoundError(f"the model is not at MESHSEEK_BASE_URL (HTTP {answer.status_code})")

    def stream() -> Iterator[bytes]:
        with closing(client), closing(answer):
            yield from answer.iter_bytes()

    return stream()
