"""ClickHouse's HTTP interface over the embedded engine: what curl, clickhouse-connect and Grafana speak.

Understood: the statement in `query`, in the body or in both; `default_format`, `database`, bound `param_…`, settings,
compressed bodies (`Content-Encoding`) and answers (`enable_http_compression=1`), the dialect of the Native format
that `client_protocol_version` names; errors carry `X-ClickHouse-Exception-Code`. Not understood: sessions (each
statement stands alone), external tables, and ClickHouse's own block compression (`compress=1`), which is refused by
name.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable
from uuid import uuid4

import lz4.frame
import msgspec
import zstandard
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from undertow.pipelines.engine import Answer, Engine, QueryError, Statement
from undertow.pipelines.native_format import NativeFormatError, for_revision

__all__ = ["ClickHouseInterface", "body_of"]

READ_LIMIT_BYTES = 2**20
WRITE_LIMIT_BYTES = 256 * 2**20
_TRANSPORT = frozenset(  # parameters of the request itself; every other one is a setting
    {
        *("query", "default_format", "database", "user", "password", "role", "quota_key", "query_id", "readonly"),
        *(
            "session_id",
            "session_timeout",
            "session_check",
            "wait_end_of_query",
            "buffer_size",
            "compress",
            "decompress",
        ),
        *("enable_http_compression", "http_zlib_compression_level", "network_compression_method"),
        *("client_protocol_version", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
        *("add_http_cors_header", "cancel_http_readonly_queries_on_client_close"),
    }
)
_STATUS = {60: 404, 81: 404, 47: 404, 46: 404, 62: 400, 43: 400, 53: 400, 27: 400, 115: 400, 456: 400, 457: 400}
_STATUS |= {164: 403, 202: 503, 210: 503, 48: 501, 159: 408, 241: 413, 396: 413, 307: 413}
_CONTENT_TYPES = {
    "JSON": "application/json",
    "JSONCompact": "application/json",
    "JSONEachRow": "application/x-ndjson",
    "CSV": "text/csv",
    "CSVWithNames": "text/csv",
    "TabSeparated": "text/tab-separated-values",
    "TabSeparatedWithNames": "text/tab-separated-values",
}
_ENCODERS: dict[str, Callable[[bytes], bytes]] = {
    "zstd": lambda body: zstandard.ZstdCompressor(level=1).compress(body),
    "lz4": lz4.frame.compress,
    "gzip": lambda body: gzip.compress(body, compresslevel=1),
    "deflate": lambda body: zlib.compress(body, 1),
}


class ClickHouseInterface:
    """The ASGI application behind `/`, on one engine; `engine` is None when the store is a server elsewhere."""

    def __init__(self, engine: Engine | None, *, body_limit: int = READ_LIMIT_BYTES) -> None:
        self._engine, self._body_limit = engine, body_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope, receive)
        try:
            response = await self._answer(request)
        except QueryError as error:
            response = _failure(error)
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        if request.method not in {"GET", "POST"}:
            return PlainTextResponse("only GET and POST are understood\n", 405, {"Allow": "GET, POST"})
        body = await body_of(request, self._body_limit)
        if body is None:
            raise QueryError(f"the request is larger than {self._body_limit:,} bytes", 307)
        if not body and "query" not in request.query_params:
            return PlainTextResponse("Ok.\n")  # as a server says without a statement: a check that it is alive
        if self._engine is None:
            raise QueryError("the store is a ClickHouse server of its own ([store] url): ask it there", 210)
        if request.query_params.get("compress") in {"1", "true"}:
            raise QueryError("compress=1 is not understood; use enable_http_compression=1 with gzip, lz4 or zstd", 48)
        statement = _statement(
            request, _decompressed(body, request.headers.get("content-encoding", ""), self._body_limit)
        )
        answer = await run_in_threadpool(self._engine.answer, statement)
        if answer.format == "Native":
            answer = await run_in_threadpool(
                _in_dialect, answer, request.query_params.get("client_protocol_version", "")
            )
        return _success(answer, request)


async def body_of(request: Request, limit: int) -> bytes | None:
    """Return the body, None when it is larger than `limit` bytes."""
    parts, size = [], 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > limit:
            return None
        parts.append(chunk)
    return b"".join(parts)


def _statement(request: Request, body: bytes) -> Statement:
    asked = request.query_params
    headers = request.headers
    stated = asked.get("query", "")
    sql, data = (stated, body) if stated else (body.decode("utf-8", "surrogateescape"), b"")
    if stated and body and stated.lstrip()[:6].upper() != "INSERT":
        sql, data = f"{stated}\n{body.decode('utf-8', 'surrogateescape')}", b""  # a server joins both parts
    return Statement(
        sql=sql,
        data=data,
        format=asked.get("default_format") or headers.get("x-clickhouse-format") or "TabSeparated",
        database=asked.get("database") or headers.get("x-clickhouse-database") or "",
        parameters={name[6:]: value for name, value in asked.items() if name.startswith("param_")},
        settings={
            name: value for name, value in asked.items() if name not in _TRANSPORT and not name.startswith("param_")
        },
    )


def _in_dialect(answer: Answer, revision: str) -> Answer:
    try:
        body = for_revision(answer.body, int(revision) if revision.isdecimal() else 0)
    except NativeFormatError as error:
        raise QueryError(str(error), 48) from error
    return msgspec.structs.replace(answer, body=body)


def _success(answer: Answer, request: Request) -> Response:
    summary = {
        "read_rows": str(answer.read_rows),
        "read_bytes": str(answer.read_bytes),
        "written_rows": str(answer.written_rows),
        "elapsed_ns": str(int(answer.elapsed_s * 1e9)),
    }
    headers = {
        "X-ClickHouse-Server-Display-Name": "undertow",
        "X-ClickHouse-Query-Id": request.query_params.get("query_id") or str(uuid4()),
        "X-ClickHouse-Format": answer.format,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Summary": msgspec.json.encode(summary).decode(),
    }
    body, encoding = _compressed(answer.body, request)
    if encoding:
        headers["Content-Encoding"] = encoding
    return Response(body, 200, headers, media_type=_CONTENT_TYPES.get(answer.format, "application/octet-stream"))


def _failure(error: QueryError) -> Response:
    text = str(error) if str(error).startswith("Code:") else f"Code: {error.code}. DB::Exception: {error}"
    return PlainTextResponse(
        text + "\n", _STATUS.get(error.code, 500), {"X-ClickHouse-Exception-Code": str(error.code)}
    )


def _compressed(body: bytes, request: Request) -> tuple[bytes, str]:
    wanted = request.query_params.get("enable_http_compression") in {"1", "true"}
    accepted = {part.split(";")[0].strip().lower() for part in request.headers.get("accept-encoding", "").split(",")}
    encoding = next((name for name in _ENCODERS if name in accepted), "") if wanted else ""
    return (_ENCODERS[encoding](body), encoding) if encoding else (body, "")


def _decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    if encoding in {"", "identity"}:
        return body
    if encoding not in _DECODERS:
        raise QueryError(f"Content-Encoding '{encoding}' is not understood; use one of {', '.join(_DECODERS)}", 48)
    try:
        plain = _DECODERS[encoding](body, limit + 1)
    except (zlib.error, zstandard.ZstdError, RuntimeError) as error:
        raise QueryError(f"the body is not {encoding}: {error}", 271) from error
    if len(plain) > limit:
        raise QueryError(f"the request is larger than {limit:,} bytes", 307)
    return plain


def _unzstd(data: bytes, most: int) -> bytes:
    with zstandard.ZstdDecompressor().stream_reader(data) as reader:
        return reader.read(most)


_DECODERS: dict[str, Callable[[bytes, int], bytes]] = {  # the second argument is the most to unpack
    "gzip": lambda data, most: zlib.decompressobj(31).decompress(data, most),
    "deflate": lambda data, most: zlib.decompressobj().decompress(data, most),
    "lz4": lambda data, most: lz4.frame.LZ4FrameDecompressor().decompress(data, most),
    "zstd": _unzstd,
}
