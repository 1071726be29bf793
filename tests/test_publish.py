"""Releases on the Hub: what is refused, what arrives, and what is there when something on the way fails."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.hub_server import READER, WRITER, Commit, Failure, Hub, Repository
from tests.support import online, script
from train.errors import InputError
from train.licences import may_become
from train.onnx.model import FILES as GRAPHS
from train.publish import Release, prepare, publish

NAME = "owner/rajniti"


@pytest.fixture(scope="module")
def release(trained: Path) -> Release:
    return prepare(trained, NAME)


def _bytes(release: Release) -> dict[str, bytes]:
    return {name: f if isinstance(f, bytes) else f.read_bytes() for name, f in release.files.items()}


def _earlier(site: Hub) -> Repository:
    """A public repository with an earlier release, tagged v3, whose code had another file, and someone's own notes."""
    repository = site.add(NAME, {"README.md": b"old", "old_code.py": b"", "notes/mine.txt": b"mine", "logo.svg": b"mine"})
    repository.tags["v3"] = repository.commits[-1].oid
    return repository


def test_a_release_arrives_whole_in_one_commit_with_a_tag_in_a_private_repository(site: Hub, release: Release) -> None:
    done = publish(release, message="প্রথম সংস্করণ")
    repository = site.repositories[NAME]
    assert (repository.private, done.private, done.url) == (True, True, f"{site.url}/{NAME}")
    first, made = repository.commits
    assert made.message == "প্রথম সংস্করণ"
    assert made.files == {**first.files, **_bytes(release)}
    assert repository.tags == {"v1": made.oid}
    assert (done.commit, done.tag) == (made.oid, "v1")


def test_what_goes_is_the_model_alone_and_its_card_names_the_repository(trained: Path, release: Release) -> None:
    assert {"checkpoints", "logs", "predictions"} <= {p.name for p in trained.iterdir()}
    assert {"model.safetensors", "pipeline_rajniti.py", "requirements.txt", "scores.json", "schema.yaml"} <= set(release.files)
    assert all((trained / name).is_file() for name in release.files)
    card = _bytes(release)["README.md"].decode()
    assert f'pipeline("political-ie", model="{NAME}", trust_remote_code=True)' in card
    assert card.replace(f'"{NAME}"', '"."') == (trained / "README.md").read_text(encoding="utf-8")


def test_a_repository_is_made_public_only_when_all_is_there(site: Hub, release: Release) -> None:
    assert not publish(release, public=True).private
    assert not site.repositories[NAME].private
    changes = [request for request in site.requests if not request.startswith(("GET", "HEAD"))]
    assert changes[0] == "POST /api/repos/create"
    assert changes[-2:] == [f"POST /api/models/{NAME}/tag/{site.repositories[NAME].commits[-1].oid}",
                            f"PUT /api/models/{NAME}/settings"]  # fmt: skip


def test_the_next_release_takes_the_next_tag_and_removes_what_it_has_no_more(site: Hub, release: Release) -> None:
    repository = _earlier(site)
    done = publish(release)
    kept = {".gitattributes": b"", "notes/mine.txt": b"mine", "logo.svg": b"mine"}
    assert repository.commits[-1].files == {**kept, **_bytes(release)}
    assert len(repository.commits) == 3
    assert (done.tag, done.private, repository.tags["v4"]) == ("v4", False, done.commit)
    again = publish(release)
    assert (again.tag, again.commit, len(repository.commits)) == (None, done.commit, 3)


def test_a_tag_that_is_taken_is_refused_before_anything_goes(site: Hub, release: Release) -> None:
    _earlier(site)
    with pytest.raises(InputError, match="--tag: owner/rajniti has v3 already"):
        publish(release, tag="v3")
    assert all(request.startswith("GET") for request in site.requests)


BROKEN = {
    "upload": ("PUT /upload/.*", Failure(403, message="Request has expired")),
    "commit": ("POST /api/models/.*/commit/", Failure(cut=0)),
    "tag": ("POST /api/models/.*/tag/", Failure(400, message="no tags today")),
    "visibility": ("PUT /api/models/.*/settings", Failure(403, message="public is not allowed here")),
}


@pytest.mark.parametrize("step", BROKEN)
def test_a_release_that_breaks_leaves_no_new_repository(site: Hub, release: Release, step: str) -> None:
    pattern, failure = BROKEN[step]
    site.failures[pattern] = failure
    with pytest.raises(InputError) as error:
        publish(release, public=True)
    assert str(error.value).startswith("owner/rajniti: not published: ")
    assert str(error.value).endswith("; the repository begun for it is removed")
    assert "\n" not in str(error.value)
    assert site.repositories == {}


@pytest.mark.parametrize("step", ["upload", "commit"])
def test_a_release_that_breaks_leaves_the_earlier_one_as_it_was(site: Hub, release: Release, step: str) -> None:
    repository = _earlier(site)
    before, tags = list(repository.commits), dict(repository.tags)
    pattern, failure = BROKEN[step]
    site.failures[pattern] = failure
    with pytest.raises(InputError, match=r"; the repository is as it was$"):
        publish(release)
    assert (repository.commits, repository.tags) == (before, tags)
    site.failures.clear()
    assert publish(release).tag == "v4"


