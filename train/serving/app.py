"""The web application: a page for people, JSON for programs, one model behind both."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from train import __version__
from train.corpora import jsonl
from train.document import Document
from train.graph.build import build
from train.graph.page import page as graph_page
from train.graph.structure import Graph
from train.rendering import TEMPLATES, render
from train.serving.batching import Batcher, BusyError
from train.serving.requests import Limits, RefusedError, TagRequest, read
from train.tagger import Tagger
from train.views import to_fragment

_EVERYWHERE = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "Cache-Control": "no-store"}
_EXAMPLE = TEMPLATES / "example.txt"


def create_app(
    tagger: Tagger, *, checkpoint: str | Path, limits: Limits, queue: int = 256, batch_characters: int = 20_000
) -> Starlette:
    """An ASGI application that tags with `tagger`, in one thread that lives as long as the application's lifespan.

    `queue` is how many texts may wait, `batch_characters` how much is tagged at once; `checkpoint` is only named.
    """
    return _Server(tagger, str(checkpoint), limits, queue, batch_characters).app


class _Server:
    """The handlers of the routes, and what they share."""

    def __init__(self, tagger: Tagger, checkpoint: str, limits: Limits, queue: int, batch_characters: int) -> None:
        self.tagger, self.checkpoint, self.limits = tagger, checkpoint, limits
        self.start: Callable[[], Batcher] = lambda: Batcher(tagger, queue=queue, batch_characters=batch_characters)
        self.page = _page(tagger, limits)
        routes = [
            Route("/", self.index),
            Route("/health", self.health),
            Route("/tag", self.tag, methods=["POST"]),
            Route("/view", self.view, methods=["POST"]),
        ]
        handlers: Any = {RefusedError: _refused, HTTPException: _no_route, Exception: _failed}
        self.app = Starlette(routes=routes, lifespan=self.lifespan, exception_handlers=handlers)

    @asynccontextmanager
    async def lifespan(self, app: Starlette) -> AsyncIterator[None]:
        self.batcher = self.start()
        try:
            yield
        finally:
            await run_in_threadpool(self.batcher.close)

    async def index(self, request: Request) -> Response:
        return self.page

    async def health(self, request: Request) -> Response:
        """503 where the model has been at one batch for longer than any request waits, so that a supervisor can act."""
        stuck = not self.batcher.alive or self.batcher.busy_for() > self.limits.timeout
        about = {
            "status": "stuck" if stuck else "ok",
            "checkpoint": self.checkpoint,
            "schema": self.tagger.schema.name,
            "device": self.tagger.device,
            "version": __version__,
            "waiting": self.batcher.waiting,
        }
        return _json(about, status=503 if stuck else 200)

    async def tag(self, request: Request) -> Response:
        """A document for `text`, {"documents": [...]} for `texts`."""
        asked, documents = await self._tagged(request)
        data = [jsonl.to_dict(document) for document in documents]
        return _json(data[0] if asked.alone else {"documents": data}, headers=self._notes(asked))

    async def view(self, request: Request) -> Response:
        """For the page: one document, its markup, and its graph as a page of its own (null without relations)."""
        asked, documents = await self._tagged(request, alone=True)
        shown = await run_in_threadpool(self._shown, documents[0])
        return _json({**shown, "notes": list(self._notes(asked).values())})

    def _shown(self, document: Document) -> dict[str, Any]:
        schema = self.tagger.schema
        graph = graph_page(build([document], schema), schema) if document.relations else None
        return {"document": jsonl.to_dict(document), "article": to_fragment(document, schema), "graph": graph}

    def _notes(self, asked: TagRequest) -> dict[str, str]:
        """A header for what this precision leaves out altogether."""
        notes = self.tagger.unreached(asked.min_precision) if asked.min_precision is not None else []
        return {"Rajniti-Note": "; ".join(notes)} if notes else {}

    async def _tagged(self, request: Request, *, alone: bool = False) -> tuple[TagRequest, list[Document]]:
        """What was asked, and its documents; raises RefusedError."""
        loop = asyncio.get_running_loop()
        until = loop.time() + self.limits.timeout
        if not self.batcher.room():
            raise _busy(BusyError(self.batcher.retry_after()))
        asked = await read(request, self.limits)
        if alone and not asked.alone:
            raise RefusedError(422, "texts: expected text")
        try:
            future = self.batcher.submit(asked.documents, min_precision=asked.min_precision)
        except BusyError as error:
            raise _busy(error) from None
        found, gone = asyncio.wrap_future(future), asyncio.ensure_future(_gone(request))
        try:
            both: set[asyncio.Future[Any]] = {found, gone}
            await asyncio.wait(both, timeout=until - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            return asked, _outcome(found, gone, self.limits)
        finally:
            # Cancelled, it takes the texts out of the queue; done, it stays as it is.
            found.cancel()
            gone.cancel()


def _outcome(found: asyncio.Future[list[Document]], gone: asyncio.Future[None], limits: Limits) -> list[Document]:
    if found.cancelled():
        raise RefusedError(503, "the server is shutting down", Retry_After="5", Connection="close")
    if not found.done():
        if gone.done():
            raise RefusedError(400, "the client has gone")
        raise RefusedError(504, f"not tagged within {limits.timeout:g} s; send less at a time, or try again")
    if found.exception() is not None:
        raise RefusedError(500, "the model failed on this request; the server's log says how")
    return found.result()


async def _gone(request: Request) -> None:
    """Returns when the client has closed the connection; its body has been read before."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _busy(error: BusyError) -> RefusedError:
    return RefusedError(503, str(error), Retry_After=str(error.seconds))


def _json(data: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One line of UTF-8 that is not escaped, so that documents can be appended to a file of JSON Lines."""
    # A message may quote what a client sent, half a surrogate pair included; documents hold none.
    body = (json.dumps(data, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8", "backslashreplace")
    return Response(body, status, {**_EVERYWHERE, **(headers or {})}, "application/json")


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RefusedError)
    return _json({"error": str(error)}, status=error.status, headers=error.headers)


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = "expected GET /, GET /health or POST /tag"
    return _json({"error": f"{request.method} {request.url.path}: {known}"}, status=error.status_code, headers=error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    return _json({"error": "the server failed on this request; its log says how"}, status=500)


def _page(tagger: Tagger, limits: Limits) -> Response:
    """The page. Its policy runs the scripts that are ours, by their hashes, and lets nothing reach another host.

    The graph's frame inherits the policy, so that its script is among them.
    """
    example = _EXAMPLE.read_text(encoding="utf-8").strip()
    page = render("serve.html", schema=tagger.schema, example=example, version=__version__)
    scripts = [script for html in (page, graph_page(Graph({}, (), (), {}), tagger.schema)) for script in _scripts(html)]
    policy = {
        "default-src": "'none'",
        "script-src": " ".join(_hash(script) for script in scripts),
        "style-src": "'unsafe-inline'",  # marks carry their hue in an attribute
        "img-src": "data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    headers = {**_EVERYWHERE, "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items())}
    return Response(page, headers=headers, media_type="text/html")


def _scripts(html: str) -> list[str]:
    return re.findall(r"<script>(.*?)</script>", html, flags=re.DOTALL)


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode()}'"
