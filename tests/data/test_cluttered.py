import numpy as np
import pytest
import torch

from ean_search.data.cluttered import (
    ClutteredOptions,
    DigitScans,
    generate,
    hold_out_scans,
    load_canvases,
    load_scans,
)

OPTIONS = ClutteredOptions(train=200, test=100)


def equal_arrays(first, second):
    return first.keys() == second.keys() and all(
        np.array_equal(first[name], second[name]) for name in first
    )


def test_canvases_depend_on_options_and_seed_alone():
    assert equal_arrays(generate(OPTIONS, 32, 0), generate(OPTIONS, 32, 0))
    assert not equal_arrays(generate(OPTIONS, 32, 0), generate(OPTIONS, 32, 1))


def test_the_global_generators_are_not_used():
    np.random.seed(0)
    torch.manual_seed(0)
    numpy_state, torch_state = np.random.get_state()[1].copy(), torch.get_rng_state()
    generate(OPTIONS, 32, 0)
    assert np.array_equal(np.random.get_state()[1], numpy_state)
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("size", [24, 32, 64])
def test_canvases_have_the_size_asked_for(digits, size):
    drawn = generate(ClutteredOptions(train=30, test=20, digits=digits), size, 0)
    assert drawn["train_images"].shape == (30, 3, size, size)
    assert drawn["test_images"].shape == (20, 3, size, size)
    assert drawn["train_images"].dtype == np.uint8
    assert drawn["test_labels"].dtype == np.int64


def test_classes_are_equally_frequent():
    drawn = generate(OPTIONS, 32, 0)
    assert np.bincount(drawn["train_labels"]).tolist() == [20] * 10
    assert np.bincount(drawn["test_labels"]).tolist() == [10] * 10


@pytest.mark.parametrize("seed", [0, 1])
def test_a_fifth_of_the_scans_of_every_class_is_held_out(seed):
    scans = load_scans()
    held_out = hold_out_scans(scans.classes, seed)
    share = np.bincount(scans.classes[held_out]) / np.bincount(scans.classes)
    assert np.all((share > 0.18) & (share <= 0.2))
    test, train = (
        {image.tobytes() for image in scans.choose(mask).images} for mask in (held_out, ~held_out)
    )
    assert not test & train


def test_test_canvases_show_held_out_scans_only(monkeypatch):
    # If the scans for training are made black, only the training canvases change.
    scans = load_scans()
    held_out = hold_out_scans(scans.classes, 0)
    blank = np.where(held_out[:, None, None], scans.images, 0).astype(np.float32)
    changed = DigitScans(blank, scans.classes)
    before = generate(OPTIONS, 32, 0)
    monkeypatch.setattr("ean_search.data.cluttered.load_scans", lambda: changed)
    after = generate(OPTIONS, 32, 0)
    assert np.array_equal(before["test_images"], after["test_images"])
    assert not np.array_equal(before["train_images"], after["train_images"])


def test_the_mean_colour_names_the_digit():
    # One digit on a canvas without noise: it has the colour that tints the background.
    quiet = ClutteredOptions(
        train=200, test=10, digits=1, digit_size=0.3, noise=0, clutter=0, tint=0.2
    )
    images = generate(quiet, 32, 0)["train_images"].astype(float)
    tinted = np.median(images, axis=(2, 3)).argmax(1)
    painted = (images - np.median(images, axis=(2, 3), keepdims=True)).max((2, 3)).argmax(1)
    assert np.mean(tinted == painted) > 0.95
    assert set(tinted) == {0, 1, 2}


def test_noise_cancels_in_the_mean():
    bare = ClutteredOptions(
        train=50, test=10, digits=1, digit_size=0.01, noise=0.1, clutter=0, tint=0.05
    )
    images = generate(bare, 32, 0)["train_images"].astype(float) / 255
    means = np.sort(images.mean((2, 3)), axis=1)
    assert np.allclose(means, [0.475, 0.475, 0.55], atol=0.01)


def test_canvases_are_generated_once(cache_folder, monkeypatch):
    first = load_canvases(OPTIONS, 32, 0)
    assert len(list((cache_folder / "cluttered").iterdir())) == 1
    monkeypatch.setattr("ean_search.data.cluttered.generate", None)
    assert equal_arrays(first, load_canvases(OPTIONS, 32, 0))


def test_other_options_have_another_cache_file(cache_folder):
    load_canvases(OPTIONS, 32, 0)
    load_canvases(OPTIONS, 24, 0)
    load_canvases(OPTIONS, 32, 1)
    load_canvases(OPTIONS.model_copy(update={"tint": 0.01}), 32, 0)
    assert len(list((cache_folder / "cluttered").iterdir())) == 4


def test_an_incomplete_cache_file_is_replaced(cache_folder):
    first = load_canvases(OPTIONS, 32, 0)
    (file,) = (cache_folder / "cluttered").iterdir()
    for content in (b"", file.read_bytes()[:1000], file.read_bytes()[:-100]):
        file.write_bytes(content)
        assert equal_arrays(first, load_canvases(OPTIONS, 32, 0))
    assert equal_arrays(first, dict(np.load(file)))


def test_a_cache_that_cannot_be_written_causes_only_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(tmp_path / "file"))
    assert load_canvases(OPTIONS, 32, 0)["test_labels"].shape == (100,)
    assert "not kept" in caplog.text
