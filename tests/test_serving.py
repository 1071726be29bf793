"""The endpoint: what it gives and refuses, whose texts share a pass of the model, and what nobody has to wait for."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.serving import Recorder, Site, serving
from tests.support import ROOT, script
from train import __version__
from train.corpora import jsonl
from train.document import Document
from train.schema import Schema
from train.serving.requests import Limits
from train.tagger import Tagger

TEXT = "চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই মঙ্গলবার ঢাকায় পৌঁছেছেন।"
SMALL = Limits(max_bytes=2000, max_texts=3, max_characters=200, timeout=20)


@pytest.fixture
def recorder(schema: Schema) -> Recorder:
    return Recorder(schema)


@pytest.fixture
def site(recorder: Recorder) -> Iterator[Site]:
    with serving(recorder, limits=SMALL, queue=4, batch_characters=100) as found:
        yield found
        recorder.gate.set()


def same(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether two documents agree, in their scores but for rounding, which goes by the number of threads."""

    def scores(document: dict[str, Any]) -> list[float]:
        return [item["score"] for layer in ("mentions", "relations") for item in document[layer]]

    def rest(document: dict[str, Any]) -> dict[str, Any]:
        return {**document, **{layer: [{**i, "score": 0} for i in document[layer]] for layer in ("mentions", "relations")}}

    return rest(found) == rest(expected) and scores(found) == pytest.approx(scores(expected), abs=2e-4)


def test_a_text_gives_the_document_that_the_tagger_gives(eager: Tagger, schema: Schema, documents: list[Document]) -> None:
    text = documents[0].text
    with serving(eager) as site:
        status, headers, document = site.tag(text=text, id=7, date="2025-07-15", title="ক")
        several = site.tag(texts=[text, {"text": "", "id": "খ"}])[2]["documents"]
        sure = site.tag(text=text, min_precision=0.99)[2]
    assert (status, headers["content-type"]) == (200, "application/json")
    expected = jsonl.to_dict(eager(text))
    assert len(expected["mentions"]) > 1
    assert same(document, {**expected, "id": 7, "title": "ক", "date": "2025-07-15"})
    jsonl.from_dict(document, where="answer").check(schema)
    assert same(several[0], {**expected, "id": "text-1"})
    assert several[1] == {"id": "খ", "text": "", "mentions": [], "entities": [], "relations": []}
    assert same(sure, jsonl.to_dict(eager.tag([Document("text", text)], min_precision=0.99)[0]))
    assert len(sure["mentions"]) < len(expected["mentions"])


def test_answers_are_utf8_that_is_not_escaped_and_go_to_no_other_site(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=30)
    body = json.dumps({"text": "ঢাকা <b>"}).encode()
    connection.request("POST", "/tag", body, {"Content-Type": "application/json", "Origin": "http://other.example"})
    answer = connection.getresponse()
    assert "ঢাকা <b>".encode() in (got := answer.read()) and got.endswith(b"}\n")
    assert not [name for name, _ in answer.getheaders() if name.lower().startswith("access-control")]
    assert site.send("OPTIONS", "/tag")[0] == 405


