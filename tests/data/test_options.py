import pytest

from ean_search.data.datasets import DATA_SETS
from ean_search.data.options import OPTIONS, read_options
from ean_search.utils.errors import UserError


def test_every_registered_data_set_says_what_options_it_has():
    assert set(OPTIONS) == set(DATA_SETS)


def test_options_of_own_data_are_left_to_it():
    assert read_options("my_module:load", {"anything": 1}) == {"anything": 1}
    assert read_options("timm:folder", {"classes": 3}).classes == 3


@pytest.mark.parametrize(
    ("name", "options"),
    [("fashion_mnist", {"channels": 2}), ("cifar10", {"x": 1}), ("timm:folder", {"x": 1})],
)
def test_unknown_options_are_refused(name, options):
    with pytest.raises(UserError, match=f"options of {name}"):
        read_options(name, options)
