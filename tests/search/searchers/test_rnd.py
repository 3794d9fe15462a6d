import pytest
import torch

from ean_search.search.searchers.rnd import RandomNetworkDistillation, make_linear

SITES, CHOICES = 6, 2
pytestmark = pytest.mark.usefixtures("one_thread")


def one_hot(*choices):
    return torch.nn.functional.one_hot(torch.tensor(choices), CHOICES).float()


def test_layers_start_as_torch_s_do_but_from_their_own_generator():
    before = torch.get_rng_state()
    layer = make_linear(40, 500, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)
    with torch.random.fork_rng():
        torch_layer = torch.nn.Linear(40, 500)
    for parameter, expected in zip(layer.parameters(), torch_layer.parameters(), strict=True):
        assert parameter.std().item() == pytest.approx(expected.std().item(), rel=0.1)
        assert parameter.abs().max().item() == pytest.approx(40**-0.5, rel=0.05)


def test_novelty_decreases_for_placements_that_the_student_was_trained_on():
    generator = torch.Generator().manual_seed(0)
    distillation = RandomNetworkDistillation(SITES, CHOICES, 0.05, generator)
    seen, unseen = one_hot([1, 0, 1, 0, 1, 0]), one_hot([0, 1, 0, 1, 0, 1])
    first = distillation.novelty(seen)
    for _ in range(50):
        distillation.train_student(seen)
    assert distillation.novelty(seen) < first / 10
    assert distillation.novelty(unseen) > 10 * distillation.novelty(seen)


def test_novelty_changes_neither_the_networks_nor_the_global_generator():
    before = torch.get_rng_state()
    generator = torch.Generator().manual_seed(0)
    distillation = RandomNetworkDistillation(SITES, CHOICES, 0.05, generator)
    chosen = one_hot([1, 0, 1, 0, 1, 0])
    assert distillation.novelty(chosen) == distillation.novelty(chosen)
    assert torch.equal(torch.get_rng_state(), before)
