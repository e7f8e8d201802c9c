"""Refuses what is asked in an address and would have no effect, such as a misspelt name of a parameter."""

from __future__ import annotations

from fastapi import Request
from fastapi.exceptions import RequestValidationError

from meshseek.interfaces.filter_form import UNKNOWN
from meshseek.interfaces.http.observation import PROBES
from meshseek.search.filters import shown


async def expect_known_parameters(request: Request) -> None:
    """See that the route has every parameter that its address names.

    Whoever watches a service may add what they like to the addresses of probes, such as the time, so that nothing
    between answers for it: a refusal would take a service that is well for dead.

    Raises:
        RequestValidationError: It has not.
    """
    if not request.query_params:
        return
    route = request.scope["route"]
    described = request.app.openapi()["paths"].get(route.path_format)
    if described is None or route.path in PROBES:
        return
    told = described[request.method.lower()].get("parameters", ())
    known = [each["name"] for each in told if each["in"] == "query"]
    for name in request.query_params:
        if name not in known:
            cure = f"there are: {', '.join(known)}" if known else "nothing is asked in this address"
            unknown = {"type": UNKNOWN, "loc": ("query", shown(name)), "msg": f"there is no such parameter; {cure}"}
            raise RequestValidationError([unknown])
