"""A loader from Python is no data set that a command could load."""

import pytest

from ean_search.data.datasets import DataSource, load_data
from ean_search.utils.errors import UserError


def test_it_says_how_the_run_goes_on():
    with pytest.raises(UserError, match="call search_attention again with the same module"):
        load_data(DataSource(name="loader"))
    with pytest.raises(ValueError, match=r"known: (?!.*loader)"):
        DataSource(name="clutterd")
