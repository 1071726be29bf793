from pathlib import Path

import pytest
import yaml

from train.config import RunConfig
from train.errors import InputError

_FOLDER = Path(__file__).parents[1] / "configs"
CONFIGS = sorted([*_FOLDER.glob("*.yaml"), *_FOLDER.glob("benchmarks/*.yaml")])


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text("output_dir: out\nschema: s.yaml\nencoder: {name: e}\nsources: [{path: bundled}]\n")
    return path


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_saved_copy_of_a_shipped_config_loads_to_the_same_config(path: Path, tmp_path: Path) -> None:
    config = RunConfig.load(path)
    config.save(tmp_path / "copy.yaml")
    assert RunConfig.saved(tmp_path / "copy.yaml") == config


def test_saved_copy_keeps_its_paths_whatever_lies_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "out"
    run.mkdir()
    for folder in (tmp_path, run):
        (folder / "schema.yaml").write_text("")
        (folder / "data").mkdir()
    Path("run.yaml").write_text("output_dir: out\nschema: ./schema.yaml\nencoder: {name: ./data}\nsources: [{path: ./data}]\n")
    config = RunConfig.load("run.yaml")
    config.save(run / "run_config.yaml")
    assert RunConfig.saved(run / "run_config.yaml") == config


def test_saved_copy_holds_every_default(minimal: Path, tmp_path: Path) -> None:
    RunConfig.load(minimal).save(tmp_path / "copy.yaml")
    saved = yaml.safe_load((tmp_path / "copy.yaml").read_text())
    assert saved["optimizer"]["max_grad_norm"] == 1.0
    assert saved["sources"][0]["layers"] == ["mentions", "identities", "relations"]


def test_override_takes_dotted_keys_and_yaml_values(minimal: Path) -> None:
    config = RunConfig.load(minimal, ["optimizer.learning_rate=2e-5", "sources.0.types=[PER, GPE]", "resume=true"])
    assert config.optimizer.learning_rate == 2e-5
    assert config.sources[0].types == ("PER", "GPE")
    assert config.resume is True


@pytest.mark.parametrize("path", sorted(_FOLDER.glob("banglabert*.yaml")), ids=lambda p: p.stem)
def test_an_encoder_of_the_hub_can_be_pinned_by_its_name(path: Path) -> None:
    encoder = RunConfig.load(path).encoder
    pinned = RunConfig.load(path, [f"encoder.name={encoder.name}@9ce791f"]).encoder
    assert (encoder.revision, pinned.name, pinned.revision) == (None, encoder.name, "9ce791f")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optimiser.learning_rate=1", "unknown key 'optimiser'"),
        ("training.epoch=1", "unknown key 'training.epoch'"),
        ("training.epochs=many", "training.epochs: Input should be a valid integer, got 'many'"),
        ("training.epochs=0", "training.epochs: Input should be greater than or equal to 1, got 0"),
        ("training.precision=int8", "training.precision: Input should be 'fp32', 'bf16' or 'fp16', got 'int8'"),
        ("sources.0.layers=[relations]", "sources.0: layers: 'mentions' is needed"),
        ("sources.0.splits=[test]", "sources: no source has the split 'train'"),
        ("windows.overlap_tokens=200", "windows: overlap_tokens: expected at most half of max_tokens"),
        ("seed", "override 'seed': expected key=value"),
        ("output_dir.x.y=1", "'x' is not a key of the config"),
        ("seed.x=1", "seed: Input should be a valid integer, got {'x': 1}"),
    ],
)
def test_bad_value_is_refused_in_one_line_that_names_it(minimal: Path, override: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        RunConfig.load(minimal, [override])
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_key_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("output_dir: x\nschema: s\nsources: [{path: bundled}]\n")
    with pytest.raises(InputError, match=r"a\.yaml: missing key 'encoder'"):
        RunConfig.load(tmp_path / "a.yaml")


def test_missing_and_malformed_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such config file"):
        RunConfig.load(tmp_path / "none.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(InputError, match="not valid UTF-8 YAML") as error:
        RunConfig.load(tmp_path / "bad.yaml")
    assert "\n" not in str(error.value)


def test_paths_are_relative_to_the_config_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "s.yaml").write_text("")
    path = tmp_path / "run.yaml"
    path.write_text("output_dir: out\nschema: s.yaml\nencoder: {name: e}\nsources: [{path: data}]\n")
    config = RunConfig.load(path)
    assert config.schema_file == str(tmp_path / "s.yaml")
    assert config.sources[0].path == str(tmp_path / "data")
