"""The routes; each turns a request into a value, asks the search service, and turns the answer into a schema."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Any, BinaryIO

from fastapi import APIRouter, Depends, Form, Request, Response
from fastapi import Path as PathParameter
from fastapi import Query as Parameter
from fastapi.responses import JSONResponse

from meshseek.access.keys import Caller
from meshseek.bootstrap import Meshseek
from meshseek.errors import NotFoundError, UnreadableAssetError
from meshseek.images import MAX_IMAGE_BYTES, read_image
from meshseek.interfaces.filter_form import NAME, FieldName
from meshseek.interfaces.http.access import check_scope, key_scheme
from meshseek.interfaces.http.facet_schemas import Facet
from meshseek.interfaces.http.failures import sees_details
from meshseek.interfaces.http.opened import PICTURE_TYPES, OpenedFile, file_answer, picture_type
from meshseek.interfaces.http.results import Result
from meshseek.interfaces.http.schemas import (
    DEFAULT_ALGORITHM,
    FIELD_BYTES,
    AlgorithmName,
    AssetAnswer,
    ErrorAnswer,
    Health,
    ImageSearch,
    SearchAnswer,
    SearchOptions,
    SimilarAnswer,
    TargetName,
    TextSearch,
)
from meshseek.interfaces.http.subjects import Subject
from meshseek.interfaces.http.upstream import GLB, Upstream
from meshseek.model import LABEL_FIELDS
from meshseek.search.admission import Admission
from meshseek.search.answer import Answer
from meshseek.search.query import MAX_TOP_K, Query
from meshseek.untrusted.files import open_inside
from meshseek.workspace.view_files import open_camera, open_view

FORM = "multipart/form-data"
PICTURES = Admission(running=2, waiting=14)
"""So many pictures are unpacked and wait to be at a time: one of 50 million pixels takes 200 MB."""
CACHED, ASKED_AGAIN = {"Cache-Control": "max-age=3600"}, {"Cache-Control": "no-cache"}
"""A picture may be kept where its address names the version of its asset that is published."""
JSON = "application/json"
BINARY = {"schema": {"type": "string", "format": "binary"}}
"""Of content that is no text, as OpenAPI describes it."""
_WORDS = {
    400: "What was sent cannot be read",
    404: "There is no such algorithm, asset, view or file",
    409: "Nothing is published of this algorithm",
    413: "The request is too large",
    416: "The file is shorter than the part that the header Range asks for",
    422: "A value is not as it should be; the message says which, and how",
    503: "Not now: too much is asked at once, or something behind the API is away",
}


def refused(*statuses: int, **content: Any) -> dict[int | str, dict[str, Any]]:
    """The statuses of a route besides that of success, and the content of the latter where it is not JSON."""
    answers: dict[int | str, dict[str, Any]] = {
        status: {"model": ErrorAnswer, "description": _WORDS[status]} for status in statuses
    }
    if content:
        part = {"description": "The part that the header Range asks for", "content": content["content"]}
        answers |= {200: {"content": content["content"]}, 206: part}
    return answers


SEARCHED = refused(400, 404, 409, 413, 422, 503)
LOOKED_UP = (404, 409, 422, 503)
FILE = (400, *LOOKED_UP, 416)

router = APIRouter(dependencies=[Depends(key_scheme)])


async def _meshseek(request: Request) -> Meshseek:  # a plain function would be called in another thread
    meshseek: Meshseek = request.app.state.meshseek
    return meshseek


async def _caller(request: Request) -> Caller:
    caller: Caller = request.state.caller
    return caller


async def _upstream(request: Request) -> Upstream:
    upstream: Upstream = request.app.state.upstream
    return upstream


Application = Annotated[Meshseek, Depends(_meshseek)]
Asking = Annotated[Caller, Depends(_caller)]
ModelHost = Annotated[Upstream, Depends(_upstream)]
Version = Annotated[
    str | None, Parameter(description="As search results give it: what it names may be kept", max_length=NAME)
]
AssetId = Annotated[str, PathParameter(description="As search results give it; slashes may stay")]


@router.get(
    "/health",
    responses={503: {"model": Health, "description": "No algorithm can answer yet"}},
    tags=[Subject.SERVICE],
)
def health(meshseek: Application, request: Request, response: Response) -> Health:
    """Whether queries can be answered, by algorithm; 503 until one of them can."""
    states = meshseek.search_service.health(general=not sees_details(request.scope))
    ready = "ready" in states.values()
    if not ready:
        response.status_code = HTTPStatus.SERVICE_UNAVAILABLE
    return Health(status="ready" if ready else "unavailable", algorithms=states)


@router.post(
    "/search/text",
    response_model=SearchAnswer,
    responses=SEARCHED,
    max_body_size=FIELD_BYTES,
    tags=[Subject.SEARCH],
)
def search_text(meshseek: Application, caller: Asking, search: TextSearch) -> Response:
    """Find assets by words in English or Chinese."""
    language = None if search.query_type == "auto" else search.query_type
    query = Query(text=search.query, language=language, **search.options(), free=is_free(caller, search))
    answer = meshseek.search_service.algorithm(search.algorithm).search(query)
    return _written(answer)


@router.post(
    "/search/image",
    response_model=SearchAnswer,
    responses=SEARCHED,
    max_body_size=MAX_IMAGE_BYTES + FIELD_BYTES,
    tags=[Subject.SEARCH],
)
def search_image(
    meshseek: Application, caller: Asking, search: Annotated[ImageSearch, Form(media_type=FORM)]
) -> Response:
    """Find assets by a picture."""
    free = is_free(caller, search)
    algorithm = meshseek.search_service.algorithm(search.algorithm)
    with PICTURES.admitted():
        query = Query(image=read_image(search.file.file.read()), **search.options(), free=free)
    return _written(algorithm.search(query))


@router.get("/facets/{attribute}", responses=refused(*LOOKED_UP), tags=[Subject.LIBRARY])
def facets(meshseek: Application, attribute: FieldName, algorithm: AlgorithmName = DEFAULT_ALGORITHM) -> list[Facet]:
    """The values of a filter field, most frequent first."""
    if attribute not in LABEL_FIELDS:
        raise NotFoundError(f"there are no values of '{attribute}' to list; known fields: {', '.join(LABEL_FIELDS)}")
    library = meshseek.search_service.algorithm(algorithm).library
    return [Facet(value=value, count=count) for value, count in library.facet(attribute)]


@router.get("/assets/{asset_id:path}/similar", responses=refused(*LOOKED_UP), tags=[Subject.SEARCH])
def similar(
    meshseek: Application,
    asset_id: AssetId,
    algorithm: AlgorithmName = DEFAULT_ALGORITHM,
    target: TargetName = "appearance",
    top_k: Annotated[int, Parameter(ge=1, le=MAX_TOP_K)] = 10,
) -> SimilarAnswer:
    """Assets like this one."""
    found = meshseek.search_service.algorithm(algorithm).similar(asset_id, target, top_k)
    results = [Result.of(hit, algorithm) for hit in found.hits]
    said = SimilarAnswer.said(found.shares)
    return SimilarAnswer(results=results, algorithm=algorithm, target=target, **said)


@router.get(
    "/assets/{asset_id:path}/model",
    response_class=Response,
    responses=refused(*FILE, content={GLB: BINARY}),
    tags=[Subject.LIBRARY],
)
def model(
    meshseek: Application,
    upstream: ModelHost,
    asset_id: AssetId,
    algorithm: AlgorithmName | None = None,
    v: Version = None,  # noqa: ARG001  # only makes the address of each version another one
) -> Response:
    """The asset's GLB, from the workspace or from ``BASE_URL``."""
    try:
        key = meshseek.search_service.asset(asset_id, algorithm).model
    except NotFoundError:
        with suppress(NotFoundError):  # an id may itself end in "/model": then this is the address of that asset
            return JSONResponse(asset(meshseek, f"{asset_id}/model", algorithm).model_dump())
        raise
    if key is None:
        raise NotFoundError(f"asset '{asset_id}' has no model file")
    with suppress(OSError, UnreadableAssetError):
        return OpenedFile(open_inside(meshseek.workspace.models / key, meshseek.workspace.models), GLB)
    return upstream.model(key)


