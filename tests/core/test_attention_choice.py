"""An attention of a space, in each of its forms."""

import pytest

from ean_search.core.attention_choice import AttentionChoice, read_choice


@pytest.mark.parametrize(
    ("entry", "name", "options"),
    [
        ("se", "se", {}),
        ({"name": "dia", "reduction": 4}, "dia", {"reduction": 4}),
        ({"name": "dia", "options": {"reduction": 4}}, "dia", {"reduction": 4}),
    ],
)
def test_every_form_says_the_same(entry, name, options):
    choice = AttentionChoice.model_validate(read_choice(entry))
    assert (choice.name, choice.options) == (name, options)