def test_a_commit_whose_tag_failed_is_whole_and_said_to_be(site: Hub, release: Release) -> None:
    repository = _earlier(site)
    pattern, failure = BROKEN["tag"]
    site.failures[pattern] = failure
    with pytest.raises(InputError, match=r"no tags today.*is whole, but what should come after it, the tag or --public"):
        publish(release)
    assert repository.commits[-1].files.items() >= _bytes(release).items()
    assert set(repository.tags) == {"v3"}


def test_a_repository_that_could_not_be_removed_is_named(site: Hub, release: Release) -> None:
    site.failures = dict([BROKEN["commit"], ("DELETE /api/repos/delete", Failure(403))])
    with pytest.raises(InputError, match=f"look at {site.url}/{NAME}$"):
        publish(release)
    assert site.repositories[NAME].private
    assert len(site.repositories[NAME].commits) == 1


def test_a_commit_of_someone_else_in_between_is_not_written_over(
    site: Hub, release: Release, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository = _earlier(site)
    theirs = Commit("theirs", {"README.md": b"theirs"}, repository.commits[-1].oid)
    answer = Hub.failure

    def meanwhile(self: Hub, request: str) -> Failure | None:
        if "/preupload/" in request:
            repository.commits.append(theirs)
        return answer(self, request)

    monkeypatch.setattr(Hub, "failure", meanwhile)
    with pytest.raises(InputError, match="A commit has happened since"):
        publish(release)
    assert repository.commits[-1] is theirs


def test_an_upload_that_fails_for_a_moment_is_tried_again(site: Hub, release: Release) -> None:
    site.failures["PUT /upload/"] = Failure(503, times=1)
    publish(release)
    assert site.repositories[NAME].commits[-1].files.items() >= _bytes(release).items()


@pytest.mark.parametrize(
    ("token", "name", "said"),
    [
        ("", NAME, "no token; expected one in HF_TOKEN or from `hf auth login`"),
        ("hf_wrong", NAME, "the token is not valid; expected one in HF_TOKEN"),
        (READER, NAME, "the token may not do this: You don't have the rights to create or write models under owner"),
        (WRITER, "someone/else", "the token may not do this: You don't have the rights"),
    ],
)
def test_a_token_that_will_not_do_is_said_in_one_line(
    site: Hub, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str, name: str, said: str
) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no token"))
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(InputError) as error:
        publish(prepare(trained, name))
    assert f"{name}: not published: {said}" in str(error.value)
    assert "\n" not in str(error.value)
    assert site.repositories == {}


def test_a_hub_out_of_reach_is_said_in_one_line(release: Release, site: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="owner/rajniti: not published: the Hub cannot be reached: "):
        publish(release)


def _edit(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    return lambda folder: (folder / name).write_text(change((folder / name).read_text("utf-8")), encoding="utf-8") and None


def _without_release(text: str) -> str:
    config = yaml.safe_load(text)
    config["sources"].append({"path": "private_corpus", "release": False})
    return yaml.safe_dump(config, allow_unicode=True)


def _encoder(**changes: object) -> Callable[[str], str]:
    return lambda text: json.dumps({**(run := json.loads(text)), "encoder": {**run["encoder"], **changes}})


def _weights(folder: Path) -> None:
    data = bytearray((folder / "model.safetensors").read_bytes())
    data[-1] ^= 1
    (folder / "model.safetensors").write_bytes(data)


def _graphs(folder: Path) -> None:
    for name in GRAPHS:
        (folder / name).write_text(json.dumps({"weights": "0" * 64}))


LICENCE = ("license: cc-by-nc-sa-4.0", "license: apache-2.0")


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (_edit("README.md", lambda t: t + "[More Information Needed]\n"), "README.md: '[More Information Needed]' was left"),
        (_edit("README.md", lambda t: t + "Contact: TODO\n"), "README.md: 'TODO' was left in it"),
        (_graphs, "its ONNX graphs are of other weights; export.py --onnx writes them anew"),
        (lambda folder: (folder / "reader.onnx").touch(), "no ONNX graphs in it: pairs.onnx is missing"),
        (_weights, "scores.json: weights_sha256: expected "),
        (_edit("scores.json", lambda t: "{}"), "the checkpoint's, got None"),
        (_edit("scores.json", lambda t: t[:-5]), "scores.json:"),
        (_edit("README.md", lambda t: re.sub(r"SHA-256 \(\w+", "SHA-256 (0", t)), "of other weights"),
        (_edit("README.md", lambda t: t.replace(*LICENCE)), "'apache-2.0' contradicts cc-by-nc-sa-4.0, the licence of the"),
        (_edit("README.md", lambda t: t.replace(LICENCE[0], "x: y")), "license: None contradicts cc-by-nc-sa-4.0"),
        (_edit("run.json", _encoder(license=None)), "run.json: encoder.license: expected the licence of"),
        (_edit("run_config.yaml", _without_release), "sources.1: private_corpus is not for release"),
        (lambda folder: (folder / "run_config.yaml").unlink(), "run_config.yaml is missing"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "tokenizer.json is missing"),
        (lambda folder: (folder / "README.md").unlink(), "README.md is missing"),
    ],
)  # fmt: skip
def test_a_folder_that_is_not_to_be_published_is_refused_in_one_line(
    trained: Path, tmp_path: Path, spoil: Callable[[Path], None], said: str
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("checkpoints", "logs", "predictions"))
    spoil(folder)
    with pytest.raises(InputError) as error:
        prepare(folder, NAME)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_config_cannot_talk_banglaberts_licence_away(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("checkpoints", "logs", "predictions"))
    _edit("run.json", _encoder(name="csebuetnlp/banglabert", license="mit"))(folder)
    _edit("README.md", lambda t: t.replace(*LICENCE))(folder)
    with pytest.raises(InputError, match=r"contradicts cc-by-nc-sa-4\.0, the licence of the encoder csebuetnlp/banglabert"):
        prepare(folder, NAME)


