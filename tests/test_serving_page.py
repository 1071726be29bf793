"""The page in a real browser, as a person uses it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Recorder, serving
from train.schema import Schema

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
TEXT = "রহিম করিম <script>window.broken = 1</script><img src=http://elsewhere.example/x.png onerror='window.broken = 1'>"


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("no chromium on this machine")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        # Its sandbox does not start for root, as whom containers run.
        opened = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield opened
        opened.close()


def test_a_pasted_article_is_shown_with_its_marks_its_relation_and_its_graph(browser, schema: Schema, tmp_path: Path) -> None:
    recorder = Recorder(schema)
    with serving(recorder) as site:
        page = browser.new_page()
        said, asked = [], []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"http://127.0.0.1:{site.port}/")
        page.click("#tag")
        assert page.inner_text("#status") == "Paste an article first."
        page.fill("#text", TEXT)
        page.click("#tag")
        page.wait_for_selector("#result:not([hidden])")
        assert page.locator("#article mark").count() == 2
        assert page.locator("#article .sentence p").inner_text().endswith("onerror='window.broken = 1'>")
        assert "meets" in page.inner_text("#article .relations")
        page.hover("#article .relation")
        assert page.locator("mark.lit").count() == 2
        page.locator("#frame").scroll_into_view_if_needed()
        assert page.frame_locator("#frame").locator("#note").inner_text() == "2 of 2 nodes, 1 of 1 edges"
        with page.expect_download() as download:
            page.click("#download")
        download.value.save_as(tmp_path / "tagged.jsonl")
        assert json.loads((tmp_path / "tagged.jsonl").read_text(encoding="utf-8"))["text"] == TEXT
        assert page.evaluate("window.broken") is None
        assert said == []
        assert {url.split("/")[2] for url in asked if url.startswith("http")} == {f"127.0.0.1:{site.port}"}


def test_the_page_says_what_went_wrong_and_shows_no_older_article(browser, schema: Schema) -> None:
    recorder = Recorder(schema)
    with serving(recorder) as site:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{site.port}/")
        page.click("#example")
        page.wait_for_selector("#result:not([hidden])")
        page.fill("#text", "পাপ")
        page.press("#text", "Control+Enter")
        page.wait_for_selector("#status.bad")
        assert "the model failed" in page.inner_text("#status")
        assert not page.is_visible("#result")


def test_the_precision_asked_for_is_sent_and_what_it_leaves_out_is_said(browser, schema: Schema) -> None:
    recorder = Recorder(schema)
    with serving(recorder) as site:
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{site.port}/")
        page.click("#example")
        page.wait_for_selector("#result:not([hidden])")
        assert page.inner_text("mark small i >> nth=0") == "0.50"
        page.locator("#least").fill("0.95")
        page.wait_for_selector("#notes:not([hidden])")
        assert page.inner_text("mark small i >> nth=0") == "0.95"
        assert page.inner_text("#shown") == "0.95"
        assert page.inner_text("#notes") == "relations: none"
