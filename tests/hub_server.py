"""A Hub on loopback, for huggingface_hub's real client: repositories with commits, tags and large files, in memory.

It speaks what the client calls for a model repository, with the Hub's own headers and errors; `failures` says what goes wrong.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

WRITER, READER = "hf_writer", "hf_reader"  # tokens: of the user "owner", and of another who may only look
LARGE = (".safetensors", ".bin", ".png")


@dataclass
class Commit:
    """A commit: all files as they are after it."""

    message: str
    files: dict[str, bytes]
    parent: str | None

    @property
    def oid(self) -> str:
        listed = "".join(f"{name}{hashlib.sha1(data).hexdigest()}" for name, data in sorted(self.files.items()))
        return hashlib.sha1(f"{self.parent}{self.message}{listed}".encode()).hexdigest()


@dataclass
class Repository:
    """A model repository, which begins with one commit of .gitattributes as on the Hub."""

    private: bool
    commits: list[Commit] = field(default_factory=lambda: [Commit("initial commit", {".gitattributes": b""}, None)])
    tags: dict[str, str] = field(default_factory=dict)
    large: dict[str, bytes] = field(default_factory=dict)  # by SHA-256, uploaded and perhaps never committed

    def at(self, revision: str) -> Commit | None:
        oid = self.commits[-1].oid if revision == "main" else self.tags.get(revision, revision)
        return next((commit for commit in self.commits if commit.oid == oid), None)


@dataclass(frozen=True)
class Failure:
    """Answer with `status`, or, after `cut` bytes of the body, close the connection; `times` it happens, then all is well."""

    status: int = 0
    cut: int | None = None
    times: int = 1_000_000
    message: str = "broken for a test"


@dataclass
class Hub:
    """The server's state, for tests to look at: `requests` lists "METHOD path [Range]" in their order."""

    url: str
    content_url: str  # another host's, as large files are on the Hub; its redirects are not followed blindly
    repositories: dict[str, Repository] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    failures: dict[str, Failure] = field(default_factory=dict)  # by a pattern of "METHOD path"

    def add(self, name: str, files: dict[str, bytes], *, private: bool = False) -> Repository:
        """A repository with a second commit that holds these files."""
        repository = self.repositories[name] = Repository(private)
        first = repository.commits[0]
        repository.commits.append(Commit("files", {**first.files, **files}, first.oid))
        return repository

    def failure(self, request: str) -> Failure | None:
        for pattern, failure in self.failures.items():
            if re.search(pattern, request) and failure.times:
                self.failures[pattern] = Failure(failure.status, failure.cut, failure.times - 1, failure.message)
                return failure
        return None


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub that answers while the block runs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    port = server.server_address[1]
    server.hub = Hub(f"http://127.0.0.1:{port}", f"http://localhost:{port}/content")  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.hub  # type: ignore[attr-defined]
    finally:
        server.shutdown()
        server.server_close()


