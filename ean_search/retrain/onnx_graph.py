"""Networks as graphs for ONNX Runtime: written to a file, and opened."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from ean_search.retrain.export_check import Forward
from ean_search.utils.files import write_atomically

MAX_BATCH_SIZE = 2**16  # of the written graphs
CLASS_NAMES_KEY = "class_names"  # of the metadata of a graph: a JSON list


def any_batch_size() -> tuple[dict[int, torch.export.Dim], ...]:
    """Return the mark that the number of images may vary."""
    return ({0: torch.export.Dim("batch", min=1, max=MAX_BATCH_SIZE)},)


def write_graph(
    network: nn.Module, images: Tensor, path: Path, class_names: Sequence[str] = ()
) -> None:
    """Write a network's graph.

    Args:
        network: In evaluation mode.
        images: An example of its input, of two images or more.
        path: The file.
        class_names: Kept in the file's metadata, if there are any.
    """
    program = torch.onnx.export(
        network,
        (images,),
        dynamo=True,
        dynamic_shapes=any_batch_size(),
        input_names=["images"],
        output_names=["logits"],
        verbose=False,
    )
    assert program is not None, "torch.onnx.export returns a program with dynamo=True"
    if class_names:
        program.model.metadata_props[CLASS_NAMES_KEY] = json.dumps(list(class_names))
    write_atomically(path, lambda part: program.save(str(part)))


def open_graph(path: Path, threads: int | None = None) -> Forward:
    """Return a function that computes a graph's logits on the CPU.

    Args:
        path: The file.
        threads: How many threads it may use; all cores if None.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
    return lambda images: torch.from_numpy(session.run(None, {"images": images.numpy()})[0])
