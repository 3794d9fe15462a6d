"""Reading and writing files: JSON, checkpoints, weights, and the cache folder.

Writing is atomic: a file is either complete or absent. Reading executes nothing in a file.
"""

import hashlib
import json
import os
import stat
import zipfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from ean_search.utils.errors import UserError, first_line, shorten
from ean_search.utils.formats import FORMAT_KEY, FORMATS, check_format
from ean_search.utils.locks import only_writer
from ean_search.utils.safe_paths import check_output

RESULTS_ROOT = Path("results")  # the folder of all runs, where no other is given

CHECKSUM_KEY = "sha256"  # of the metadata of a file of weights


def write_atomically(path: Path, write: Callable[[Path], Any]) -> None:
    """Write a temporary file next to `path`, flush it to the disk, and rename it to `path`.

    Its permissions are those that the user's umask gives to new files, whatever `write` sets. Of
    several processes that write the same file, one waits for the other.

    Raises:
        UserError: If there is something else than an ordinary file.
    """
    check_output(path)
    part = path.with_name(path.name + ".part")
    with only_writer(path.with_name(f".{path.name}.lock"), str(path), wait=True):
        part.unlink(missing_ok=True)  # of a process that was killed
        with part.open("xb") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        try:
            write(part)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        part.chmod(mode)  # safetensors would leave 0600, which nobody else can read
        with part.open("rb") as file:
            os.fsync(file.fileno())
        part.replace(path)


def save_json(value: Any, path: Path) -> None:
    """Write a value as indented JSON, atomically."""
    write_atomically(path, lambda part: part.write_text(json.dumps(value, indent=2) + "\n"))


def save_csv(frame: Any, path: Path, float_format: str | None = None) -> None:
    """Write a frame as CSV without its index, atomically."""
    write_atomically(path, lambda part: frame.to_csv(part, index=False, float_format=float_format))


def read_json(path: Path) -> Any:
    """Read a JSON file; return None if it does not exist.

    Raises:
        UserError: If it is no JSON.
    """
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text())
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path} is not JSON: {first_line(error)}") from error


def read_json_object(path: Path) -> dict[str, Any] | None:
    """Read a JSON file that holds an object; return None if it does not exist.

    Raises:
        UserError: If it holds something else.
    """
    value = read_json(path)
    if value is not None and not isinstance(value, dict):
        raise UserError(f"{path}: expected an object, got {shorten(value)}")
    return value


def check_same_settings(
    settings: dict[str, Any],
    path: Path,
    *,
    advice: str,
    read: Callable[[], Any] | None = None,
    movable: Collection[str] = (),
) -> None:
    """Store the settings of a results folder; refuse to mix results of different settings.

    The first call writes the settings. Later calls compare their settings with the stored ones.

    Args:
        settings: All values that the results depend on, as plain JSON values.
        path: The settings file; its folder is created if it does not exist.
        advice: What the user can do if the settings differ; the end of the error message.
        read: Reads the stored settings; by default, the file is read as JSON.
        movable: Dotted names of fields that may differ, because they change no result.

    Raises:
        UserError: If the settings differ; it names the first field that does.
    """
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        # First under a name with the process id: several processes may start at the same time.
        temporary = path.with_name(f"{path.name}.{os.getpid()}")
        save_json(settings, temporary)
        temporary.replace(path)
        return
    stored = read() if read else read_json(path)
    for field, had, wants in differences(stored, json.loads(json.dumps(settings)), movable):
        raise UserError(
            f"{path.parent} holds results of other settings, see {path.name}: "
            f"{field} was {had!r}, not {wants!r}; {advice}"
        )


