"""The names in a space that are plug-ins."""

from ean_search.core.plugins import space_plugins
from ean_search.core.space import Space, load_space


def test_plugins_are_the_names_with_a_colon():
    space = Space(name="x", backbone="my:net", attention=["se", "mine.attn:Gate"])
    assert space_plugins(space) == ["my:net", "mine.attn:Gate"]
    assert space_plugins(load_space("tiny")) == []
