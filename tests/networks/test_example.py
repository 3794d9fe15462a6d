"""An example is what one forward pass takes, in whatever form a user has it."""

from dataclasses import dataclass

import torch
from torch import nn

from ean_search.networks.example import Example, find_tensors


class Sum(nn.Module):
    def forward(self, a, b=0, *, c=0):
        return a + b + c


X = torch.ones(2, 3)


def test_a_tensor_a_tuple_and_a_mapping_are_arguments():
    assert Example.of(X).run(Sum()).sum() == 6
    assert Example.of((X, X)).run(Sum()).sum() == 12
    assert Example.of({"a": X, "c": X}).run(Sum()).sum() == 12
    images = [X, X]
    assert Example.of(images).args == (images,)
    example = Example.of(X)
    assert Example.of(example) is example


def test_its_tensors_can_be_replaced():
    example = Example.of(([X, {"deep": X}], 3))
    doubled = example.with_tensors([2 * x for x in example.tensors])
    assert [float(x.sum()) for x in doubled.tensors] == [12, 12]
    assert doubled.args[1] == 3
    assert example.describe() == "2 x 3, 2 x 3"
    assert example.to("cpu").tensors[0].device.type == "cpu"


def test_tensors_are_found_in_what_networks_return():
    @dataclass
    class Output:
        logits: torch.Tensor
        other: object = None

    assert len(list(find_tensors(Output(X, [X, (X, "text")])))) == 3
    assert list(find_tensors(None)) == []
