"""Names of the Hub wherever a folder is named: what is fetched, how it is resumed, what is said where it is not to be had."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub import constants

from tests.hub_server import READER, Commit, Failure, Hub
from tests.support import online, script
from train import hub
from train.config import EncoderConfig, RunConfig
from train.encoders.build import fetch
from train.errors import InputError
from train.export import export
from train.publish import prepare
from train.tagger import Tagger

NAME = "owner/rajniti"


def _files(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


@pytest.fixture
def published(site: Hub, trained: Path) -> Hub:
    """The small checkpoint as owner/rajniti, tagged v1, with an empty commit after it."""
    repository = site.add(NAME, _files(trained))
    repository.tags["v1"] = repository.commits[-1].oid
    repository.commits.append(Commit("nothing", {}, repository.commits[-1].oid))
    return site


def test_a_folder_is_itself_and_asks_nobody(published: Hub, trained: Path) -> None:
    assert hub.resolve(trained) == trained
    assert published.requests == []


@pytest.mark.parametrize("revision", ["v1", "the commit"])
def test_a_revision_gives_that_release_and_only_what_is_needed(published: Hub, trained: Path, revision: str) -> None:
    commit = published.repositories[NAME].tags["v1"]
    folder = hub.resolve(f"{NAME}@{commit if revision == 'the commit' else revision}")
    assert folder.name == commit
    assert {p.name for p in folder.iterdir()} == {"model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json"}
    assert all((folder / p.name).read_bytes() == (trained / p.name).read_bytes() for p in folder.iterdir())


def test_a_release_is_exported_whole_and_may_be_published_under_another_name(site: Hub, trained: Path, tmp_path: Path) -> None:
    first = prepare(trained, NAME)
    given = {name: file if isinstance(file, bytes) else file.read_bytes() for name, file in first.files.items()}
    site.add(NAME, given)
    assert export(NAME, tmp_path / "out") == sorted(given)
    assert _files(tmp_path / "out") == given
    again = prepare(NAME, "other/rajniti")
    assert again.files.keys() == first.files.keys()
    assert again.files["README.md"] == prepare(trained, "other/rajniti").files["README.md"]


def test_a_name_without_revision_is_main(published: Hub) -> None:
    with pytest.raises(InputError, match=r"owner/rajniti: no checkpoint of rajniti: config\.json is missing"):
        Tagger.load(NAME)


def test_a_download_that_breaks_off_is_resumed_where_it_stopped_and_whole(
    published: Hub, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 500)
    published.failures["GET /content/"] = Failure(cut=1000, times=2)
    folder = hub.resolve(f"{NAME}@v1")
    assert (folder / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    resumed = [request.split()[-1] for request in published.requests if "bytes=" in request]
    assert resumed == ["bytes=1000-", "bytes=2000-"]


def test_a_download_given_up_is_taken_up_again_without_what_is_there(
    published: Hub, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published.failures["GET /content/"] = Failure(404)
    with pytest.raises(InputError, match=r"owner/rajniti@v1: no such checkpoint folder, and not to be had from the Hub: "):
        hub.resolve(f"{NAME}@v1")
    published.failures.clear()
    published.requests.clear()
    folder = hub.resolve(f"{NAME}@v1")
    assert (folder / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    again = [r for r in published.requests if r.startswith("GET") and ("/content/" in r or "/resolve/" in r)]
    assert sum("/content/" in request for request in again) == 1
    assert not list(Path(constants.HF_HUB_CACHE).rglob("*.incomplete"))


def test_a_full_cache_works_offline_and_an_empty_or_partial_one_is_said(
    published: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = hub.resolve(f"{NAME}@v1")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    published.requests.clear()
    assert hub.resolve(f"{NAME}@v1") == folder
    said = r"from the Hub: offline mode \(HF_HUB_OFFLINE\) is on, and the cache does not hold all of it$"
    with pytest.raises(InputError, match=said):
        hub.resolve("owner/other")
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=said):
        hub.resolve(f"{NAME}@v1")
    assert published.requests == []


def test_a_hub_out_of_reach_does_for_what_is_cached(published: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = hub.resolve(f"{NAME}@v1")
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    assert hub.resolve(f"{NAME}@v1") == folder
    with pytest.raises(InputError, match=r"the Hub cannot be reached: .*; and the cache does not hold all of it"):
        hub.resolve("owner/other")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("owner/other", "no such repository, or a private one that the token, if there is one, may not read"),
        (f"{NAME}@v9", "the repository has no such revision"),
        ("owner/secret", "no such repository, or a private one"),
        ("runs/a/b", "no such checkpoint folder; expected one, or owner/name or owner/name@revision on the Hub"),
        ("quickstart", "no such checkpoint folder; expected one, or owner/name"),
        ("owner/..name", "no such checkpoint folder, and not to be had from the Hub: "),
    ],
)
def test_what_is_not_to_be_had_is_one_line(published: Hub, monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    published.add("owner/secret", {"config.json": b"{}"}, private=True)
    monkeypatch.setenv("HF_TOKEN", READER)
    with pytest.raises(InputError) as error:
        Tagger.load(name)
    assert str(error.value).startswith(f"{name}: ")
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_an_encoder_is_fetched_at_its_revision_and_its_commit_is_kept(site: Hub, electra_folder: Path) -> None:
    repository = site.add("csebuetnlp/tiny", _files(electra_folder))
    commit = repository.tags["pinned"] = repository.commits[-1].oid
    repository.commits.append(Commit("broken since", {}, commit))
    folder, source = fetch(EncoderConfig(name="csebuetnlp/tiny@pinned", license="mit"))
    assert source == {"name": "csebuetnlp/tiny", "revision": "pinned", "license": "mit", "commit": commit}
    assert _files(folder) == _files(electra_folder)
    with pytest.raises(
        InputError, match=r"encoder\.name: 'csebuetnlp/tiny' is no folder and cannot be got .* no such revision"
    ):
        fetch(EncoderConfig(name="csebuetnlp/tiny@lost"))


def test_a_run_from_an_encoder_on_the_hub_says_which(
    site: Hub, electra_folder: Path, tiny_config: Path, tmp_path: Path
) -> None:
    commit = site.add("csebuetnlp/tiny", _files(electra_folder)).commits[-1].oid
    run = tmp_path / "out"
    done = script(
        "train.py", tiny_config, f"output_dir={run}", f"encoder.name=csebuetnlp/tiny@{commit}", "training.max_steps=1",
        "evaluation.resamples=5", env=online(site.url, tmp_path / "home"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    encoder = RunConfig.load(run / "run_config.yaml").encoder
    assert (encoder.name, encoder.revision) == ("csebuetnlp/tiny", commit)
    assert f"csebuetnlp/tiny, revision {commit}, commit {commit}" in (run / "README.md").read_text(encoding="utf-8")


MINIMAL = "output_dir: out\nschema: s.yaml\nencoder: {name: owner/e}\nsources: [{path: bundled}]\n"


def test_a_revision_in_a_name_is_shorthand_for_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run.yaml").write_text(MINIMAL)
    config = RunConfig.load("run.yaml", ["encoder.name=owner/e@v2", "sources.0.path=hub:owner/corpus@abc"])
    assert (config.encoder.name, config.encoder.revision) == ("owner/e", "v2")
    assert (config.sources[0].path, config.sources[0].revision) == ("hub:owner/corpus", "abc")
    same = RunConfig.load("run.yaml", ["encoder.name=owner/e@v2", "encoder.revision=v2"])
    assert same.encoder.revision == "v2"
    Path("owner/e@v2").mkdir(parents=True)
    assert RunConfig.load("run.yaml", ["encoder.name=owner/e@v2"]).encoder.name == "owner/e@v2"


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["encoder.name=owner/e@v2", "encoder.revision=v1"], "encoder: name: @v2 and revision 'v1' are two; expected one"),
        (
            ["sources.0.path=hub:o/c@1", "sources.0.revision=two"],
            "sources.0: path: @1 and revision 'two' are two; expected one",
        ),
    ],
)
def test_two_revisions_of_one_thing_are_refused(tmp_path: Path, overrides: list[str], said: str) -> None:
    (tmp_path / "run.yaml").write_text(MINIMAL)
    with pytest.raises(InputError) as error:
        RunConfig.load(tmp_path / "run.yaml", overrides)
    assert said in str(error.value)
