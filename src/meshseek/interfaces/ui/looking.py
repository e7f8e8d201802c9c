"""Looking at one asset: the viewer, and the panel below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from markupsafe import Markup

from meshseek.errors import MeshseekError
from meshseek.interfaces.ui.address import State
from meshseek.interfaces.ui.answers import Asset, Listed, Result
from meshseek.interfaces.ui.asset_panel import panel, shown_view, view_url
from meshseek.interfaces.ui.client import ApiClient
from meshseek.interfaces.ui.explanation import why
from meshseek.interfaces.ui.files import Pictures
from meshseek.interfaces.ui.finding import Finder
from meshseek.interfaces.ui.glb import camera_position
from meshseek.interfaces.ui.layout import Page
from meshseek.interfaces.ui.pieces import piece
from meshseek.interfaces.ui.shown import Shown
from meshseek.interfaces.ui.wording import Wording


class Looking:
    """Shows the asset that an address names.

    Args:
        page: The parts of the page.
        client: The API.
        pictures: Where models come from.
        wording: What is written in the panel.
    """

    def __init__(self, page: Page, client: ApiClient, pictures: Pictures, wording: Wording) -> None:
        self._answers = page.answers
        self._client = client
        self._pictures = pictures
        self._wording = wording

    def changes(self, state: State, shown: Shown, finder: Finder | None) -> dict[Any, Any]:
        """What changes on the page."""
        answers = self._answers
        if not state.asset:
            return {answers.details: ""}
        try:
            asset = self._client.asset(state.asset, state.algorithm or shown.otherwise)
        except MeshseekError as error:
            trouble = self._wording.failure(error)
            told = piece("panel", self._wording, asset=None, trouble=trouble, reasons="")
            return {answers.model: gr.Model3D(None), answers.details: told}
        results: Sequence[Listed] = shown.found.results if shown.found else ()
        rank = next((rank for rank, each in enumerate(results) if each.asset_id == asset.asset_id), None)
        listed = None if rank is None else results[rank]
        viewer, trouble = self._viewer(state, asset, listed)
        told = piece(
            "panel",
            self._wording,
            asset=panel(state, self._wording, asset, listed, self._client.api_url, shown.otherwise),
            trouble=trouble,
            reasons=self._reasons(state, listed, rank, finder),
        )
        return {**viewer, answers.details: told}

    def _viewer(self, state: State, asset: Asset, listed: Listed | None) -> tuple[dict[Any, Any], str]:
        """The model as it was seen from the viewpoint, and why it is not shown."""
        model3d, trouble = self._answers.model, ""
        try:
            model = self._pictures.model(asset)
            if model is not None:
                camera = self._client.camera(view_url(asset, shown_view(state, asset, listed)))
                start = camera_position(camera, model.diagonal)
                return {model3d: gr.Model3D(str(model.path), camera_position=start)}, ""
            trouble = self._wording("panel.no_model")
        except MeshseekError as error:
            trouble = self._wording.failure(error)
        return {model3d: gr.Model3D(None)}, trouble

    def _reasons(self, state: State, listed: Listed | None, rank: int | None, finder: Finder | None) -> Markup:
        """Why a result was found; asked only when somebody looks, because it may take the API a while."""
        if not isinstance(listed, Result) or rank is None or finder is None:
            return Markup()
        if listed.explanation is not None:
            return why(self._wording, listed.explanation, listed.score)
        search = finder.search(state)
        if search.only is not None and search.only.asset_id:
            return why(self._wording, None, listed.score)
        try:
            explanation = self._client.explanation(search, rank, listed.asset_id)
        except MeshseekError:  # an API that is older than explanations, or gone: the asset is shown all the same
            explanation = None
        return why(self._wording, explanation, listed.score, silent=explanation is None)
