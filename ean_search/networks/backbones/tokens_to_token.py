"""Tokens-to-token (arXiv 2101.11986): images become tokens by overlapping folds with attention.

The names of the weights are those of the authors' code.
"""

import math

import torch
from timm.layers.config import use_fused_attn
from timm.layers.mlp import Mlp
from torch import Tensor, nn
from torch.nn import functional as F

from ean_search.utils.errors import UserError

# Kernel, stride and padding in pixels or tokens: each fold overlaps the next one.
FOLDS = ((7, 4, 2), (3, 2, 1), (3, 2, 1))
REDUCTION = math.prod(stride for _, stride, _ in FOLDS)
MIN_NORMALISER = 1e-8


class Performer(nn.Module):
    """A layer of linear attention with random features, whose values are the shortcut.

    Args:
        dim: Features of a token that comes in.
        width: Features of a token that goes out.
    """

    w: Tensor

    def __init__(self, dim: int, width: int):
        super().__init__()
        self.kqv = nn.Linear(dim, 3 * width)
        self.proj = nn.Linear(width, width)
        self.norm1 = nn.LayerNorm(dim)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        features = width // 2
        directions = nn.init.orthogonal_(torch.empty(features, width)) * math.sqrt(features)
        self.register_buffer("w", directions)  # it is not trained

    def forward(self, x: Tensor) -> Tensor:
        x = self._attend(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y

    def _attend(self, x: Tensor) -> Tensor:
        key, query, value = self.kqv(x).chunk(3, dim=-1)
        key, query = self._features(key), self._features(query)  # (batch, tokens, features)
        # The authors add 1e-8 to the normaliser, which an exporter to ONNX takes for zero. So
        # numerator and denominator are both divided by it.
        query = query / MIN_NORMALISER
        # Einsums, because the published FLOPs are what fvcore makes of them.
        summary = torch.einsum("bnv,bnf->bvf", value, key)
        normaliser = torch.einsum("bnf,bf->bn", query, key.sum(1)) + 1
        attended = torch.einsum("bnf,bvf->bnv", query, summary) / normaliser.unsqueeze(2)
        y: Tensor = value + self.proj(attended)
        return y

    def _features(self, x: Tensor) -> Tensor:
        """Return positive random features, whose products are a softmax kernel on average."""
        projected = torch.einsum("bnd,fd->bnf", x, self.w)
        half_norm = x.square().sum(-1, keepdim=True) / 2
        return torch.exp(projected - half_norm) / math.sqrt(len(self.w))


class TokenAttention(nn.Module):
    """Self-attention of one head that changes the width of tokens; its values are the shortcut.

    As in the authors' code, products are scaled by the width that comes in, not by that of the
    head.
    """

    def __init__(self, dim: int, width: int):
        super().__init__()
        self.qkv = nn.Linear(dim, 3 * width, bias=False)
        self.proj = nn.Linear(width, width)
        self.scale = dim**-0.5
        self.fused_attn = use_fused_attn()

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.qkv(x).unsqueeze(1).chunk(3, dim=-1)  # one head
        if self.fused_attn:
            attended = F.scaled_dot_product_attention(query, key, value, scale=self.scale)
        else:
            attended = (query * self.scale @ key.transpose(2, 3)).softmax(-1) @ value
        y: Tensor = (value + self.proj(attended)).squeeze(1)
        return y


class TokenTransformer(nn.Module):
    """A transformer layer that changes the width of tokens.

    Args:
        dim: Features of a token that comes in.
        width: Features of a token that goes out.
    """

    def __init__(self, dim: int, width: int):
        super().__init__()
        self.norm1 = nn.LayerNorm(dim)
        self.attn = TokenAttention(dim, width)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Mlp(width, width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attn(self.norm1(x))
        y: Tensor = x + self.mlp(self.norm2(x))
        return y


LAYERS: dict[str, type[nn.Module]] = {"performer": Performer, "transformer": TokenTransformer}


class TokensToToken(nn.Module):
    """Turns images into tokens, in the place of timm's patch embedding.

    Args:
        img_size: Height and width of images in pixels, equal multiples of 16.
        in_chans: Channels of images.
        embed_dim: Features of the tokens.
        layer: A key of LAYERS.
        width: Features of the tokens between the folds.
    """

    def __init__(
        self,
        img_size: int | tuple[int, int],
        in_chans: int,
        embed_dim: int,
        *,
        layer: str,
        width: int,
    ):
        super().__init__()
        height, side = (img_size, img_size) if isinstance(img_size, int) else img_size
        if height != side or side % REDUCTION:
            raise UserError(
                f"the three folds of tokens-to-token need square images of a multiple of "
                f"{REDUCTION} px, not {height} x {side}"
            )
        kernels = [kernel * kernel for kernel, _, _ in FOLDS]
        self.attention1 = LAYERS[layer](in_chans * kernels[0], width)
        self.attention2 = LAYERS[layer](width * kernels[1], width)
        self.project = nn.Linear(width * kernels[2], embed_dim)
        self.img_size, self.patch_size = (side, side), (REDUCTION, REDUCTION)
        self.grid_size = (side // REDUCTION,) * 2
        self.num_patches = self.grid_size[0] ** 2

    def forward(self, x: Tensor) -> Tensor:
        side = self.img_size[0]
        for length in x.shape[2], x.shape[3]:
            # An assertion of torch, as in timm: tracers can follow it.
            torch._assert(length == side, f"expected images of {side} x {side} px, see img_size")
        for layer, fold in zip((self.attention1, self.attention2), FOLDS[:2], strict=True):
            side //= fold[1]
            x = layer(_fold(x, fold)).transpose(1, 2).unflatten(2, (side, side))
        tokens: Tensor = self.project(_fold(x, FOLDS[2]))
        return tokens

    def feat_ratio(self) -> int:
        """Return how many pixels there are to a token, in each direction."""
        return REDUCTION

    def dynamic_feat_size(self, img_size: tuple[int, int]) -> tuple[int, int]:
        """Return how many tokens an image has, in each direction."""
        return img_size[0] // REDUCTION, img_size[1] // REDUCTION


def _fold(x: Tensor, fold: tuple[int, int, int]) -> Tensor:
    """Return the windows of a map (batch, channels, side, side) as tokens (batch, windows, ...)."""
    kernel, stride, padding = fold
    return F.unfold(x, kernel, stride=stride, padding=padding).transpose(1, 2)
