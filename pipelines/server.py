"""The one port of `undertow run`, on loopback: the store over ClickHouse's HTTP interface, health, metrics, control.

    GET/POST /                    ClickHouse's HTTP interface, read-only
    GET      /ping                "Ok."
    GET      /metrics             Prometheus text
    GET      /healthz             200 while the process lives
    GET      /readyz              200 while windows close, 503 with the reason otherwise
    GET      /status              what runs, as JSON
    POST     /control/{action}    one of ACTIONS, with the token of `control.token` as bearer

A page in a browser on the same machine must not reach it: the Host header has to name this machine (which defeats DNS
rebinding), no CORS header is ever sent, and the control API wants a header that a foreign page cannot set.
"""

from __future__ import annotations

import hmac
import os
import secrets
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from undertow.pipelines.clickhouse_http import WRITE_LIMIT_BYTES, ClickHouseInterface, body_of
from undertow.pipelines.engine import Engine
from undertow.pipelines.settings import Secret

__all__ = ["ACTIONS", "ControlError", "Port", "PortError", "Services", "control_token"]

ACTIONS = ("acknowledge", "accept", "false", "deploy", "silence", "lift", "pin", "unpin")
CONTROL_LIMIT_BYTES = 2**20  # a pinned reference file is the largest
STOP_PATIENCE_S = 5
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class PortError(RuntimeError):
    """The port cannot be opened; the message says why and the way out."""


class ControlError(ValueError):
    """The control request cannot be done; its message is the answer."""


class Services(msgspec.Struct, frozen=True):
    """What the port shows and whom it asks; all of it is given by the composer.

    Parameters
    ----------
    window_age
        Seconds since the last window was closed, None before the first one.
    window_age_limit_s
        Beyond it, `/readyz` says 503.
    control
        Called with an action and the request's object; returns the answer's; raises ControlError where it cannot.
    hosts
        Further names under which the port may be addressed, "*" for any.
    routes
        Further routes.
    """

    engine: Engine | None
    registry: CollectorRegistry
    window_age: Callable[[], float | None]
    window_age_limit_s: float
    status: Callable[[], Mapping[str, Any]]
    control: Callable[[str, dict[str, Any]], Mapping[str, Any]]
    token: Secret
    hosts: frozenset[str] = frozenset()
    routes: Sequence[Route] = ()
    writable: bool = False


class Port:
    """The port, served in a thread of this process from `start` to `stop`.

    Parameters
    ----------
    listen
        "host:port"; port 0 takes a free one. Any host other than loopback opens the store's texts to the network: then
        put a proxy with authentication in front, and name it in `hosts`.

    Raises
    ------
    PortError
        From the constructor: the port is in use, or may not be opened.
    """

    def __init__(self, listen: str, services: Services) -> None:
        self._socket = _bound(listen)
        self.host, self.port = self._socket.getsockname()[:2]
        hosts = _LOOPBACK | services.hosts | {self.host}
        config = uvicorn.Config(
            _HostGuard(_application(services), hosts),
            http="h11",
            ws="none",
            loop="asyncio",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=STOP_PATIENCE_S,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="port", daemon=True)

    @property
    def url(self) -> str:
        """Where the port is."""
        return f"http://{f'[{self.host}]' if ':' in self.host else self.host}:{self.port}"

    def start(self) -> None:
        """Serve; connections that came since the constructor are waiting already."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what is being answered, at most `STOP_PATIENCE_S` seconds, and close the port; idempotent."""
        self._server.should_exit = True
        if self._thread.ident is not None:
            self._thread.join(STOP_PATIENCE_S + 2)
        self._socket.close()

    def __enter__(self) -> Port:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def control_token(folder: Path) -> Secret:
    """Return the token of `<folder>/control.token`; a new file is readable by its owner alone."""
    path = folder / "control.token"
    folder.mkdir(parents=True, exist_ok=True)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        return Secret(path.read_text().strip())
    with os.fdopen(descriptor, "w") as file:
        file.write(secrets.token_urlsafe(32) + "\n")
    return control_token(folder)


