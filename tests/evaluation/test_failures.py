"""Errors that are a trial's result, and errors that stop the search."""

import pytest
import torch

from ean_search.evaluation.failures import trial_failure_reason
from ean_search.utils.errors import DivergedError


@pytest.mark.parametrize(
    ("error", "is_reason"),
    [
        (torch.OutOfMemoryError("CUDA out of memory."), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate`"), True),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (DivergedError("the loss became nan"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (KeyError("x"), False),
    ],
)
def test_only_some_errors_are_caused_by_the_placement(error, is_reason):
    assert (trial_failure_reason(error) is not None) == is_reason


def test_a_reason_is_one_line():
    error = torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 2 GiB")
    assert trial_failure_reason(error) == "out of memory: CUDA out of memory."