def test_a_source_that_only_scores_may_be_withheld(trained: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(trained, folder, ignore=shutil.ignore_patterns("checkpoints", "logs", "predictions"))
    held_out = {"path": "private_test", "release": False, "splits": ["test"]}
    config = yaml.safe_load((folder / "run_config.yaml").read_text("utf-8"))
    config["sources"].append(held_out)
    (folder / "run_config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    assert prepare(folder, NAME).files


@pytest.mark.parametrize(
    ("encoder", "tuned", "allowed"),
    [
        ("mit", "apache-2.0", True),
        ("MIT", "cc-by-nc-4.0", True),
        ("cc-by-4.0", "apache-2.0", True),
        ("cc-by-nc-sa-4.0", "cc-by-nc-sa-4.0", True),
        ("cc-by-nc-sa-4.0", "cc-by-nc-4.0", False),
        ("cc-by-nc-4.0", "cc-by-nc-sa-4.0", True),
        ("cc-by-nc-4.0", "mit", False),
        ("cc-by-sa-4.0", "cc-by-4.0", False),
        ("gpl-3.0", "apache-2.0", False),
        ("cc-by-nd-4.0", "cc-by-nd-4.0", False),
        ("openrail", "openrail", True),
        ("other", "apache-2.0", False),
    ],
)
def test_a_licence_may_ask_more_than_the_encoders_and_never_less(encoder: str, tuned: str, allowed: bool) -> None:
    assert may_become(encoder, tuned) is allowed


@pytest.mark.parametrize("name", ["rajniti", "a/b/c", "owner/ra jniti", "owner/.git"])
def test_what_names_no_repository_is_refused(trained: Path, name: str) -> None:
    with pytest.raises(InputError, match=name):
        prepare(trained, name)


def test_the_script_lists_what_would_go_then_publishes_that_and_predicts_from_it(
    site: Hub, trained: Path, tmp_path: Path
) -> None:
    environment = online(site.url, tmp_path / "home", WRITER)
    planned = script("publish.py", trained, NAME, "--dry-run", env=environment)
    assert planned.returncode == 0, planned.stderr
    assert site.requests == []
    *lines, total = planned.stdout.splitlines()
    listed = {name: int(size.replace(",", "")) for size, name in (line.split() for line in lines)}
    done = script("publish.py", trained, NAME, "--tag", "first", env=environment)
    assert done.returncode == 0, done.stderr
    repository = site.repositories[NAME]
    made = repository.commits[-1]
    assert done.stdout == f"{site.url}/{NAME} (private): commit {made.oid}, tag first\n"
    assert listed == {name: len(data) for name, data in made.files.items() if name != ".gitattributes"}
    assert total.split()[0] == f"{sum(listed.values()):,}"

    article = tmp_path / "article.txt"
    article.write_text("চীনের পররাষ্ট্রমন্ত্রী ওয়াং ই মঙ্গলবার ঢাকায় পৌঁছেছেন।\n", encoding="utf-8")
    repository.commits.append(Commit("later", {"README.md": b"empty"}, made.oid))
    here = script("predict.py", trained, article, "--format", "jsonl")
    there = script("predict.py", f"{NAME}@first", article, "--format", "jsonl", env=environment)
    assert there.returncode == 0, there.stderr
    assert there.stdout == here.stdout
    asked = len(site.requests)
    offline = script("predict.py", f"{NAME}@first", article, "--format", "jsonl", env={**environment, "HF_HUB_OFFLINE": "1"})
    assert (offline.returncode, offline.stdout, len(site.requests)) == (0, here.stdout, asked), offline.stderr
    refused = script("publish.py", trained, NAME, "--tag", "first", env=environment)
    assert (refused.returncode, refused.stderr) == (1, f"error: --tag: {NAME} has first already; expected another one\n")