@pytest.mark.parametrize(
    ("body", "status", "error"),
    [
        (b"", 400, "body: not valid JSON"),
        (b'{"text": "a"', 400, "body: not valid JSON"),
        (b'{"text": "\xff"}', 400, "body: expected UTF-8, got byte 0xff"),
        ('{"text": "ক"}'.encode("utf-16"), 400, "body: expected UTF-8"),
        (b'{"text": "a", "text": "b"}', 400, "body: field 'text' is given twice"),
        (b"[" * 1900, 400, "body: not valid JSON"),
        (b'["a"]', 422, "body: expected an object with text or texts, got list"),
        (b"{}", 422, "text: missing; expected a string, or texts for several"),
        (b'{"text": 5}', 422, "text: expected a string, got 5"),
        (b'{"text": "a\\ud800"}', 422, "text: expected whole characters, found half a surrogate pair at offset 1"),
        (b'{"text": "a", "lang\\ud800": "bn"}', 422, "body: expected a valid string, unable to parse"),
        (b'{"text": "a", "texts": ["b"]}', 422, "body: expected text or texts, not both"),
        (b'{"texts": []}', 422, "texts: expected at least one text"),
        (b'{"texts": "a"}', 422, "texts: expected a list, got 'a'"),
        (b'{"texts": ["a", 5]}', 422, "texts[1]: expected a string, or an object with text, got 5"),
        (b'{"texts": ["a", {"text": "b", "url": "u"}]}', 422, "texts[1].url: unknown field"),
        (b'{"texts": ["a"], "id": "b"}', 422, "id: unknown field"),
        (b'{"texts": [{"text": "a", "id": 1}, {"text": "b", "id": "1"}]}', 422, "texts[1].id: '1' is already the id of"),
        (b'{"text": "a", "id": ""}', 422, "id: expected a non-empty string or an integer, got ''"),
        (b'{"text": "a", "date": "2025-02-30"}', 422, "date: expected a day as 2025-07-15, got '2025-02-30'"),
        (b'{"text": "a", "min_precision": 0}', 422, "min_precision: expected greater than 0, got 0"),
        (b'{"text": "a", "min_precision": "0.9"}', 422, "min_precision: expected a number, got '0.9'"),
        (b'{"text": "a", "min_precision": NaN}', 400, "body: NaN is no JSON number"),
        (b'{"texts": ["a", "b", "c", "d"]}', 413, "texts: expected at most 3, got 4"),
        (json.dumps({"text": "a" * 201}).encode(), 413, "text: expected at most 200 characters, got 201"),
        (json.dumps({"texts": ["a" * 150] * 2}).encode(), 413, "texts, together: expected at most 200 characters, got 300"),
        (b" " * 2001, 413, "body: expected at most 2,000 bytes"),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_that_names_the_field(
    site: Site, recorder: Recorder, body: bytes, status: int, error: str
) -> None:
    got, _, answer = site.send("POST", "/tag", body)
    assert (got, list(answer)) == (status, ["error"])
    assert error in answer["error"] and "\n" not in answer["error"]
    assert recorder.passes == []


def test_only_json_in_utf8_is_taken_so_that_no_other_sites_form_can_send(site: Site) -> None:
    assert site.send("POST", "/tag", b'{"text": "a"}', Content_Type="text/plain")[0] == 415
    assert site.send("POST", "/tag", b'{"text": "a"}', Content_Type="application/json; charset=utf-16")[0] == 415
    assert site.send("POST", "/tag", b'{"text": "a"}', Content_Type='application/json; charset="UTF-8"')[0] == 200


def test_routes_that_are_not_there_say_which_are(site: Site) -> None:
    assert site.send("GET", "/tag")[0] == 405
    status, _, answer = site.send("GET", "/docs")
    assert (status, answer) == (404, {"error": "GET /docs: expected GET /, GET /health or POST /tag"})


def test_a_body_that_says_it_is_too_long_is_refused_before_it_comes(site: Site) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
    connection.putrequest("POST", "/tag")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", "99999999999")
    connection.endheaders()
    assert connection.getresponse().status == 413


def test_a_body_that_does_not_say_its_length_is_read_no_further_than_the_limit(site: Site, recorder: Recorder) -> None:
    sent = 0

    def parts() -> Iterator[bytes]:
        nonlocal sent
        for _ in range(100_000):
            sent += 1
            yield b" " * 1000

    try:
        status = site.send("POST", "/tag", parts())[0]
    except OSError:  # the server has closed the connection while we were sending
        status = 413
    assert status == 413
    assert site.send("POST", "/tag", iter([b'{"text": ', b'"ok"}']))[0] == 200


def test_requests_that_come_while_the_model_is_busy_share_its_next_pass_and_get_their_own(
    site: Site, recorder: Recorder
) -> None:
    recorder.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(site.tag, text="প্রথম")
        recorder.wait_for_passes(1)
        others = [pool.submit(site.tag, text=f"ন{i} লেখা", min_precision=0.1 * (i + 1)) for i in range(2)]
        pair = pool.submit(site.tag, texts=["ক খ", "গ ঘ"])
        site.waiting(4)
        recorder.gate.set()
        assert first.result()[2]["text"] == "প্রথম"
        for i, other in enumerate(others):
            document = other.result()[2]
            assert document["text"] == f"ন{i} লেখা"
            assert document["mentions"][0]["score"] == pytest.approx(0.1 * (i + 1))
        assert [d["text"] for d in pair.result()[2]["documents"]] == ["ক খ", "গ ঘ"]
    assert [len(p) for p in recorder.passes] == [1, 4]
    assert recorder.threads == {"tagger"}


def test_a_pass_takes_no_more_than_the_batch_limit_or_one_text(site: Site, recorder: Recorder) -> None:
    documents = site.tag(texts=["ক" * 60, "খ" * 60, "গ" * 30])[2]["documents"]
    assert [d["text"][0] for d in documents] == ["ক", "খ", "গ"]
    assert [len(p) for p in recorder.passes] == [1, 2]
    assert site.tag(text="ঘ" * 150)[0] == 200


def test_a_request_that_the_model_fails_on_does_not_fail_those_beside_it(site: Site, recorder: Recorder) -> None:
    recorder.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(site.tag, text="প্রথম")
        recorder.wait_for_passes(1)
        good = pool.submit(site.tag, text="পুণ্য")
        bad = pool.submit(site.tag, texts=["ভালো", "পাপ"])
        site.waiting(3)
        recorder.gate.set()
        assert (first.result()[0], good.result()[0]) == (200, 200)
        status, _, answer = bad.result()
    assert status == 500 and "log" in answer["error"] and "luck" not in answer["error"]
    assert site.tag(text="আবার")[0] == 200


def test_more_than_the_queue_holds_is_turned_away_with_when_to_come_again(site: Site, recorder: Recorder) -> None:
    recorder.gate.clear()
    with ThreadPoolExecutor(8) as pool:
        first = pool.submit(site.tag, text="প্রথম")
        recorder.wait_for_passes(1)
        waiting = [pool.submit(site.tag, texts=["ক", "খ", "গ"])]
        site.waiting(3)
        status, headers, answer = site.tag(texts=["ঘ", "ঙ"])
        assert status == 503 and int(headers["retry-after"]) >= 1 and "try again" in answer["error"]
        waiting.append(pool.submit(site.tag, text="ঘ"))
        site.waiting(4)
        assert site.tag(text="ঙ")[0] == 503
        recorder.gate.set()
        assert [w.result()[0] for w in [first, *waiting]] == [200, 200, 200]


def test_who_waits_too_long_is_told_and_what_they_sent_is_not_begun(recorder: Recorder) -> None:
    limits = Limits(timeout=0.3)
    with serving(recorder, limits=limits, queue=64) as site:
        recorder.gate.clear()
        with ThreadPoolExecutor(8) as pool:
            first = pool.submit(site.tag, text="প্রথম")
            recorder.wait_for_passes(1)
            second = pool.submit(site.tag, text="দ্বিতীয়")
            for late in (first, second):
                status, _, answer = late.result()
                assert status == 504 and "0.3 s" in answer["error"]
            status, _, health = site.send("GET", "/health")
            assert (status, health["status"]) == (503, "stuck")
            recorder.gate.set()
            assert site.tag(text="তৃতীয়")[0] == 200
        assert recorder.passes == [["প্রথম"], ["তৃতীয়"]]
        assert site.send("GET", "/health")[2]["status"] == "ok"


def test_a_body_that_never_ends_is_given_up(recorder: Recorder) -> None:
    with serving(recorder, limits=Limits(timeout=0.2)) as site:
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
        connection.putrequest("POST", "/tag")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "100")
        connection.endheaders(b'{"text": ')
        answer = connection.getresponse()
        assert (answer.status, b"not whole" in answer.read()) == (408, True)


def test_what_a_client_sent_that_has_gone_is_not_begun(site: Site, recorder: Recorder) -> None:
    recorder.gate.clear()
    with ThreadPoolExecutor(2) as pool:
        first = pool.submit(site.tag, text="প্রথম")
        recorder.wait_for_passes(1)
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=10)
        connection.request("POST", "/tag", json.dumps({"text": "গেল"}).encode(), {"Content-Type": "application/json"})
        site.waiting(1)
        connection.close()
        site.waiting(0)
        recorder.gate.set()
        assert first.result()[0] == 200
    assert site.tag(text="আবার")[0] == 200
    assert recorder.passes == [["প্রথম"], ["আবার"]]


