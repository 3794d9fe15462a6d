"""Where pretrained weights come from."""

import pytest
import timm
import torch
from safetensors.torch import save_file

from ean_search.networks.weight_sources import expected_mean_std, find_weights
from ean_search.utils.errors import UserError
from tests.helpers import space_of


def test_a_folder_of_a_model_is_read_as_tensors_only(tmp_path):
    weights = {"fc.weight": torch.randn(3, 4)}
    save_file(weights, tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text("{broken")
    found = find_weights(space_of("resnet18"), f"local-dir:{tmp_path}")
    assert torch.equal(found["fc.weight"], weights["fc.weight"])


def test_a_folder_without_weights_says_what_was_looked_for(tmp_path):
    with pytest.raises(UserError, match=r"no pretrained weights in .*model\.safetensors"):
        find_weights(space_of("resnet18"), f"local-dir:{tmp_path}")


def test_images_are_normalised_as_timm_says():
    expected = timm.get_pretrained_cfg("vit_tiny_patch16_224")
    found = expected_mean_std(space_of("vit_tiny_patch16_224"), "timm")
    assert found == (tuple(expected.mean), tuple(expected.std))
    assert expected_mean_std(space_of("resnet164"), "weights.pt") is None