@router.get(
    "/assets/{asset_id:path}/views/{viewpoint_id}",
    response_class=Response,
    responses=refused(*FILE, content=dict.fromkeys(PICTURE_TYPES.values(), BINARY)),
    tags=[Subject.LIBRARY],
)
def view(
    meshseek: Application,
    asset_id: AssetId,
    viewpoint_id: int,
    algorithm: AlgorithmName | None = None,
    v: Version = None,
) -> Response:
    """One view of the asset: a PNG; or a JPEG or WebP where its library has such in tar files."""
    return _of_view(meshseek, open_view, asset_id, viewpoint_id, (algorithm, v))


@router.get(
    "/assets/{asset_id:path}/views/{viewpoint_id}/camera",
    response_class=Response,
    responses=refused(*FILE, content={JSON: {"schema": {"type": "object"}}}),
    tags=[Subject.LIBRARY],
)
def camera(
    meshseek: Application,
    asset_id: AssetId,
    viewpoint_id: int,
    algorithm: AlgorithmName | None = None,
    v: Version = None,
) -> Response:
    """Where one view was taken from, as JSON in the layout of G-Objaverse."""
    return _of_view(meshseek, open_camera, asset_id, viewpoint_id, (algorithm, v))


@router.get("/assets/{asset_id:path}", responses=refused(*LOOKED_UP), tags=[Subject.LIBRARY])
def asset(meshseek: Application, asset_id: AssetId, algorithm: AlgorithmName | None = None) -> AssetAnswer:
    """All that is known of one asset; without an algorithm, from the first that publishes it."""
    return AssetAnswer.of(meshseek.search_service.asset(asset_id, algorithm), algorithm)


