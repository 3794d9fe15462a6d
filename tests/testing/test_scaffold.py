"""Each first form of a plug-in passes its check as it is written."""

import importlib

import pytest

from ean_search.core.space import Space, load_space
from ean_search.networks.builder import build
from ean_search.networks.sites import probe
from ean_search.testing.check_attention import check_attention
from ean_search.testing.check_dataset import check_dataset
from ean_search.testing.check_searcher import check_searcher
from ean_search.testing.scaffold import KINDS, class_name, fill_in, next_commands, write_plugin
from ean_search.utils.errors import UserError


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes a plug-in, and returns its module."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def write(kind, name):
        write_plugin(kind, name, tmp_path)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    return write


def test_an_attention_passes_its_check_on_any_number_of_channels(write):
    module = write("attention", "fresh_gate")
    for channels in (1, 30, 64):
        check_attention(module.FreshGate, channels=channels)
    check_attention("fresh_gate:FreshGate", reduction=8)


def test_an_attention_works_with_unit_gates(write, tiny, images):
    write("attention", "fresh_unit_gate")
    space = load_space("tiny", attention="fresh_unit_gate:FreshUnitGate", unit_gate=True)
    assert build(probe(space), classes=10)(images).shape == (4, 10)


@pytest.mark.parametrize("stages", [(1, 1, 1, 1), (3, 4, 6, 3)])
def test_a_searcher_passes_its_check(write, stages):
    module = write("searcher", f"fresh_climber_{sum(stages)}")
    space = Space(name="toy", backbone="none", attention=["se", "sge"], stages=stages)
    check_searcher(getattr(module, f"FreshClimber{sum(stages)}"), space)


def test_a_space_is_probed_and_built(tmp_path, images):
    path = write_plugin("space", "fresh", tmp_path)
    space = probe(load_space(path))
    assert (space.name, space.stages) == ("fresh", (1, 1, 1, 1))
    assert build(space, classes=10)(images).shape == (4, 10)


def test_a_data_set_passes_its_check(write):
    module = write("dataset", "fresh_stripes")
    check_dataset(module.load)
    check_dataset("fresh_stripes:load", options={"train": 200, "test": 40}, image_size=24)


@pytest.mark.parametrize("kind", KINDS)
def test_no_placeholder_is_left_and_each_line_fits(kind, tmp_path):
    path = write_plugin(kind, "my_own", tmp_path)
    text = path.read_text() + "\n".join(next_commands(kind, "my_own"))
    assert "plugin" not in text.lower().replace("plug-in", "")
    assert max(map(len, text.splitlines())) <= 100


def test_names_become_classes():
    assert class_name("my_gate") == "MyGate"
    assert class_name("MyGate") == "MyGate"
    assert fill_in("plugin_name:PluginName", "eca2") == "eca2:Eca2"


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("attention", "my-gate", "expected a Python identifier like my_attention, got 'my-gate'"),
        ("space", "2tiny", "expected a Python identifier like my_space"),
        ("searcher", "class", "identifier"),
        ("attention", "none", "identifier"),  # its class would be None
        ("dataset", "../data", "identifier"),
        ("dataset", "", "identifier"),
        ("dataset", "__main__", "identifier"),
        ("attention", "torch", "hide the Python module 'torch': try my_torch"),
        ("searcher", "searcher", "another 'Searcher' than its own: try my_searcher"),
        ("attention", "tensor", "another 'Tensor'"),
    ],
)
def test_names_that_cannot_work_are_refused(kind, name, words, tmp_path):
    with pytest.raises(UserError, match=words):
        write_plugin(kind, name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path):
    (tmp_path / "mine.yaml").write_text("backbone: resnet18\n")
    with pytest.raises(UserError, match=r"mine\.yaml exists already"):
        write_plugin("space", "mine", tmp_path)
    assert (tmp_path / "mine.yaml").read_text() == "backbone: resnet18\n"


def test_a_folder_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(UserError, match=r"cannot write .*No such file"):
        write_plugin("space", "mine", tmp_path / "nowhere")
