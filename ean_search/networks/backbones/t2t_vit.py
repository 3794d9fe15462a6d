"""T2T-ViT (arXiv 2101.11986): timm's vision transformer behind tokens-to-token, as timm models.

On import, timm knows `t2t_vit_7`, `t2t_vit_12`, `t2t_vit_14` and `t2t_vit_t_14`.
"""

from typing import Any

import torch
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor, nn

from ean_search.networks.backbones.tokens_to_token import TokensToToken

TOKEN_WIDTH = 64  # of the tokens between the folds
BASE = 10_000  # of the wavelengths of positions


class T2TViT(VisionTransformer):
    """A vision transformer whose tokens come from overlapping folds, with fixed positions.

    Args:
        img_size: Height and width of images in pixels, equal multiples of 16.
        in_chans: Channels of images.
        embed_dim: Features of a token.
        token_layer: How tokens attend between the folds: `performer` or `transformer`.
        token_width: Features of a token between the folds.
        **arguments: Others of timm's vision transformer, such as depth and num_heads.
    """

    pos_embed: Tensor  # type: ignore[assignment]  # fixed: a buffer in place of a parameter
    tokens_to_token: TokensToToken

    def __init__(
        self,
        img_size: int | tuple[int, int] = 224,
        in_chans: int = 3,
        embed_dim: int = 384,
        *,
        token_layer: str = "performer",
        token_width: int = TOKEN_WIDTH,
        **arguments: Any,
    ):
        def embed(**asked: Any) -> TokensToToken:  # timm also asks for patches, which are fixed
            own = {name: asked[name] for name in ("img_size", "in_chans", "embed_dim")}
            return TokensToToken(**own, layer=token_layer, width=token_width)

        super().__init__(
            img_size=img_size,
            in_chans=in_chans,
            embed_dim=embed_dim,
            embed_layer=embed,
            pos_embed="none",
            **{"qkv_bias": False, "norm_layer": nn.LayerNorm, **arguments},
        )
        # The weights keep the authors' names; timm finds the module by the property below.
        tokens: Any = self._modules.pop("patch_embed")
        self.tokens_to_token = tokens
        del self.pos_embed
        length = self.patch_embed.num_patches + self.num_prefix_tokens
        self.register_buffer("pos_embed", sinusoids(length, embed_dim)[None])

    @property
    def patch_embed(self) -> TokensToToken:
        """The module that makes tokens."""
        return self.tokens_to_token

    def group_matcher(self, coarse: bool = False) -> dict[str, Any]:
        """Return timm's patterns of parameters by depth, for decaying learning rates."""
        groups: dict[str, Any] = super().group_matcher(coarse)
        groups["stem"] = groups["stem"].replace("patch_embed", "tokens_to_token")
        return groups


def sinusoids(length: int, features: int) -> Tensor:
    """Return the fixed embedding of positions, (length, features).

    Args:
        length: The number of positions.
        features: The number of features, sines and cosines by turns.
    """
    pairs = torch.arange(features, dtype=torch.float64).div(2, rounding_mode="floor")
    angles = torch.outer(torch.arange(length, dtype=torch.float64), BASE ** (-2 * pairs / features))
    angles[:, 0::2], angles[:, 1::2] = angles[:, 0::2].sin(), angles[:, 1::2].cos()
    return angles.float()


def _create(name: str, pretrained: bool, defaults: dict[str, Any], given: dict[str, Any]) -> T2TViT:
    """Create a model as timm does; what is given has precedence."""
    model: T2TViT = build_model_with_cfg(
        T2TViT,
        name,
        pretrained,
        feature_cfg={"out_indices": 3, "feature_cls": "getter"},
        **{**defaults, **given},
    )
    return model


_SMALL = {"embed_dim": 256, "num_heads": 4, "mlp_ratio": 2.0}
_LARGE = {"embed_dim": 384, "num_heads": 6, "mlp_ratio": 3.0}

default_cfgs = generate_default_cfgs(
    {
        name: {
            "url": "",  # there are no weights
            "num_classes": 1000,
            "input_size": (3, 224, 224),
            "fixed_input_size": True,
            "crop_pct": 0.9,
            "interpolation": "bicubic",
            "mean": (0.485, 0.456, 0.406),
            "std": (0.229, 0.224, 0.225),
            "first_conv": (),
            "classifier": "head",
        }
        for name in ("t2t_vit_7", "t2t_vit_12", "t2t_vit_14", "t2t_vit_t_14")
    }
)


@register_model
def t2t_vit_7(pretrained: bool = False, **arguments: Any) -> T2TViT:
    """Build T2T-ViT-7."""
    return _create("t2t_vit_7", pretrained, {**_SMALL, "depth": 7}, arguments)


@register_model
def t2t_vit_12(pretrained: bool = False, **arguments: Any) -> T2TViT:
    """Build T2T-ViT-12."""
    return _create("t2t_vit_12", pretrained, {**_SMALL, "depth": 12}, arguments)


@register_model
def t2t_vit_14(pretrained: bool = False, **arguments: Any) -> T2TViT:
    """Build T2T-ViT-14."""
    return _create("t2t_vit_14", pretrained, {**_LARGE, "depth": 14}, arguments)


@register_model
def t2t_vit_t_14(pretrained: bool = False, **arguments: Any) -> T2TViT:
    """Build T2T-ViT-14 with softmax attention between the folds."""
    defaults = {**_LARGE, "depth": 14, "token_layer": "transformer"}
    return _create("t2t_vit_t_14", pretrained, defaults, arguments)
