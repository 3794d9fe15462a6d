"""Removes attachments that a trained network hardly uses: gates that do the same to every image.

Over the search split, a site's output is compared with the best constant multiple of its input,
channel by channel. Where little is left over, the multiples go into the norm before the site, and
the site is empty: an attachment for free. Only a norm right before a site can take them, and only
a site without a module of the backbone's own can be emptied.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ean_search.core.space import Placement
from ean_search.data.splits import Split
from ean_search.evaluation.shared_weights import score
from ean_search.networks.builder import Slot, paths_before_pruning, prune, slots
from ean_search.retrain.checkpoint import Checkpoint
from ean_search.utils.files import save_json, save_weights

Scored = Callable[[nn.Module], float]


@dataclass(frozen=True)
class SiteUse:
    """What an attached site does to its input, over a split."""

    site: int
    deviation: float  # what no constant explains: its root mean square over the output's
    scale: Tensor  # the constants, (channels,)
    norm: str | None  # that can take them
    folded: bool = False


@dataclass(frozen=True)
class Folded:
    """What folding came to."""

    placement: Placement
    network: nn.Module
    sites: tuple[SiteUse, ...]
    before: float  # accuracies
    after: float

    @property
    def drop(self) -> float:
        return self.before - self.after


def fold(
    checkpoint: Checkpoint,
    split: Split,
    *,
    threshold: float = 0.05,
    tolerance: float = 0.0,
    batch_size: int = 256,
    device: str = "cpu",
) -> Folded:
    """Fold every site that deviates less than a threshold, as long as the accuracy holds.

    Where it falls by more than the tolerance, the worst sites are left attached, one after another.
    """
    placement = checkpoint.trained_placement
    network = checkpoint.network_with_slots().to(device)

    def scored(one: nn.Module) -> float:
        return score(one, split.batches(batch_size, device=device))

    used = watch(network, split, batch_size, device)
    before = scored(network)
    chosen = sorted(
        (use for use in used if use.norm is not None and use.deviation <= threshold),
        key=lambda use: use.deviation,
    )
    while True:
        sites = {use.site for use in chosen}
        emptied = _without(placement, sites)
        small = _fold_into_norms(network, emptied, chosen)
        after = scored(small)
        if not chosen or before - after <= tolerance:
            done = tuple(replace(use, folded=use.site in sites) for use in used)
            return Folded(emptied, small, done, before, after)
        chosen.pop()


def save_folded(checkpoint: Checkpoint, folded: Folded, threshold: float) -> Checkpoint:
    """Write a folded network beside the one it comes from, as a checkpoint of its own."""
    made = Checkpoint(checkpoint.pruned_folder.path)
    made.path.mkdir(exist_ok=True)
    changes = {"placement": str(folded.placement), "folded_from": str(checkpoint.trained_placement)}
    about = checkpoint.description.model_copy(update=changes)
    save_weights(folded.network, made.weights_file)
    save_json(about.model_dump(mode="json"), made.description_file)
    save_json(
        {
            "placement": str(folded.placement),
            "threshold": threshold,
            "search_accuracy": folded.after,
            "search_accuracy_before": folded.before,
            "deviations": {str(use.site): use.deviation for use in folded.sites},
        },
        made.metrics_file,
    )
    return made


def watch(network: nn.Module, split: Split, batch_size: int, device: str) -> list[SiteUse]:
    """Compare every attached site's output with its input over a split."""
    attached = [slot for slot in slots(network) if slot.choice]
    images, _ = next(iter(split.batches(2, device=device)))
    norms = _norms_before(network, attached, images)
    sums = {slot: torch.zeros(3, slot.site.channels, dtype=torch.float64) for slot in attached}

    def add(slot: Slot, inputs: tuple[Tensor], output: Tensor) -> None:
        x, y = inputs[0].double(), output.double()
        sums[slot] += torch.stack(
            [(a * b).sum((0, 2, 3)) for a, b in ((x, x), (x, y), (y, y))]
        ).cpu()

    with _hooked(attached, add):
        score(network, split.batches(batch_size, device=device))
    return [_use(slot, sums[slot], norms.get(slot)) for slot in attached]


def _use(slot: Slot, sums: Tensor, norm: tuple[str, _BatchNorm] | None) -> SiteUse:
    xx, xy, yy = sums
    scale = torch.where(xx > 0, xy / xx.clamp(min=1e-30), torch.ones_like(xx))
    left = (yy - scale * xy).clamp(min=0).sum()
    deviation = float((left / yy.sum().clamp(min=1e-30)).sqrt())
    empty = slot.original is None or isinstance(slot.original, nn.Identity)
    fits = norm is not None and empty and _takes(norm[1], scale)
    return SiteUse(slot.site.number, deviation, scale.float(), norm[0] if fits else None)


def _takes(norm: _BatchNorm, scale: Tensor) -> bool:
    """Say whether a norm, and the activation in it, can be scaled."""
    activation = getattr(norm, "act", None)
    if activation is None or isinstance(activation, nn.Identity):
        return norm.affine
    return norm.affine and isinstance(activation, nn.ReLU) and bool((scale >= 0).all())


def _norms_before(
    network: nn.Module, attached: Sequence[Slot], images: Tensor
) -> dict[Slot, tuple[str, _BatchNorm]]:
    """Find the norms whose very output is a site's input."""
    named = {m: name for name, m in network.named_modules() if isinstance(m, _BatchNorm)}
    given: list[tuple[_BatchNorm, Tensor]] = []
    found = {}

    def note(norm: _BatchNorm, _: object, output: Tensor) -> None:
        given.append((norm, output))

    def match(slot: Slot, inputs: tuple[Tensor], _: object) -> None:
        for norm, output in given:
            if output is inputs[0]:
                found[slot] = (named[norm], norm)

    with torch.no_grad(), _hooked(list(named), note), _hooked(attached, match):
        network(images)
    return found


@contextmanager
def _hooked(modules: Sequence[nn.Module], hook: Callable[..., None]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _fold_into_norms(
    network: nn.Module, placement: Placement, chosen: Sequence[SiteUse]
) -> nn.Module:
    """Prune a network, with the emptied sites' constants in the norms before them."""
    small = prune(network, placement)
    paths = {before: path for path, before in paths_before_pruning(network, placement).items()}
    for use in chosen:
        norm = small.get_submodule(paths[use.norm])
        scale = use.scale.to(norm.weight.device)
        norm.weight.data *= scale
        norm.bias.data *= scale
    return small.eval()


def _without(placement: Placement, sites: set[int]) -> Placement:
    choices = (0 if site in sites else c for site, c in enumerate(placement.choices))
    return Placement(tuple(choices), placement.stages)
