"""What a client sends: a body of bounded size, JSON of a known form, and the documents in it."""

from __future__ import annotations

import asyncio
import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainValidator,
    ValidationError,
    field_validator,
    model_validator,
)
from starlette.requests import ClientDisconnect, Request

from train.corpora import jsonl
from train.document import Document
from train.errors import InputError


class RefusedError(Exception):
    """A request that gets no documents: the HTTP status, and one line that names the field and what was expected."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Of one request: bytes of its body, texts, characters of all of them together, and seconds from its head to its answer."""

    max_bytes: int = 1_048_576
    max_texts: int = 64
    max_characters: int = 100_000
    timeout: float = 60.0


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _whole(value: str) -> str:
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(f"expected whole characters, found half a surrogate pair at offset {error.start}") from None
    return value


def _id(value: Any) -> Any:
    if isinstance(value, str) and value:
        return _whole(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise ValueError("expected a non-empty string or an integer")


_String = Annotated[str, AfterValidator(_whole)]
# pydantic's words for these say what Python's types are called.
_EXPECTED = {
    "string_type": "expected a string",
    "float_type": "expected a number",
    "list_type": "expected a list",
    "too_short": "expected at least one text",
    "model_type": "expected a string, or an object with text",
}


class _Article(_Strict):
    text: _String
    id: Annotated[str | int | None, PlainValidator(_id)] = None
    title: _String | None = None
    date: str | None = None
    topic: _String | None = None

    @field_validator("date")
    @classmethod
    def _day(cls, value: str | None) -> str | None:
        try:
            return value and datetime.date.fromisoformat(value).isoformat()
        except ValueError:
            raise ValueError("expected a day as 2025-07-15") from None

    def document(self, default: str) -> Document:
        return Document(default if self.id is None else self.id, self.text, title=self.title, date=self.date, topic=self.topic)


def _text_alone(value: Any) -> Any:
    return {"text": value} if isinstance(value, str) else value


class _Precision(_Strict):
    min_precision: Annotated[float, Field(gt=0, le=1)] | None = None


class _One(_Precision, _Article):
    """A text, with what else is known of it."""


class _Several(_Precision):
    """Texts, each a string or an object like `_One`'s."""

    texts: Annotated[list[Annotated[_Article, BeforeValidator(_text_alone)]], Field(min_length=1)]

    @model_validator(mode="before")
    @classmethod
    def _one_form(cls, data: Any) -> Any:
        if isinstance(data, dict) and "text" in data:
            raise ValueError("expected text or texts, not both")
        return data


@dataclass(frozen=True, slots=True)
class TagRequest:
    """Documents to tag. `alone` says that the client sent a text by itself and expects a document rather than a list."""

    documents: Sequence[Document]
    min_precision: float | None
    alone: bool


async def read(request: Request, limits: Limits) -> TagRequest:
    """The request's documents; raises RefusedError. A body that is too long is not read, or no further than the limit."""
    kind, _, parameters = request.headers.get("content-type", "").partition(";")
    # A form or a script of another site can send text/plain without asking; for this type the browser asks first.
    if kind.strip().lower() != "application/json":
        raise RefusedError(415, f"Content-Type: expected application/json, got {kind.strip() or 'nothing'}")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if charset not in ("", "utf-8", "utf8"):
        raise RefusedError(415, f"Content-Type: expected UTF-8, got {parameters.strip()}")
    try:
        async with asyncio.timeout(limits.timeout):
            body = await _body(request, limits.max_bytes)
    except TimeoutError:
        raise RefusedError(408, f"body: not whole after {limits.timeout:g} s", Connection="close") from None
    return parse(body, limits)


async def _body(request: Request, limit: int) -> bytes:
    declared = request.headers.get("content-length", "")
    too_long = RefusedError(413, f"body: expected at most {limit:,} bytes")
    if declared.isdecimal() and int(declared) > limit:
        raise too_long
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > limit:
                raise too_long
    except ClientDisconnect:
        raise RefusedError(400, "body: the connection ended before it did") from None
    return bytes(body)


def parse(body: bytes, limits: Limits) -> TagRequest:
    """The documents of a body; raises RefusedError that names the field, or the byte that is no UTF-8."""
    try:
        text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError as error:
        raise RefusedError(400, f"body: expected UTF-8, got byte {error.object[error.start]:#04x}") from None
    try:
        data = jsonl.loads(text, where="body")
    except InputError as error:
        raise RefusedError(400, str(error)) from None
    if not isinstance(data, dict):
        raise RefusedError(422, f"body: expected an object with text or texts, got {type(data).__name__}")
    alone = "texts" not in data
    # Before each is looked at, as a long list takes its time.
    if isinstance(texts := data.get("texts"), list) and len(texts) > limits.max_texts:
        raise RefusedError(413, f"texts: expected at most {limits.max_texts:,}, got {len(texts):,}")
    try:
        given = _One.model_validate(data) if alone else _Several.model_validate(data)
    except ValidationError as error:
        raise RefusedError(422, _explained(error, _One if alone else _Several)) from None
    articles: Sequence[_Article] = [given] if isinstance(given, _One) else given.texts
    characters = sum(len(article.text) for article in articles)
    if characters > limits.max_characters:
        where = "text" if alone else "texts, together"
        raise RefusedError(413, f"{where}: expected at most {limits.max_characters:,} characters, got {characters:,}")
    documents = [article.document("text" if alone else f"text-{i}") for i, article in enumerate(articles, 1)]
    _check_ids(documents)
    return TagRequest(documents, given.min_precision, alone)


def _check_ids(documents: Sequence[Document]) -> None:
    seen: dict[str, int] = {}
    for i, document in enumerate(documents):
        if (first := seen.setdefault(str(document.id), i)) != i:
            raise RefusedError(422, f"texts[{i}].id: {document.id!r} is already the id of texts[{first}]")


def _explained(error: ValidationError, form: type[BaseModel]) -> str:
    """The first error in one line: the field, what was expected, and what came instead."""
    first = error.errors(include_url=False)[0]
    where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
    if first["type"] == "missing":
        return f"{where}: missing; expected a string{', or texts for several' if where == 'text' else ''}"
    if first["type"] == "extra_forbidden":
        known = (form if len(first["loc"]) == 1 else _Article).model_fields
        return f"{where}: unknown field; expected one of {', '.join(known)}"
    message = first["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
    message, got = _EXPECTED.get(first["type"], message), repr(first["input"])
    return f"{where or 'body'}: {message}, got {got if len(got) <= 60 else f'{got[:60]}…'}"
