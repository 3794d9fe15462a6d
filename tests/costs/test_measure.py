"""Tables against published counts, to the last digit, and against fvcore on pruned networks."""

import pytest
import torch
from torch import nn

from ean_search.core.space import load_space, shipped_spaces
from ean_search.costs.flops import count_flops, count_params
from ean_search.costs.measure import measure_costs, price_list
from ean_search.costs.timing_quality import Times
from ean_search.networks.builder import build, prune
from tests.helpers import mark_slow, slow

R50, R164 = "resnet50_shared", "resnet164_shared"
DIA = {"name": "dia", "reduction": 20}
DIA_CIFAR = {"name": "dia", "reduction": 4}
ALL_BUT_R164 = [name for name in (*shipped_spaces(), "regnety") if name != R164]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory):
    """Keep tables without real latencies out of the cache of other tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EAN_SEARCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def without_timing(monkeypatch):
    """Give every network a latency of 1 ms without running it, for tests of counts."""
    for name, value in (("time_interleaved", 1.0), ("time_rounds", Times((1.0,)))):
        monkeypatch.setattr(
            f"ean_search.costs.network_latency.{name}",
            lambda forwards, value=value, **_: dict.fromkeys(forwards, value),
        )
    monkeypatch.setattr("ean_search.costs.measure.check_forward", lambda *_: None)


def table_of(name, attention="se", sharing="stage", classes=1000):
    space = load_space(name, attention=attention, sharing=sharing)
    return space, measure_costs(space, classes=classes, rounds=1)


@pytest.mark.parametrize(
    ("name", "attention", "sharing", "classes", "counts"),
    [
        (R50, "se", "stage", 1000, {
            "none": (25_557_032, 4_089_184_256),
            "all": (25_557_032 + 700_400, 4_091_699_200),
            "ean-se": (25_557_032 + 700_400, 4_090_273_792),
        }),
        slow(R50, "se", "none", 1000, {"all": (25_557_032 + 2_530_992, 4_091_699_200)}),
        slow(R50, "sge", "stage", 1000, {"all": (25_557_032 + 512, 4_089_184_256)}),
        slow(R50, "sge", "none", 1000, {"all": (25_557_032 + 2_048, 4_089_184_256)}),
        slow(R50, DIA, "stage", 1000, {
            "all": (25_557_032 + 2_801_020, None),
            "100-0000-000000-000": (25_557_032 + 32_792, 4_089_214_976),
            "000-1000-000000-000": (25_557_032 + 132_146, 4_089_312_256),
            "000-0000-100000-000": (25_557_032 + 530_534, 4_089_706_496),
            "000-0000-000000-001": (25_557_032 + 2_105_548, 4_091_273_216),
        }),
        slow(R50, "spa", "stage", 1000, {"all": (25_557_032 + 7_659_520, None)}),
        slow(R50, "spa", "none", 1000, {"all": (25_557_032 + 27_664_384, None)}),
        slow(R164, "se", "stage", 10, {"none": (1_704_154, None)}),
        slow(R164, "se", "stage", 100, {
            "none": (1_727_284, 247_669_760), "all": (1_738_512, None),
        }),
        slow(R164, "se", "none", 100, {"all": (1_929_388, None)}),
        slow(R164, "sge", "stage", 100, {"all": (1_727_668, None)}),
        slow(R164, "spa", "stage", 100, {"all": (1_845_556, None)}),
        slow(R164, "spa", "none", 100, {"all": (3_856_180, None)}),
        slow(R164, DIA_CIFAR, "stage", 100, {"all": (1_946_132, None)}),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("without_timing")
def test_published_counts(name, attention, sharing, classes, counts):
    space, table = table_of(name, attention, sharing, classes)
    for placement, (params, macs) in counts.items():
        cost = table.price(space.parse(placement))
        assert cost.params == params, placement
        assert macs is None or cost.macs == macs, placement


DEIT_TINY, DEIT_SMALL = (5_717_416, 1_258_411_200), (22_050_664, 4_608_338_304)
# Projections shared by a stage's sites, our reconstruction; for parameters small images will do.
MRLA_PARTS = {"sharing": "stage", "image_size": 32}


@pytest.mark.parametrize(
    ("name", "changes", "counts"),
    [
        slow("resnet50_mrla_light", {}, {"all": (25_738_452, 4_177_935_616)}),
        slow("resnet50_mrla_base", {}, {"all": (25_723_348, 4_191_608_562)}),
        slow("resnet50_mrla_light", {"attention": "depthwise"}, {
            "all": (25_723_176, 4_172_225_536),
        }),
        slow("resnet101_mrla_light", {}, {
            "none": (44_549_160, 7_833_969_664), "all": (44_939_646, 7_941_527_808),
        }),
        slow("efficientnet_b0_mrla", {}, {
            "none": (5_288_548, 399_352_864), "all": (5_300_902, 401_883_680),
        }),
        slow("deit_tiny_mrla", {}, {
            "none": DEIT_TINY,
            "all-mrla_light": (5_749_792, 1_267_491_264),
            "all-mrla_base": (5_742_880, 1_266_354_270),
        }),
        slow("deit_small_mrla", {}, {
            "none": DEIT_SMALL,
            "all-mrla_light": (22_115_296, 4_626_498_432),
            "all-mrla_base": (22_101_472, 4_624_224_414),
        }),
        ("deit_tiny_broad", {}, {
            "none": (5_717_416, 1_258_223_040), "all": (5_717_416, 1_437_054_912),
        }),
        slow("deit_small_broad", {}, {
            "none": (22_050_664, 4_607_961_984), "all": (22_050_664, 4_965_625_728),
        }),
        ("resnet50_mrla_light", MRLA_PARTS, {"all": (25_557_032 + 79_916, None)}),
        slow("resnet50_mrla_light", MRLA_PARTS | {"sharing": "whole"}, {
            "all": (25_557_032 + 46_124, None),
        }),
        slow("resnet50_mrla_base", MRLA_PARTS, {"all": (25_557_032 + 64_812, None)}),
        slow("resnet101_mrla_light", MRLA_PARTS, {"all": (44_549_160 + 132_140, None)}),
        slow("resnet101_mrla_light", MRLA_PARTS | {"attention": "mrla_base"}, {
            "all": (44_549_160 + 99_628, None),
        }),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("without_timing")
def test_published_counts_across_layers(name, changes, counts):
    space = load_space(name, **changes)
    table = measure_costs(space)
    for placement, (params, flops) in counts.items():
        cost = table.price(space.parse(placement))
        assert cost.params == params, placement
        assert flops is None or cost.flops == flops, placement


@pytest.mark.usefixtures("without_timing")
def test_fvcores_total_of_resnet50():
    space, table = table_of(R50)
    assert table.price(space.named["none"]).flops == 4_111_512_576


@pytest.mark.parametrize(
    ("stage", "se", "elements"),
    [("100-0000-000000-000", 8_192, 802_816), ("000-0000-000000-001", 524_288, 100_352)],
)
@pytest.mark.usefixtures("without_timing")
def test_an_attachment_adds_its_activations_and_its_products(stage, se, elements):
    space, table = table_of(R50)
    plain, attached = (table.price(space.parse(text)) for text in ("none", stage))
    assert attached.macs - plain.macs == se
    assert attached.activation_bytes - plain.activation_bytes == 4 * elements


@pytest.mark.parametrize(
    "name",
    mark_slow(ALL_BUT_R164, set(ALL_BUT_R164) - {"resnet26_small", "tiny"}),
)
@pytest.mark.usefixtures("without_timing")
def test_tables_equal_fvcore_on_pruned_networks(name, rng):
    if name == "regnety":  # its blocks have attention modules, which an attachment replaces
        space = load_space("regnet_shared", backbone="regnety_002", attention=["eca", "se"])
    else:
        space = load_space(name)
    table = measure_costs(space, classes=10, rounds=1)
    network = build(space, classes=10).eval()
    image = torch.zeros(1, 3, space.image_size, space.image_size)
    for placement in [space.named["all"], space.sample(rng)]:
        pruned = prune(network, placement)
        cost = table.price(placement)
        assert (cost.macs, cost.flops) == count_flops(pruned, image)
        assert cost.params == count_params(pruned)


def test_every_axis_grows_with_attachments(tiny):
    table = measure_costs(tiny, classes=10, rounds=3)
    none, all_on = (table.price(tiny.named[name]) for name in ("none", "all"))
    assert (none.sites, all_on.sites) == (0, 4)
    assert all_on.params > none.params
    assert all_on.latency_ms > none.latency_ms > 0
    assert all_on.activation_bytes > none.activation_bytes > 0


def test_a_table_is_measured_once(tiny, monkeypatch):
    first = measure_costs(tiny, classes=10, rounds=2)
    monkeypatch.setattr("ean_search.costs.measure.time_networks", None)
    assert measure_costs(tiny, classes=10, rounds=2) == first


class Quadratic(nn.Module):
    """An attention whose price depends on the others."""

    additive = False

    def __init__(self, channels):
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        return self.mix(x)


def test_attentions_that_do_not_add_up_are_counted_directly(tiny):
    space = load_space("tiny", attention=f"{__name__}:Quadratic", unit_gate=False)
    table = measure_costs(space, classes=10, rounds=1)
    price = price_list(space, table, classes=10)
    image = torch.zeros(1, 3, 32, 32)
    placement = space.parse("1010")
    pruned = prune(build(space, classes=10), placement)
    assert (price(placement).macs, price(placement).flops) == count_flops(pruned, image)
    assert price != table.price
    plain = load_space("tiny")
    table = measure_costs(plain, classes=10, rounds=1)
    assert price_list(plain, table, classes=10) == table.price