class _RefusedError(Exception):
    def __init__(self, status: int, message: str, code: str | None = None):
        super().__init__(message)
        self.status, self.code = status, code


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    cut: int | None = None

    @property
    def hub(self) -> Hub:
        return self.server.hub  # type: ignore[attr-defined]

    def log_message(self, *_: Any) -> None:
        pass

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        request = f"{self.command} {path}"
        wanted = self.headers.get("Range")
        self.hub.requests.append(request + (f" {wanted}" if wanted else ""))
        self.body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        failure = self.hub.failure(request)
        self.cut = failure.cut if failure else None
        try:
            if failure and failure.status:
                raise _RefusedError(failure.status, failure.message)
            if self.cut == 0:
                self.close_connection = True
                return
            for pattern, method in ROUTES:
                if found := re.fullmatch(pattern, request):
                    method(self, **found.groupdict())
                    return
            raise _RefusedError(404, f"this server has no {request}")
        except _RefusedError as error:
            code = {"X-Error-Code": error.code} if error.code else {}
            self._send(error.status, json.dumps({"error": str(error)}).encode(), {"X-Error-Message": str(error), **code})

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer  # noqa: N815

    def _send(self, status: int, data: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(data if self.cut is None else data[: self.cut])
        if self.cut is not None:
            self.wfile.flush()
            self.close_connection = True

    def _json(self, data: Any, status: int = 200) -> None:
        self._send(status, json.dumps(data).encode(), {"Content-Type": "application/json"})

    def _token(self) -> str | None:
        given = (self.headers.get("Authorization") or "").removeprefix("Bearer ") or None
        if given not in (None, WRITER, READER):
            raise _RefusedError(401, "Invalid credentials in Authorization header")
        return given

    def _writer(self, owner: str) -> None:
        token = self._token()
        if token is None:
            raise _RefusedError(401, "Invalid username or password.")
        if token != WRITER or owner != "owner":
            raise _RefusedError(403, f"You don't have the rights to create or write models under {owner}")

    def _repository(self, name: str, *, write: bool = False) -> Repository:
        repository = self.hub.repositories.get(name)
        if repository is None or (repository.private and self._token() != WRITER):
            raise _RefusedError(404 if self._token() else 401, "Repository not found", "RepoNotFound")
        if write:
            self._writer(name.split("/")[0])
        return repository

    def _commit(self, name: str, revision: str) -> Commit:
        commit = self._repository(name).at(revision)
        if commit is None:
            raise _RefusedError(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def whoami(self) -> None:
        token = self._token()
        if token is None:
            raise _RefusedError(401, "Invalid username or password.")
        self._json({"type": "user", "name": "owner" if token == WRITER else "reader", "orgs": []})

    def create(self) -> None:
        asked = json.loads(self.body)
        owner = asked["organization"] or "owner"
        self._writer(owner)
        name = f"{owner}/{asked['name']}"
        if name in self.hub.repositories:
            raise _RefusedError(409, "You already created this model repo")
        self.hub.repositories[name] = Repository(asked.get("visibility") == "private")
        self._json({"url": f"{self.hub.url}/{name}"})

    def delete(self) -> None:
        asked = json.loads(self.body)
        name = f"{asked['organization']}/{asked['name']}"
        self._repository(name, write=True)
        del self.hub.repositories[name]
        self._json({})

    def settings(self, name: str) -> None:
        self._repository(name, write=True).private = json.loads(self.body)["visibility"] == "private"
        self._json({})

    def info(self, name: str, revision: str | None = None) -> None:
        commit = self._commit(name, revision or "main")
        files = [{"rfilename": file} for file in sorted(commit.files)]
        self._json({"id": name, "sha": commit.oid, "private": self._repository(name).private, "siblings": files, "tags": []})

    def refs(self, name: str) -> None:
        repository = self._repository(name)
        tags = [{"name": t, "ref": f"refs/tags/{t}", "targetCommit": oid} for t, oid in repository.tags.items()]
        main = {"name": "main", "ref": "refs/heads/main", "targetCommit": repository.commits[-1].oid}
        self._json({"branches": [main], "converts": [], "tags": tags})

    def tree(self, name: str, revision: str) -> None:
        listed = []
        for path, data in sorted(self._commit(name, revision).files.items()):
            entry = {"type": "file", "path": path, "size": len(data), "oid": _blob(data)}
            if path.endswith(LARGE):
                entry["lfs"] = {"oid": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130}
            listed.append(entry)
        self._json(listed)

    def validate(self) -> None:
        good = json.loads(self.body)["content"].startswith("---\n")
        self._json({"errors": [] if good else [{"message": "no metadata"}], "warnings": []}, 200 if good else 400)

    def preupload(self, name: str, revision: str) -> None:
        self._repository(name, write=True)
        there = self._commit(name, revision).files
        files = []
        for file in json.loads(self.body)["files"]:
            path, large = file["path"], file["path"].endswith(LARGE)
            known = None if path not in there else hashlib.sha256(there[path]).hexdigest() if large else _blob(there[path])
            files.append({"path": path, "uploadMode": "lfs" if large else "regular", "shouldIgnore": False, "oid": known})
        self._json({"files": files})

    def batch(self, name: str) -> None:
        repository = self._repository(name, write=True)
        objects = []
        for item in json.loads(self.body)["objects"]:
            upload = {"href": f"{self.hub.url}/upload/{name}/{item['oid']}"}
            verify = {"href": f"{self.hub.url}/verify/{name}/{item['oid']}"}
            new = {} if item["oid"] in repository.large else {"actions": {"upload": upload, "verify": verify}}
            objects.append({**item, **new})
        self._json({"transfer": "basic", "objects": objects})

    def upload(self, name: str, oid: str) -> None:
        if hashlib.sha256(self.body).hexdigest() != oid:
            raise _RefusedError(400, "the upload is not what was announced")
        self.hub.repositories[name].large[oid] = self.body  # the address itself is the permission, as with signed ones
        self._send(200)

    def verify(self, name: str, oid: str) -> None:
        if json.loads(self.body)["size"] != len(self._repository(name, write=True).large.get(oid, b"")):
            raise _RefusedError(400, "the upload is not whole")
        self._json({})

    def commit(self, name: str, revision: str) -> None:
        repository = self._repository(name, write=True)
        head = self._commit(name, revision)
        lines = [json.loads(line) for line in self.body.splitlines()]
        header = next(line["value"] for line in lines if line["key"] == "header")
        if header.get("parentCommit") not in (None, head.oid):
            raise _RefusedError(412, "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                if value["oid"] not in repository.large:
                    raise _RefusedError(400, f"{value['path']}: no upload of {value['oid']}")
                files[value["path"]] = repository.large[value["oid"]]
            elif line["key"] == "deletedFile":
                del files[value["path"]]
        made = Commit(header["summary"], files, head.oid)
        repository.commits.append(made)
        self._json({"commitOid": made.oid, "commitUrl": f"{self.hub.url}/{name}/commit/{made.oid}"})

    def tag(self, name: str, revision: str) -> None:
        repository, tag = self._repository(name, write=True), json.loads(self.body)["tag"]
        if tag in repository.tags:
            raise _RefusedError(409, "Tag reference exists already")
        repository.tags[tag] = self._commit(name, revision).oid
        self._json({})

    def resolve(self, name: str, revision: str, path: str) -> None:
        commit = self._commit(name, revision)
        if path not in commit.files:
            raise _RefusedError(404, "Entry not found", "EntryNotFound")
        data = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, "Accept-Ranges": "bytes"}
        if not path.endswith(LARGE):
            self._content(data, {**headers, "ETag": f'"{_blob(data)}"'})
            return
        oid = hashlib.sha256(data).hexdigest()
        linked = {"X-Linked-Etag": f'"{oid}"', "X-Linked-Size": str(len(data))}
        self._send(302, b"", {**headers, **linked, "Location": f"{self.hub.content_url}/{oid}"})

    def content(self, oid: str) -> None:
        """Large files come from another address than the one asked, as on the Hub."""
        commits = (commit for repository in self.hub.repositories.values() for commit in repository.commits)
        found = [d for commit in commits for d in commit.files.values() if hashlib.sha256(d).hexdigest() == oid]
        if not found:
            raise _RefusedError(404, "no such content")
        self._content(found[0], {"ETag": f'"{oid}"', "Accept-Ranges": "bytes"})

    def _content(self, data: bytes, headers: dict[str, str]) -> None:
        wanted = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        if not wanted:
            self._send(200, data, headers)
            return
        first = int(wanted[1])
        self._send(206, data[first:], {**headers, "Content-Range": f"bytes {first}-{len(data) - 1}/{len(data)}"})


def _blob(data: bytes) -> str:
    """The name that git gives to a file's content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


_NAME = r"(?P<name>[\w.-]+/[\w.-]+)"
ROUTES: list[tuple[str, Callable[..., None]]] = [
    ("GET /api/whoami-v2", _Handler.whoami),
    ("POST /api/repos/create", _Handler.create),
    ("DELETE /api/repos/delete", _Handler.delete),
    ("POST /api/validate-yaml", _Handler.validate),
    (f"PUT /api/models/{_NAME}/settings", _Handler.settings),
    (f"GET /api/models/{_NAME}/refs", _Handler.refs),
    (f"GET /api/models/{_NAME}(?:/revision/(?P<revision>.+))?", _Handler.info),
    (f"GET /api/models/{_NAME}/tree/(?P<revision>[^/]+)", _Handler.tree),
    (f"POST /api/models/{_NAME}/preupload/(?P<revision>.+)", _Handler.preupload),
    (f"POST /api/models/{_NAME}/commit/(?P<revision>.+)", _Handler.commit),
    (f"POST /api/models/{_NAME}/tag/(?P<revision>.+)", _Handler.tag),
    (rf"POST /{_NAME}\.git/info/lfs/objects/batch", _Handler.batch),
    (f"PUT /upload/{_NAME}/(?P<oid>[0-9a-f]+)", _Handler.upload),
    (f"POST /verify/{_NAME}/(?P<oid>[0-9a-f]+)", _Handler.verify),
    (rf"(?:GET|HEAD) /{_NAME}/resolve/(?P<revision>[^/]+)/(?P<path>.+)", _Handler.resolve),
    ("(?:GET|HEAD) /content/(?P<oid>[0-9a-f]+)", _Handler.content),
]
