"""Removes attachments that a trained network hardly uses: gates that treat all images alike.

Over the search split, the output of each site is compared with the best constant multiple of its
input, channel by channel. Where the remainder is small, the multiples are fused into the norm
before the site, and the site is emptied: the attachment costs nothing any more. An attention whose
multiples are constant by construction (`asr`) gives them itself, and is always fused. Only a norm
right before a site can take its multiples, and only a site where the backbone has no module can be
emptied.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from ean_search.core.space import Placement
from ean_search.data.splits import Split
from ean_search.evaluation.shared_weights import top1_accuracy
from ean_search.networks.builder import Slot, prune, slots
from ean_search.networks.folding import foldable_factor, scale_norm, takes_factors
from ean_search.retrain.checkpoint import Checkpoint
from ean_search.utils.files import save_json, save_weights
from ean_search.utils.safe_paths import refuse_links

MIN_ENERGY = 1e-30  # of a channel: keeps divisions by the energy of empty channels finite


@dataclass(frozen=True)
class SiteGate:
    """The effect of an attached site on its input, over a split.

    Attributes:
        site: The number of the site.
        deviation: The root mean square that no constant explains, over that of the output.
        scale: The best constants, (channels,).
        norm: The path of the norm that can take the constants; None if there is none.
        fused: Whether the constants are in the norm and the site is empty.
    """

    site: int
    deviation: float
    scale: Tensor
    norm: str | None
    fused: bool = False


@dataclass(frozen=True)
class FusedNetwork:
    """A network after fusion.

    Attributes:
        placement: The attachments that are left.
        network: The pruned network with this placement.
        sites: All sites that were attached before.
        before: The accuracy before fusion, in [0, 1].
        after: The accuracy after fusion, on the same images.
    """

    placement: Placement
    network: nn.Module
    sites: tuple[SiteGate, ...]
    before: float
    after: float

    @property
    def drop(self) -> float:
        """The accuracy that fusion lost; negative if the accuracy grew."""
        return self.before - self.after


def fuse_gates(
    checkpoint: Checkpoint,
    split: Split,
    *,
    threshold: float = 0.05,
    tolerance: float = 0.0,
    batch_size: int = 256,
    device: str = "cpu",
) -> FusedNetwork:
    """Fuse every gate that hardly varies into the norm before it, as long as the accuracy holds.

    Where the accuracy falls too far, the sites that deviate most stay attached, one after another.

    Args:
        checkpoint: The trained network.
        split: The images to measure gates and accuracies on; those of the search, not of the test.
        threshold: The largest deviation of a gate that is fused.
        tolerance: The accuracy, in [0, 1], that may be lost.
        batch_size: Images of a forward pass.
        device: Where to compute.
    """
    network = checkpoint.network_with_slots().to(device)

    def accuracy(candidate: nn.Module) -> float:
        return top1_accuracy(candidate, split.batches(batch_size, device=device))

    gates, before = measure_gates(network, split, batch_size, device), accuracy(network)
    constant = [gate for gate in gates if gate.norm is not None and gate.deviation <= threshold]
    constant.sort(key=lambda gate: gate.deviation)
    exact = sum(gate.deviation == 0 for gate in constant)  # these cost no accuracy
    for count in range(len(constant), exact - 1, -1):
        fused = _fuse(network, checkpoint.trained_placement, gates, constant[:count])
        after = accuracy(fused.network)
        if before - after <= tolerance:
            break
    return replace(fused, before=before, after=after)


def save_fused(checkpoint: Checkpoint, fused: FusedNetwork, threshold: float) -> Checkpoint:
    """Write a fused network into a folder of its checkpoint, and return the new checkpoint.

    Args:
        checkpoint: The network before fusion.
        fused: The outcome of `fuse_gates`.
        threshold: The threshold of `fuse_gates`, for the metrics.
    """
    pruned = Checkpoint(checkpoint.pruned_folder.path, checkpoint.trust)
    refuse_links(checkpoint.path)
    pruned.path.mkdir(exist_ok=True)
    changes = {"placement": str(fused.placement), "folded_from": str(checkpoint.trained_placement)}
    description = checkpoint.description.model_copy(update=changes)
    save_weights(fused.network, pruned.weights_file)
    save_json(description.model_dump(mode="json"), pruned.description_file)
    metrics = {
        "placement": str(fused.placement),
        "threshold": threshold,
        "search_accuracy": fused.after,
        "search_accuracy_before": fused.before,
        "deviations": {str(gate.site): gate.deviation for gate in fused.sites},
    }
    save_json(metrics, pruned.metrics_file)
    return pruned


def measure_gates(network: nn.Module, split: Split, batch_size: int, device: str) -> list[SiteGate]:
    """Compare the output of every attached site with its input, over a split.

    Args:
        network: A network with slots, in which a placement is set.
        split: The images.
        batch_size: Images of a forward pass.
        device: The device of the network.
    """
    attached = [slot for slot in slots(network) if slot.choice]
    sums = {slot: torch.zeros(3, slot.site.channels, dtype=torch.float64) for slot in attached}

    def add(slot: Slot, inputs: tuple[Tensor], output: Tensor) -> None:
        x, y = inputs[0].double(), output.double()  # (images, channels, height, width)
        products = [(a * b).sum((0, 2, 3)) for a, b in ((x, x), (x, y), (y, y))]
        sums[slot] += torch.stack(products).cpu()

    with _hooked(attached, add):
        top1_accuracy(network, split.batches(batch_size, device=device))
    return [_gate(network, slot, sums[slot]) for slot in attached]


def _gate(network: nn.Module, slot: Slot, sums: Tensor) -> SiteGate:
    """Take the constants of a site from its attention, or fit them by least squares.

    Args:
        network: The network.
        slot: The slot of the site.
        sums: Sums of products per channel: of inputs, of inputs and outputs, and of outputs.
    """
    xx, xy, yy = sums
    scale = torch.where(xx > 0, xy / xx.clamp(min=MIN_ENERGY), torch.ones_like(xx))
    remainder = (yy - scale * xy).clamp(min=0).sum()
    deviation = float((remainder / yy.sum().clamp(min=MIN_ENERGY)).sqrt())
    exact = foldable_factor(network, slot, slot.attached)
    if exact is not None:
        deviation, scale = 0.0, exact
    path = slot.site.norm if takes_factors(network, slot, scale) else None
    return SiteGate(slot.site.number, deviation, scale.float(), path)


@contextmanager
def _hooked(modules: Sequence[nn.Module], hook: Callable[..., None]) -> Iterator[None]:
    handles = [module.register_forward_hook(hook) for module in modules]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _fuse(
    network: nn.Module,
    placement: Placement,
    gates: Sequence[SiteGate],
    constant: Sequence[SiteGate],
) -> FusedNetwork:
    """Prune a network, with the constants of the emptied sites in the norms before them."""
    emptied = {gate.site for gate in constant}
    choices = [0 if site in emptied else c for site, c in enumerate(placement.choices)]
    rest = Placement(tuple(choices), placement.stages)
    pruned = prune(network, rest, fold=False).eval()
    for gate in constant:
        assert gate.norm is not None, "only gates behind a norm are fused"
        scale_norm(pruned.get_submodule(gate.norm), gate.scale)
    marked = tuple(replace(gate, fused=gate.site in emptied) for gate in gates)
    return FusedNetwork(rest, pruned, marked, before=float("nan"), after=float("nan"))