def test_health_says_what_is_served(site: Site) -> None:
    about = {"status": "ok", "checkpoint": "runs/x", "schema": "politics", "device": "cpu"}
    expected = {**about, "version": __version__, "waiting": 0}
    assert site.send("GET", "/health")[::2] == (200, expected)


def test_a_precision_that_was_never_reached_is_said(site: Site) -> None:
    assert "rajniti-note" not in site.tag(text="ক", min_precision=0.5)[1]
    assert site.tag(text="ক", min_precision=0.95)[1]["rajniti-note"] == "relations: none"
    assert site.send("POST", "/view", {"text": "ক", "min_precision": 0.95})[2]["notes"] == ["relations: none"]


def test_markup_in_an_article_is_text_on_the_page(site: Site) -> None:
    text = "<script>alert(1)</script> </textarea></iframe><img src=x onerror=alert(1)>"
    status, _, shown = site.send("POST", "/view", {"text": text, "title": "<blink>"})
    assert status == 200 and shown["document"]["text"] == text
    for html in (shown["article"], shown["graph"]):
        assert "alert(1)" in html and "<img" not in html and "<script>alert" not in html
    assert "<script" not in shown["article"] and "<blink" not in shown["article"]


def test_the_page_takes_one_text_and_has_no_graph_without_relations(site: Site) -> None:
    assert site.send("POST", "/view", {"text": "   "})[2]["graph"] is None
    assert site.send("POST", "/view", {"texts": ["ক"]})[::2] == (422, {"error": "texts: expected text"})


