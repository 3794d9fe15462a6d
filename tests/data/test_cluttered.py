import numpy as np
import pytest
import torch

from ean_search.data.cluttered import Canvas, generate, hold_out_scans, load_canvases, load_scans

SMALL = Canvas(train=200, test=100)


@pytest.fixture
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(tmp_path))
    return tmp_path / "cluttered"


def same(one, other):
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)


def test_canvases_are_a_function_of_parameters_and_seed():
    assert same(generate(SMALL, 32, 0), generate(SMALL, 32, 0))
    assert not same(generate(SMALL, 32, 0), generate(SMALL, 32, 1))


def test_nothing_global_is_drawn_from():
    np.random.seed(0)
    torch.manual_seed(0)
    numpy, torches = np.random.get_state()[1].copy(), torch.get_rng_state()
    generate(SMALL, 32, 0)
    assert np.array_equal(np.random.get_state()[1], numpy)
    assert torch.equal(torch.get_rng_state(), torches)


@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("size", [24, 32, 64])
def test_canvases_have_the_size_asked_for(digits, size):
    drawn = generate(Canvas(train=30, test=20, digits=digits), size, 0)
    assert drawn["train_images"].shape == (30, 3, size, size)
    assert drawn["test_images"].shape == (20, 3, size, size)
    assert drawn["train_images"].dtype == np.uint8
    assert drawn["test_labels"].dtype == np.int64


def test_classes_are_even():
    drawn = generate(SMALL, 32, 0)
    assert np.bincount(drawn["train_labels"]).tolist() == [20] * 10
    assert np.bincount(drawn["test_labels"]).tolist() == [10] * 10


@pytest.mark.parametrize("seed", [0, 1])
def test_a_fifth_of_every_class_of_scans_is_for_the_test_alone(seed):
    scans, classes = load_scans()
    held_out = hold_out_scans(classes, seed)
    share = np.bincount(classes[held_out]) / np.bincount(classes)
    assert np.all((share > 0.18) & (share <= 0.2))
    assert not {s.tobytes() for s in scans[held_out]} & {s.tobytes() for s in scans[~held_out]}


def test_test_canvases_carry_held_out_scans_only(monkeypatch):
    # With the scans for training blackened, the training canvases change and the test ones do not.
    scans, classes = load_scans()
    held_out = hold_out_scans(classes, 0)
    blank = np.where(held_out[:, None, None], scans, 0).astype(np.float32)
    before = generate(SMALL, 32, 0)
    monkeypatch.setattr("ean_search.data.cluttered.load_scans", lambda: (blank, classes))
    after = generate(SMALL, 32, 0)
    assert np.array_equal(before["test_images"], after["test_images"])
    assert not np.array_equal(before["train_images"], after["train_images"])


def test_the_mean_colour_names_the_digit():
    # Alone on a canvas without noise, the digit's colour is the one the paper leans to.
    quiet = Canvas(train=200, test=10, digits=1, digit_size=0.3, noise=0, clutter=0, tint=0.2)
    images = generate(quiet, 32, 0)["train_images"].astype(float)
    leaning = np.median(images, axis=(2, 3)).argmax(1)
    painted = (images - np.median(images, axis=(2, 3), keepdims=True)).max((2, 3)).argmax(1)
    assert np.mean(leaning == painted) > 0.95
    assert set(leaning) == {0, 1, 2}


def test_noise_cancels_in_the_mean():
    bare = Canvas(train=50, test=10, digits=1, digit_size=0.01, noise=0.1, clutter=0, tint=0.05)
    images = generate(bare, 32, 0)["train_images"].astype(float) / 255
    means = np.sort(images.mean((2, 3)), axis=1)
    assert np.allclose(means, [0.475, 0.475, 0.55], atol=0.01)


def test_canvases_are_drawn_once(cache, monkeypatch):
    first = load_canvases(SMALL, 32, 0)
    assert len(list(cache.iterdir())) == 1
    monkeypatch.setattr("ean_search.data.cluttered.generate", None)
    assert same(first, load_canvases(SMALL, 32, 0))


def test_every_parameter_has_canvases_of_its_own(cache):
    load_canvases(SMALL, 32, 0)
    load_canvases(SMALL, 24, 0)
    load_canvases(SMALL, 32, 1)
    load_canvases(SMALL.model_copy(update={"tint": 0.01}), 32, 0)
    assert len(list(cache.iterdir())) == 4


def test_a_torn_cache_file_is_drawn_anew(cache):
    first = load_canvases(SMALL, 32, 0)
    (file,) = cache.iterdir()
    for torn in (b"", file.read_bytes()[:1000], file.read_bytes()[:-100]):
        file.write_bytes(torn)
        assert same(first, load_canvases(SMALL, 32, 0))
    assert same(first, dict(np.load(file)))


def test_a_cache_that_cannot_be_written_costs_only_a_warning(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("EAN_SEARCH_CACHE", str(tmp_path / "file"))
    assert load_canvases(SMALL, 32, 0)["test_labels"].shape == (100,)
    assert "not kept" in caplog.text
