"""The routes of the port for people and machines outside; a proxy in front passes /act/ and /hooks/ and no others.

GET  /act/{incident}/{until}/{signature}         a page that asks what to do; opening it changes nothing
POST /act/{incident}/{until}/{signature}         does it
GET  /act/{incident}/{until}/{signature}/report  the incident as one page with charts
GET  /incidents/{incident}                       the same without a signature, for this machine, as the rest of the port
POST /hooks/pagerduty                            PagerDuty's webhooks, version 3, signed
POST /hooks/deploy                               a deployment, signed as our own webhooks are
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qs

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from undertow.alerts.addresses import PATH, REPORT, Addresses
from undertow.alerts.incident import Incident
from undertow.alerts.text import page_text
from undertow.dashboards.markup import Markup, tag
from undertow.pipelines.clickhouse import StoreError
from undertow.pipelines.clickhouse_http import body_of
from undertow.pipelines.hooks import is_ours, is_pagerdutys, meant_by_pagerduty
from undertow.pipelines.section import Secret
from undertow.pipelines.server import ControlError

__all__ = ["Outside"]

BODY_LIMIT_BYTES = 256 * 2**10  # PagerDuty sends none larger
CHOICES = {"acknowledge": "I have it", "false": "False alarm", "accept": "This is normal now"}
HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",  # the address is a key
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; "
    "frame-ancestors 'none'",
}
READING = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "frame-ancestors 'none'",  # the rest of the policy is in the report
}
EXPIRED = "This address does not hold, or no longer."
STYLE = "body{font:1rem/1.5 system-ui;margin:2rem auto;max-width:60rem;padding:0 1rem}pre{white-space:pre-wrap}"

_FIELDS = ("by", "reason")

log = logging.getLogger(__name__)


class Outside(msgspec.Struct, frozen=True):
    """What comes back from outside, and who decides about it; all of it is given by the composer.

    Parameters
    ----------
    control
        Called with an action and its arguments; raises ControlError where it cannot be done.
    incidents
        Returns the open incidents.
    clock
        Wall clock, seconds since the epoch.
    report
        Returns the report on an incident as HTML; raises ValueError where the store has none of that id.
    addresses
        The signed addresses; None where pages carry none.
    pagerduty
        The secrets of PagerDuty's webhook subscriptions.
    deploy
        The secret that signs deployments; None where none are taken.
    """

    control: Callable[[str, dict[str, Any]], Mapping[str, Any]]
    incidents: Callable[[], Sequence[Incident]]
    clock: Callable[[], float]
    report: Callable[[str], str]
    addresses: Addresses | None = None
    pagerduty: tuple[Secret, ...] = ()
    deploy: Secret | None = None

    def routes(self) -> list[Route]:
        """Return the routes of what is configured."""
        signed = f"{PATH}/{{incident}}/{{until}}/{{signature}}"
        act = Route(signed, self._act, methods=["GET", "POST"])
        read = Route(f"{signed}/{REPORT}", self._read, methods=["GET"])
        here = Route("/incidents/{incident}", self._read_here, methods=["GET"])
        pagerduty = Route("/hooks/pagerduty", self._pagerduty, methods=["POST"])
        deploy = Route("/hooks/deploy", self._deploy, methods=["POST"])
        wanted = ((act, self.addresses), (read, self.addresses), (pagerduty, self.pagerduty), (deploy, self.deploy))
        return [here, *(route for route, configured in wanted if configured)]

    async def _read_here(self, request: Request) -> Response:
        try:
            html = await run_in_threadpool(self.report, request.path_params["incident"])
        except ValueError as error:
            return _page(f"{error} (a page leaves before its row is written: try again in a few seconds)", status=404)
        except StoreError as error:
            return _page(f"The store does not answer: {error}", status=503)
        return HTMLResponse(html, headers=READING)

    async def _read(self, request: Request) -> Response:
        return await self._read_here(request) if self._holds(request) else _page(EXPIRED, status=403)

    def _holds(self, request: Request) -> bool:
        key, until, signature = (request.path_params[part] for part in ("incident", "until", "signature"))
        return self.addresses is not None and self.addresses.holds(key, until, signature, self.clock())

    async def _act(self, request: Request) -> Response:
        if not self._holds(request):
            return _page(EXPIRED, status=403)
        key = request.path_params["incident"]
        incident = next((one for one in await run_in_threadpool(self.incidents) if one.id == key), None)
        if incident is None:
            return _page(f"Incident {key} is over; `undertow explain {key}` shows it.")
        if request.method != "POST":
            return _page(f"Incident {incident.id}", _form(), tag("pre", page_text(incident)))
        return await self._answer(request, incident)

    async def _answer(self, request: Request, incident: Incident) -> Response:
        body = await body_of(request, BODY_LIMIT_BYTES) or b""
        said = {name: values[0][:500] for name, values in parse_qs(body.decode(errors="replace")).items()}
        if said.get("action") not in CHOICES:
            return _page("Nothing was chosen.", _form(), status=400)
        action, arguments = said.pop("action"), {"id": incident.id, **{k: v for k, v in said.items() if k in _FIELDS}}
        try:
            await run_in_threadpool(self.control, action, arguments)
        except ControlError as error:
            return _page(str(error), status=409)
        return _page(f"Noted: {CHOICES[action]}.")

    async def _pagerduty(self, request: Request) -> Response:
        body = await body_of(request, BODY_LIMIT_BYTES)
        if body is None or not is_pagerdutys(request.headers.get("x-pagerduty-signature", ""), body, self.pagerduty):
            return _json({"error": "no signature of a known subscription in X-PagerDuty-Signature"}, 401)
        meant = await run_in_threadpool(meant_by_pagerduty, body, self.incidents)
        if not meant.action:
            return _json({"ignored": meant.ignored}, 202)
        try:
            return _json(await run_in_threadpool(self.control, meant.action, dict(meant.arguments)), 202)
        except ControlError as error:  # over since it was written: a refusal would cost the subscription
            log.info("PagerDuty's %s of %s came too late: %s", meant.action, meant.arguments["id"], error)
            return _json({"ignored": str(error)}, 202)

    async def _deploy(self, request: Request) -> Response:
        body = await body_of(request, BODY_LIMIT_BYTES)
        header = request.headers.get("x-undertow-signature", "")
        if body is None or self.deploy is None or not is_ours(header, body, self.deploy, self.clock()):
            return _json({"error": "X-Undertow-Signature is missing, wrong, or minutes old"}, 401)
        try:
            asked = msgspec.json.decode(body, type=dict[str, Any])
            return _json(await run_in_threadpool(self.control, "deploy", asked), 202)
        except (ControlError, msgspec.DecodeError) as error:
            return _json({"error": str(error)}, 400)


def _form() -> Markup:
    buttons = [tag("button", text, name="action", value=action) for action, text in CHOICES.items()]
    fields = [tag("label", f"{name} ", tag("input", name=name, maxlength="500"), " ") for name in _FIELDS]
    return tag("form", tag("p", *fields), tag("p", *buttons), method="post")


def _page(title: str, *parts: Markup, status: int = 200) -> Response:
    head = tag("head", tag("meta", charset="utf-8"), tag("title", "Undertow"), tag("style", Markup(STYLE)))
    page = tag("html", head, tag("body", tag("h1", title), *parts), lang="en")
    return HTMLResponse(f"<!doctype html>{page}", status, HEADERS)


def _json(content: Mapping[str, Any], status: int) -> Response:
    return Response(msgspec.json.encode(content), status, media_type="application/json")
