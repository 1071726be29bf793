"""What the tests of the server share: the application on loopback, and a tagger that says what it is asked."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import uvicorn

from train.document import Document, Mention, Relation
from train.model.bangla import words
from train.schema import Schema
from train.serving.app import create_app
from train.serving.requests import Limits
from train.serving.run import bind


class Recorder:
    """A tagger for which the first two words of a text have met, and which keeps the texts of each pass.

    While `gate` is closed a pass waits at it; a text with পাপ in it makes a pass fail.
    """

    device = "cpu"

    def __init__(self, schema: Schema) -> None:
        self.schema = schema
        self.passes: list[list[str]] = []
        self.gate = threading.Event()
        self.gate.set()
        self.threads: set[str] = set()

    def scored(self, documents: Sequence[Document]) -> list[Document]:
        self.passes.append([d.text for d in documents])
        self.threads.add(threading.current_thread().name)
        assert self.gate.wait(30)
        if any("পাপ" in d.text for d in documents):
            raise RuntimeError("no such luck")
        return list(documents)

    def decoded(self, scored: Iterable[Document], *, min_precision: float | None = None) -> list[Document]:
        found = []
        for d in scored:
            ends = words(d.text)[:2]
            mentions = tuple(Mention(f"m{i}", a, b, "PER", score=min_precision or 0.5) for i, (a, b) in enumerate(ends))
            relations = (Relation("meets", "m0", "m1", "asserted", 0.5),) if len(ends) == 2 else ()
            found.append(replace(d, mentions=mentions, relations=relations))
        return found

    def unreached(self, min_precision: float) -> list[str]:
        return ["relations: none"] if min_precision > 0.9 else []

    def wait_for_passes(self, count: int) -> None:
        until = time.monotonic() + 20
        while len(self.passes) < count:
            assert time.monotonic() < until, self.passes
            time.sleep(0.005)


class Site:
    """The application at work."""

    def __init__(self, app: Any, port: int) -> None:
        self.app, self.port = app, port

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers (names in lower case) and content, decoded if it is JSON. `body` is bytes, parts of them, or JSON."""
        sent = body if body is None or isinstance(body, bytes | Iterator) else json.dumps(body, ensure_ascii=False).encode()
        given = {"Content-Type": "application/json", **{name.replace("_", "-"): value for name, value in headers.items()}}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request(method, path, sent, given)
            answer = connection.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            text = answer.read().decode("utf-8")
            return answer.status, found, json.loads(text) if found["content-type"] == "application/json" else text
        finally:
            connection.close()

    def tag(self, **data: Any) -> tuple[int, dict[str, str], Any]:
        return self.send("POST", "/tag", data)

    def waiting(self, count: int) -> None:
        """Returns when so many texts wait for the model."""
        until = time.monotonic() + 20
        while self.send("GET", "/health")[2]["waiting"] != count:
            assert time.monotonic() < until
            time.sleep(0.005)


@contextmanager
def serving(tagger: Any, *, limits: Limits | None = None, **options: int) -> Iterator[Site]:
    app = create_app(tagger, checkpoint="runs/x", limits=limits or Limits(), **options)
    bound = bind("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, lifespan="on", log_level="critical", timeout_graceful_shutdown=5))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
    thread.start()
    try:
        until = time.monotonic() + 20
        while not server.started:
            assert thread.is_alive() and time.monotonic() < until
            time.sleep(0.005)
        yield Site(app, bound.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join()
        bound.close()
