"""What shapes and names say about the layers of a model: which axis is written, which is read, what is a norm."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

Shapes = Mapping[str, tuple[int, ...]]
"""Path → shape."""

FLAT = re.compile(r"(?:w|b|weight|kernel|bias)_?(?=\d|in|out)", re.IGNORECASE)
"""How the tensors of several layers begin that lie at one path: w1 and b1, w_in and b_in."""

ROWS = ("weight",)
"""Names of matrices whose rows are what the layer writes, as PyTorch and Equinox have them; elsewhere columns are."""


@dataclass(frozen=True)
class Layer:
    """The tensors below one path.

    Attributes:
        path: of the layer; empty at the top.
        kernel: the path of its matrix, or of a tensor with more axes; empty for a norm.
        shape: of the kernel.
        written: the axis of what it writes.
        read: the axis of what it reads.
        vectors: its tensors with one axis, which is as long as what it writes.
        width: how long that is.
        shared: its biases whose axes are all of the kernel's but the first, as those of attention heads are.
    """

    path: str
    kernel: str = ""
    shape: tuple[int, ...] = ()
    written: int = -1
    read: int = -1
    vectors: tuple[str, ...] = ()
    width: int = 0
    shared: tuple[str, ...] = ()

    @property
    def writes(self) -> dict[str, int]:
        """Path → axis of what it writes: kernel, bias, statistics."""
        kernel = {self.kernel: self.written} if self.kernel else {}
        return {**kernel, **dict.fromkeys(self.vectors, 0)}

    @property
    def reads(self) -> dict[str, int]:
        """Path → axis of what it reads; nothing for a norm."""
        return {self.kernel: self.read} if self.kernel else {}


def layers_of(shapes: Shapes) -> list[Layer]:
    """The layers, in the order in which their names count: ``layers/2`` before ``layers/10``.

    Tensors with a kernel or a vector beside them are a layer; others (embeddings of one axis, scalars) are none.
    """
    below: dict[str, dict[str, tuple[int, ...]]] = {}
    for path, shape in shapes.items():
        below.setdefault(_layer_path(path), {})[path] = shape
    found = [_layer(parent, below[parent]) for parent in sorted(below, key=natural)]
    return [layer for layer in found if layer is not None]


def natural(path: str) -> list[tuple[int, str]]:
    """A key that sorts numbers in names by what they count."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path)]


def _layer_path(path: str) -> str:
    """Where a tensor's layer lies: the path above it, and with it the number of w1 and b1, which have no other."""
    parent = parent_of(path)
    name = path.removeprefix(parent).lstrip("/.")
    return f"{parent}/{FLAT.sub('', name, count=1)}".lstrip("/") if FLAT.match(name) else parent


def parent_of(path: str) -> str:
    """A path without its last name, after a slash or a dot."""
    return re.sub(r"(^|[/.])[^/.]*$", "", path)


def _layer(parent: str, tensors: Shapes) -> Layer | None:
    vectors = {path: shape[0] for path, shape in tensors.items() if len(shape) == 1}
    most = max(map(len, tensors.values()))
    if most < 2:
        widths = set(vectors.values())
        return Layer(parent, vectors=tuple(vectors), width=widths.pop()) if len(widths) == 1 else None
    kernels = [path for path, shape in tensors.items() if len(shape) == most]
    if len(kernels) > 1:
        return None
    (kernel,) = kernels
    shape = tensors[kernel]
    written, read = _axes(kernel, shape, set(vectors.values()))
    mine = tuple(path for path, length in vectors.items() if length == shape[written])
    shared = tuple(path for path in tensors if path != kernel and tensors[path] == shape[1:] and len(shape) > 2)
    return Layer(parent, kernel, shape, written, read, mine, shape[written], shared)


def _axes(kernel: str, shape: tuple[int, ...], biases: set[int]) -> tuple[int, int]:
    """The written and the read axis: by the length of a bias where it tells, else by the kernel's name."""
    rows, columns = (0, 1), (len(shape) - 1, len(shape) - 2)
    usual = rows if re.split(r"[/.]", kernel)[-1] in ROWS else columns
    other = columns if usual == rows else rows
    fits = [axes for axes in (usual, other) if shape[axes[0]] in biases]
    return fits[0] if fits else usual
