"""Answers to images, packed."""

import numpy as np
import pytest

from ean_search.core.answers import Answers
from ean_search.utils.errors import UserError


@pytest.mark.parametrize("images", [1, 7, 8, 1001])
def test_what_is_packed_comes_out_again(images):
    right = np.random.default_rng(images).random(images) < 0.7
    answers = Answers.of(right)
    assert (answers.right == right).all()
    assert answers.accuracy == right.sum() / images
    fields = {"images": images, "packed": answers.packed}
    assert Answers.from_fields(fields) == answers


def test_a_bit_an_image_takes_little_room():
    assert len(Answers.of(np.ones(50_000, dtype=bool)).packed) < 8500


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "images: expected a number of images, got None"),
        ({"images": 0, "packed": ""}, "images: expected a number"),
        ({"images": 9, "packed": "AA=="}, "packed: expected 9 bits in base64"),
        ({"images": 8, "packed": "?"}, "packed: expected 8 bits"),
        ({"images": 8, "packed": 5}, "packed: expected 8 bits"),
    ],
)
def test_other_values_are_one_line(fields, message):
    with pytest.raises(UserError, match=message):
        Answers.from_fields(fields)
