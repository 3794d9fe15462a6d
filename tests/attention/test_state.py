"""States: from one site of a chain to the next, and from no pass to another."""

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

from ean_search.attention.base import Attention
from ean_search.attention.state import ChainedAttention, ChainEnd, StateHolder, link_chain
from ean_search.core.space import load_space
from ean_search.networks.builder import build, place, prune
from ean_search.networks.positions.wrappers import AttentionAfterBlock
from tests.helpers import load_small, randomise


class Count(Attention):
    """Adds the number of sites before this one."""

    stateful = True

    def forward(self, x, state):
        state = 0 if state is None else state
        return x + state, state + 1

    def finish(self, x, state):
        return x + 10 * state


class CountOnly(Count):
    """Counts a site and leaves the map as it is."""

    writes_only = True

    def forward(self, x, state):
        return x, super().forward(x, state)[1]


def make_chain(*kinds):
    holder = StateHolder()
    return [ChainedAttention(kind(), holder) for kind in kinds], holder


def run_chain(chain, end=None):
    x = torch.zeros(1)
    for chained in chain:
        x = chained(x)
    return float(x if end is None else end(x))


def test_a_state_goes_from_site_to_site_and_no_further():
    chain, holder = make_chain(Count, Count, Count)
    link_chain(chain, None)
    assert [run_chain(chain) for _ in range(2)] == [3, 3]
    assert not holder.states


def test_sites_without_attention_are_skipped():
    chain, _ = make_chain(Count, Count, Count)
    link_chain([chain[0], chain[2]], None)
    assert run_chain([chain[0], chain[2]]) == 1


def test_a_new_placement_is_linked_anew():
    chain, holder = make_chain(Count, Count)
    link_chain(chain, None)
    link_chain(chain[1:], None)
    assert run_chain(chain[1:]) == 0
    assert not holder.states


def test_states_that_no_site_reads_are_not_written():
    chain, holder = make_chain(Count, CountOnly, Count, CountOnly)
    link_chain(chain, None)
    assert [chained.idle for chained in chain] == [False, False, False, True]
    assert run_chain(chain) == 2
    assert not holder.states
    link_chain(chain[3:], None)
    assert chain[3].idle
    assert run_chain(chain[3:]) == 0


def test_the_end_of_a_chain_takes_the_last_state():
    chain, holder = make_chain(Count, Count)
    end = ChainEnd(Count(), holder)
    link_chain(chain, end)
    assert run_chain(chain, end) == 1 + 10 * 2
    assert not holder.states


def test_the_end_of_an_empty_chain_is_the_identity():
    end = ChainEnd(Count(), StateHolder())
    assert float(end(torch.zeros(1))) == 0  # before it is linked, too
    link_chain([], end)
    assert float(end(torch.zeros(1))) == 0


def test_threads_have_their_own_states():
    holder = StateHolder()
    holder.put("of this thread")
    with ThreadPoolExecutor(1) as pool:
        pool.submit(holder.put, "of another").result()
        assert holder.take() == "of this thread"
        assert pool.submit(holder.take).result() == "of another"


@pytest.fixture(scope="module")
def dia():
    """Return a space with DIA and its network."""
    space = load_space("resnet18_shared", attention={"name": "dia", "reduction": 4})
    return space, randomise(build(space)).eval()


def holders(network):
    return [module for module in network.modules() if isinstance(module, StateHolder)]


def test_a_state_does_not_outlive_a_pass(dia):
    space, network = dia
    x = torch.randn(2, 3, 64, 64)
    place(network, space.named["all"])
    with torch.inference_mode():
        first = network(x)
        assert holders(network)
        assert not any(holder.states for holder in holders(network))
        assert torch.equal(network(x), first)


def test_a_pass_that_fails_in_the_middle_does_not_change_the_next_one(dia):
    space, network = dia
    x = torch.randn(2, 3, 64, 64)
    place(network, space.named["all"])
    with torch.inference_mode():
        expected = network(x)

        def fail(*_):
            raise RuntimeError("stop")

        hook = network.layer2[1].conv2.register_forward_hook(fail)
        with pytest.raises(RuntimeError, match="stop"):
            network(torch.randn(5, 3, 64, 64))
        hook.remove()
        assert torch.equal(network(x), expected)


def test_the_state_of_a_network_skips_sites_without_attention(dia):
    space, network = dia
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        for text in ("01-10-11-00", "11-01-00-10"):
            placement = space.parse(text)
            assert torch.equal(place(network, placement)(x), prune(network, placement)(x))


def test_copies_have_their_own_states(dia):
    _, network = dia
    assert not set(holders(network)) & set(holders(copy.deepcopy(network)))


def test_states_reach_sites_from_sites_that_only_write():
    space = load_small("resnet50_mrla_base")
    network = randomise(build(space)).eval()
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        alone, after = (
            place(network, space.parse(text))(x)
            for text in ("010-0000-000000-000", "210-0000-000000-000")
        )
        nothing, written = (
            place(network, space.parse(text))(x) for text in ("none", "222-2222-222222-222")
        )
    assert not torch.equal(alone, after)
    assert torch.equal(nothing, written)


def test_a_pruned_network_does_not_write_what_no_site_reads():
    space = load_small("resnet50_mrla_base")
    pruned = prune(build(space), space.parse("212-2000-000000-002"))
    assert sum(isinstance(m, AttentionAfterBlock) for m in pruned.modules()) == 2


@pytest.mark.slow
def test_a_network_may_run_in_several_threads_at_once():
    space = load_small("resnet50_mrla_light")
    network = place(build(space).eval(), space.named["all"])
    images = torch.randn(8, 1, 3, 64, 64)

    def run(x):
        with torch.no_grad():
            return network(x)

    expected = [run(x) for x in images]
    with ThreadPoolExecutor(4) as pool:
        assert all(map(torch.equal, pool.map(run, images), expected))