def _bound(listen: str) -> socket.socket:
    host, _, port = listen.rpartition(":")
    host = host.strip("[]") or "127.0.0.1"
    if not port.isdigit():
        raise PortError(f"[store] listen = '{listen}' is not of the form host:port")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, int(port)), family=family)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise PortError(
            f"cannot listen on {listen}: {reason}; set [store] listen to another port, or to port 0"
        ) from error


def _application(services: Services) -> ASGIApp:
    interface = (
        ClickHouseInterface(services.engine, body_limit=WRITE_LIMIT_BYTES)
        if services.writable
        else ClickHouseInterface(services.engine)
    )

    def ping(_: Request) -> Response:
        return PlainTextResponse("Ok.\n")

    def metrics(_: Request) -> Response:
        return Response(generate_latest(services.registry), media_type=CONTENT_TYPE_LATEST)

    def ready(_: Request) -> Response:
        reason = _unready(services.window_age(), services.window_age_limit_s)
        return PlainTextResponse(f"{reason or 'ready'}\n", 503 if reason else 200)

    def status(_: Request) -> Response:
        return _json(services.status())

    async def control(request: Request) -> Response:
        return await _control(request, services)

    routes = [
        Route("/ping", ping),
        Route("/healthz", ping),
        Route("/readyz", ready),
        Route("/metrics", metrics),
        Route("/status", status),
        Route("/control/{action}", control, methods=["POST"]),
        *services.routes,
        Route("/", interface, methods=None),
    ]
    return Starlette(routes=routes)


def _unready(age: float | None, limit: float) -> str:
    if age is None:
        return "no window has closed yet"
    return f"the last window closed {age:.0f} s ago, the limit is {limit:.0f} s" if age > limit else ""


async def _control(request: Request, services: Services) -> Response:
    if not _authorised(request.headers.get("authorization", ""), services.token):
        refusal = {"error": "the control API wants the token of control.token, as 'Authorization: Bearer …'"}
        return _json(refusal, 401, {"WWW-Authenticate": "Bearer"})
    action = request.path_params["action"]
    if action not in ACTIONS:
        return _json({"error": f"no action '{action}'; known: {', '.join(ACTIONS)}"}, 404)
    body = await body_of(request, CONTROL_LIMIT_BYTES)
    if body is None:
        return _json({"error": f"the request is larger than {CONTROL_LIMIT_BYTES:,} bytes"}, 413)
    try:
        asked = msgspec.json.decode(body or b"{}", type=dict[str, Any])
        return _json(await run_in_threadpool(services.control, action, asked))
    except (ControlError, msgspec.DecodeError) as error:
        return _json({"error": str(error)}, 400)


def _authorised(header: str, token: Secret) -> bool:
    return hmac.compare_digest(header.encode(), f"Bearer {token.reveal()}".encode())


def _json(content: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    return Response(msgspec.json.encode(content), status, headers, media_type="application/json")


class _HostGuard:
    """Refuses requests addressed to another name; starlette's own guard cannot read IPv6 addresses."""

    def __init__(self, application: ASGIApp, hosts: frozenset[str]) -> None:
        self._application, self._hosts = application, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if "*" in self._hosts or _hostname(Request(scope).headers.get("host", "")) in self._hosts:
            await self._application(scope, receive, _without_sniffing(send))
            return
        refusal = PlainTextResponse("this port answers to localhost; name others in [store] hosts\n", 421)
        await refusal(scope, receive, send)


def _without_sniffing(send: Send) -> Send:
    async def wrapped(message: Any) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", []), (b"x-content-type-options", b"nosniff")]
        await send(message)

    return wrapped


def _hostname(header: str) -> str:
    if header.startswith("["):
        return header[1 : header.find("]")]
    return header.rsplit(":", 1)[0].lower()