def test_a_server_asked_to_stop_ends_what_it_has_begun(trained: Path) -> None:
    command = [sys.executable, str(ROOT / "scripts" / "serve.py"), str(trained), "--port", "0"]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, encoding="utf-8", env=environment) as process:
        assert process.stderr is not None
        first = process.stderr.readline()
        port = int(first.split("/ ")[0].rsplit(":", 1)[1])
        site = Site(None, port)
        while True:
            try:
                assert site.send("GET", "/health")[2]["checkpoint"] == str(trained)
                break
            except ConnectionRefusedError:
                pass
        with ThreadPoolExecutor(1) as pool:
            answer = pool.submit(site.tag, texts=[TEXT * 20] * 5)
            while not site.send("GET", "/health")[2]["waiting"] and not answer.done():
                pass
            process.send_signal(signal.SIGINT)
            assert len(answer.result()[2]["documents"]) == 5
        assert process.wait(20) == 0
        assert process.stderr.read() == ""


def test_wrong_options_end_in_one_line(tmp_path: Path, trained: Path) -> None:
    for arguments, expected in (
        ((tmp_path / "none",), "no such checkpoint folder"),
        ((trained, "--port", "99999"), "--port: expected 0 to 65535, got 99999"),
        ((trained, "--host", "no.such.host.invalid"), "--host no.such.host.invalid: no such host"),
        ((trained, "--host", "192.0.2.1"), "--host 192.0.2.1 --port 8000: cannot be listened on"),
        ((trained, "--timeout", "0"), "--timeout: expected more than 0, got 0.0"),
        ((trained, "--queue", "8"), "--queue: expected at least --max-texts 64, got 8"),
    ):
        done = script("serve.py", *arguments)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ") and expected in done.stderr and done.stderr.count("\n") == 1
