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
from meshseek.interfaces.ui.shown import Looked, Shown
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

    def changes(
        self, state: State, shown: Shown, before: State | None, finder: Finder | None
    ) -> tuple[Looked | None, dict[Any, Any]]:
        """What is looked at then, and what changes on the page.

        Args:
            state: Of the page.
            shown: What is found, and what was looked at until now.
            before: The state in which it was.
            finder: Found it; None where nothing is searched.
        """
        if not state.asset:
            return None, {self._answers.details: ""}
        results: Sequence[Listed] = shown.found.results if shown.found else ()
        rank = next((rank for rank, each in enumerate(results) if each.asset_id == state.asset), None)
        listed = None if rank is None else results[rank]
        looked = shown.looked
        viewer: dict[Any, Any] = {}
        if looked is None or looked.trouble or looked.listed != listed or _key(before) != _key(state):
            looked, viewer = self._looked(state, shown, listed, rank, finder)
        asset = looked.asset
        told = asset and panel(state, self._wording, asset, listed, self._client.api_url, shown.otherwise)
        drawn = piece("panel", self._wording, asset=told, trouble=looked.trouble, reasons=looked.reasons or "")
        return looked, {**viewer, self._answers.details: drawn}

    def _looked(
        self, state: State, shown: Shown, listed: Listed | None, rank: int | None, finder: Finder | None
    ) -> tuple[Looked, dict[Any, Any]]:
        """All that is asked for an asset, and its model in the viewer."""
        try:
            asset = self._client.asset(state.asset, state.algorithm or shown.otherwise)
        except MeshseekError as error:
            return Looked(trouble=self._wording.failure(error)), {self._answers.model: gr.Model3D(None)}
        viewer, trouble = self._viewer(state, asset, listed)
        reasons = self._reasons(state, listed, rank, finder)
        return Looked(asset=asset, listed=listed, reasons=reasons, trouble=trouble), viewer

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


def _key(state: State | None) -> tuple[Any, ...]:
    """What the panel depends on, besides links."""
    return () if state is None else (state.asset, state.view, state.wanted)