def differences(
    stored: Any, wanted: Any, movable: Collection[str] = (), field: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield the dotted name, the stored value and the wanted value of each field that differs."""
    if not (isinstance(stored, dict) and isinstance(wanted, dict)):
        if stored != wanted:
            yield field, stored, wanted
        return
    for name in stored | wanted:
        dotted = f"{field}.{name}".strip(".")
        if dotted not in movable:
            yield from differences(stored.get(name), wanted.get(name), movable, dotted)


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write the state of a training, atomically."""
    import torch

    def write(part: Path) -> None:
        try:
            torch.save(state | {FORMAT_KEY: FORMATS["checkpoint"]}, part)
        except RuntimeError as error:  # torch says less of the reason than the system
            raise OSError(None, f"not written: {first_line(error)}", str(path)) from error

    write_atomically(path, write)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read the state of a training; nothing in the file is executed."""
    import torch

    try:
        with zipfile.ZipFile(path) as archive:
            if (damaged := archive.testzip()) is not None:  # by the checksums in the archive
                raise UserError(f"{damaged} in it is damaged")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        check_format(state.pop(FORMAT_KEY, None), "checkpoint", "it")
        return state
    except OSError:
        raise
    except Exception as error:  # a broken archive may raise errors of many classes
        raise UserError(
            f"{path} is not a readable checkpoint: {first_line(error, lines=3)}"
        ) from error


def save_weights(network: Any, path: Path) -> None:
    """Write the weights of a network to a safetensors file; shared tensors are stored once.

    The file holds a checksum of them.
    """
    from safetensors.torch import save_model

    about = {CHECKSUM_KEY: _checksum(network.state_dict().values())}
    write_atomically(path, lambda part: save_model(network, str(part), about))


def load_weights(network: Any, path: Path) -> None:
    """Read weights into a network.

    Args:
        network: The module; its names and shapes must be those in the file.
        path: A safetensors file.

    Raises:
        UserError: If the file is missing or broken, or if it does not fit the network.
    """
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import load_file

    if not path.is_file():
        raise UserError(f"no weights at {path}")
    try:
        weights = load_file(path)
        with safe_open(path, "pt") as file:
            checksum = (file.metadata() or {}).get(CHECKSUM_KEY)
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path} is not a readable weight file: {first_line(error, lines=3)}"
        ) from error
    if checksum not in (None, _checksum(weights.values())):
        raise UserError(f"{path} is damaged: its weights are not those that were written")
    mismatches = _list_mismatches(network.state_dict(keep_vars=True), weights)
    if mismatches:
        raise UserError(f"{path} does not fit this network: {'; '.join(mismatches)}")
    network.load_state_dict(weights, strict=False)


def _checksum(tensors: Iterable[Any]) -> str:
    """Compute a checksum of tensors that depends neither on their order nor on their names."""
    sums = {hashlib.sha256(_to_bytes(tensor)).hexdigest() for tensor in tensors}
    return hashlib.sha256("".join(sorted(sums)).encode()).hexdigest()


def _to_bytes(tensor: Any) -> Any:
    import torch

    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy() if flat.numel() else b""


def _list_mismatches(state: dict[str, Any], weights: dict[str, Any]) -> list[str]:
    """Describe why weights do not fit; a tensor with several names needs only one of them."""
    covered = {id(state[name]) for name in weights if name in state}
    wrong_shapes = [
        f"{name} has shape {tuple(weights[name].shape)}, not {tuple(state[name].shape)}"
        for name in weights
        if name in state and weights[name].shape != state[name].shape
    ]
    return [
        *_shorten("it lacks", [name for name, value in state.items() if id(value) not in covered]),
        *_shorten("the network has no", [name for name in weights if name not in state]),
        *_shorten("", wrong_shapes),
    ]


def _shorten(words: str, names: list[str], shown: int = 3) -> list[str]:
    """Join the first names and count the others; return nothing if there are no names."""
    more = f" and {len(names) - shown} more" if len(names) > shown else ""
    return [f"{words} {', '.join(names[:shown])}{more}".strip()] if names else []


def cache_dir(*parts: str) -> Path:
    """Return a folder of the cache, for results that can be computed again; create it if needed.

    The cache is $EAN_SEARCH_CACHE, or $XDG_CACHE_HOME/ean-search, or ~/.cache/ean-search: the first
    whose variable is set.
    """
    own_cache = os.environ.get("EAN_SEARCH_CACHE")
    user_cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    folder = Path(own_cache or Path(user_cache) / "ean-search").joinpath(*parts)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def state_dir() -> Path:
    """Return the folder of what this user did on this machine; it may not exist.

    It is $EAN_SEARCH_STATE, or $XDG_STATE_HOME/ean-search, or ~/.local/state/ean-search: the first
    whose variable is set.
    """
    own_state = os.environ.get("EAN_SEARCH_STATE")
    user_state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(own_state or Path(user_state) / "ean-search")
