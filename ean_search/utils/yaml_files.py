"""YAML from anybody: read into plain values, or refused in one line, in bounded time and memory."""

from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ean_search.utils.errors import UserError

MAX_BYTES = 2**20  # of a file
MAX_DEPTH = 40  # of lists and mappings in each other
MAX_NODES = 20_000  # values, those that aliases repeat included


class _Loader(yaml.SafeLoader):
    """Refuses keys that are given twice; a plain loader takes the last one."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Make a mapping."""
        keys = [(key.tag, key.value) for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
        twice = [name for (_, name), count in Counter(keys).items() if count > 1]
        if twice:
            line = node.start_mark.line + 1
            raise yaml.YAMLError(f"the key {twice[0][:80]!r} is given twice, line {line}")
        return super().construct_mapping(node, deep)


def parse_yaml(text: str, what: str) -> Any:
    """Read YAML.

    Args:
        text: The text.
        what: Where it is from, for error messages.

    Raises:
        UserError: If it is not YAML, or is larger or deeper than any configuration; one line.
    """
    loader = None
    try:
        if len(text) > MAX_BYTES:
            raise yaml.YAMLError(f"it is longer than {MAX_BYTES} characters")
        _check_depth(text)
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        _count(node, {}, ())
        return loader.construct_document(node)
    except (yaml.YAMLError, ValueError, OverflowError, TypeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"{what} is not YAML: {reason}") from error
    finally:
        if loader is not None:
            loader.dispose()


def read_yaml(path: Path) -> Any:
    """Read a YAML file; raise a UserError of one line if it is not YAML."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1).decode()
    except ValueError as error:  # it is not text, or its name is none
        raise UserError(f"{path} is not YAML: it is not text in UTF-8") from error
    return parse_yaml(text, str(path))


def _check_depth(text: str) -> None:
    """Refuse what is nested too deep, before a parser recurses into it."""
    depth = 0
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > MAX_DEPTH:
                raise yaml.YAMLError(f"it is nested more than {MAX_DEPTH} deep")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _count(node: yaml.Node, counted: dict[int, int], above: tuple[int, ...]) -> int:
    """Count the values below a node as often as aliases repeat them."""
    if id(node) in above:
        raise yaml.YAMLError("a value contains itself")
    if id(node) not in counted:
        below: list[yaml.Node] = []
        if isinstance(node, yaml.MappingNode):
            below = [entry for pair in node.value for entry in pair]
        elif isinstance(node, yaml.SequenceNode):
            below = node.value
        within = (*above, id(node))
        counted[id(node)] = 1 + sum(_count(entry, counted, within) for entry in below)
        if counted[id(node)] > MAX_NODES:
            raise yaml.YAMLError(f"it has more than {MAX_NODES} values")
    return counted[id(node)]
