import copy
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import small_module
from yuhee import bundle
from yuhee.chat import conversion

Names = list[str]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Every folder that a model is converted into."""
    places: list[Path] = []
    write = conversion._write

    def spying(model: bundle.Model, folder: Path, quantisation: Any) -> None:
        places.append(folder)
        write(model, folder, quantisation)

    monkeypatch.setattr(conversion, "_write", spying)
    return places


def kept(folder: Path) -> Names:
    return sorted(path.name for path in (folder / "ctranslate2").iterdir() if path.name != ".lock")


def test_a_model_is_converted_once(small_model: bundle.Model, small_bundle: Path, written: list[Path]) -> None:
    for _ in range(3):
        assert conversion.generator(small_model, small_bundle).model_is_loaded
    assert len(written) == 1
    (name,) = kept(small_bundle)
    assert name.startswith("int8-")
    assert sorted(path.name for path in (small_bundle / "ctranslate2" / name).iterdir()) == [
        "config.json",
        "model.bin",
        "vocabulary.json",
    ]


@pytest.mark.parametrize("quantisation", ["int8", "float32"])
def test_the_network_stays_as_it_is(trained: bundle.Model, quantisation: Any) -> None:
    before = copy.deepcopy(trained.network.state_dict())
    conversion.generator(trained, None, quantisation)
    assert all(torch.equal(value, before[name]) for name, value in trained.network.state_dict().items())


def test_each_precision_is_kept_for_itself(small_model: bundle.Model, small_bundle: Path) -> None:
    for quantisation in ("int8", "float32", "int8"):
        conversion.generator(small_model, small_bundle, quantisation)  # type: ignore[arg-type]
    assert [name.split("-")[0] for name in kept(small_bundle)] == ["float32", "int8"]


@pytest.mark.parametrize("file", ["model.safetensors", "config.json", "tokenizer.json"])
def test_a_conversion_of_something_else_is_replaced(
    small_model: bundle.Model, small_bundle: Path, written: list[Path], file: str
) -> None:
    conversion.generator(small_model, small_bundle)
    before = kept(small_bundle)
    (small_bundle / "ctranslate2" / ".building-killed").mkdir()
    (small_bundle / file).write_bytes((small_bundle / file).read_bytes() + b" ")
    conversion.generator(small_model, small_bundle)
    assert len(kept(small_bundle)) == len(before) == 1
    assert kept(small_bundle) != before


def test_a_damaged_conversion_is_made_anew(small_model: bundle.Model, small_bundle: Path, written: list[Path]) -> None:
    conversion.generator(small_model, small_bundle)
    (file,) = small_bundle.glob("ctranslate2/*/model.bin")
    whole = file.read_bytes()
    file.write_bytes(whole[:1000])
    assert conversion.generator(small_model, small_bundle).model_is_loaded
    assert file.read_bytes() == whole
    assert len(written) == 2


def test_an_interrupted_conversion_leaves_nothing(
    small_model: bundle.Model, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(_model: bundle.Model, folder: Path, _quantisation: str) -> None:
        (folder / "model.bin").write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(conversion, "_write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        conversion.generator(small_model, small_bundle)
    assert kept(small_bundle) == []


def test_processes_at_once_convert_once(small_model: bundle.Model, small_bundle: Path, written: list[Path]) -> None:
    generators = []
    threads = [
        threading.Thread(target=lambda: generators.append(conversion.generator(small_model, small_bundle)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(generators) == 4
    assert len(written) == 1


@pytest.mark.parametrize("place", ["none", "unwritable"])
def test_without_a_place_of_its_own_a_conversion_leaves_nothing_anywhere(
    small_model: bundle.Model, small_bundle: Path, written: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:  # fmt: skip
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    (small_bundle / "ctranslate2").write_text("a file where the folder should be")
    assert conversion.generator(small_model, None if place == "none" else small_bundle).model_is_loaded
    assert written[-1].parent == temporary
    assert list(temporary.iterdir()) == []
    assert (small_bundle / "ctranslate2").is_file()


def test_it_uses_as_many_threads_as_pytorch(
    small_model: bundle.Model, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(conversion.ctranslate2, "Generator", lambda *_, **options: asked.append(options))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    conversion.generator(small_model, small_bundle)
    assert {options["intra_threads"] for options in asked} == {3}


def test_another_family_is_not_converted(encoder: Any, small_bundle: Path, written: list[Path]) -> None:
    network = {"model_type": "llama", "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 2}
    module = small_module(encoder, network={**network, "hidden_size": 32, "intermediate_size": 32})
    with pytest.raises(conversion.UnsupportedNetworkError, match="llama"):
        conversion.generator(bundle.Model(module.network.eval(), encoder, {}), small_bundle)
    assert not (small_bundle / "ctranslate2").exists()