def is_free(caller: Caller, search: SearchOptions) -> bool:
    """Whether a search may not cost anything.

    Raises:
        ForbiddenError: It would take long, or be paid, for certain; a hosted model is refused where it would be asked.
    """
    if search.exact or search.rerank is not None:
        check_scope(caller, "write")
    return not caller.may("write")


def _written(answer: Answer) -> Response:
    """The answer as JSON, written in the thread of the search; FastAPI would check it once more, in another thread."""
    return Response(SearchAnswer.of(answer).model_dump_json(), media_type=JSON)


def _of_view(
    meshseek: Meshseek,
    opened: Callable[[Path, int, Path], BinaryIO],
    asset_id: str,
    viewpoint_id: int,
    options: tuple[str | None, str | None],
) -> Response:
    """A file of a view; options are the algorithm, and the version that its address names."""
    algorithm, version = options
    published = meshseek.search_service.asset(asset_id, algorithm)
    folder = published.view_folder
    if folder is None or viewpoint_id not in published.viewpoint_ids:
        raise NotFoundError(f"asset '{asset_id}' has no view {viewpoint_id}")
    what = "camera" if opened is open_camera else "picture"
    root = meshseek.workspace.view_root(folder, published.attributes.get("library"))
    try:
        file = opened(meshseek.workspace.folder / folder, viewpoint_id, root)
    except NotFoundError as error:  # its message has a path of this machine
        raise NotFoundError(f"the {what} of view {viewpoint_id} of '{asset_id}' is missing on the server") from error
    media_type = JSON if opened is open_camera else picture_type(file)
    return file_answer(file, media_type, CACHED if version == published.version else ASKED_AGAIN)
