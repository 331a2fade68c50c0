"""What the tensors of a network are: which projection, which norm, which axis of what, read off names and shapes."""

# pyright: reportMissingImports=false

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from transformers.pytorch_utils import Conv1D

from eqprop.transformers.networks import Network
from eqprop.transformers.tracing import Trace, is_norm, traced

LAYER = re.compile(r"(?P<stack>.*?\.)(?P<number>\d+)\.(?P<rest>.*)")
"""The first number in a path is that of the layer, further ones are of experts and the like."""

ATTENTION = re.compile(r"attn|attention|mixer|temporal|self_att")
FUSED = ("c_attn", "query_key_value", "qkv_proj", "Wqkv", "qkv", "att_proj")
QUERY = ("q_proj", "query", "q_lin", "Wq", "query_proj", "project_q", "q")
KEY = ("k_proj", "key", "k_lin", "Wk", "key_proj", "project_k", "k")
VALUE = ("v_proj", "value", "v_lin", "Wv", "value_proj", "project_v", "v")
OUTPUT = (
    *("o_proj", "out_proj", "dense", "c_proj", "out_lin", "wo", "Wo", "attn_out", "attention_out"),
    *("linear_attn_out", "linear_out", "output_proj"),
)
WRITES = re.compile(r"out|down|w2|fc2|c_proj|4h_to_h")
"""In the name of a square matrix: it writes the stream."""


@dataclass(frozen=True)
class Tensor:
    """One parameter.

    Attributes:
        path: as ``named_parameters()`` has it.
        shape: of it.
        owner: the module that holds it.
        stack: the path of the list of layers that it lies in; empty outside of these.
        number: of the layer.
        rest: its path within the layer, or within the network.
    """

    path: str
    shape: tuple[int, ...]
    owner: torch.nn.Module
    stack: str
    number: int
    rest: str

    @property
    def module(self) -> str:
        """The name of the module that holds it."""
        return self.home.rpartition(".")[2]

    @property
    def home(self) -> str:
        """The path of the module that holds it, within the layer; a wrapped matrix is that of its wrapper."""
        return self.rest.rpartition(".")[0].removesuffix(".linear")

    @property
    def is_weight(self) -> bool:
        """Whether it is a matrix, or a stack of matrices; a vector may have axes of length 1."""
        return len(self.shape) == 2 or (len(self.shape) > 2 and max(self.shape) < int(np.prod(self.shape)))

    @property
    def is_norm(self) -> bool:
        """Whether it belongs to a norm."""
        return is_norm(self.owner)

    @property
    def in_attention(self) -> bool:
        """Whether it belongs to attention."""
        first = self.rest.split(".", maxsplit=1)[0]
        whole = ATTENTION.search(self.stack.rstrip(".").rpartition(".")[2])  # a list of attentions
        return self.number >= 0 and (bool(whole) or (bool(ATTENTION.search(first)) and self.is_inside))

    @property
    def is_inside(self) -> bool:
        """Whether it lies in a module of the layer's that has parts of its own: a norm before attention has none."""
        return self.rest.count(".") > 1 or not self.rest.endswith((".weight", ".bias"))


@dataclass(frozen=True)
class Anatomy:
    """A network taken apart.

    Attributes:
        network: that.
    """

    network: Network

    @cached_property
    def tensors(self) -> tuple[Tensor, ...]:
        """All parameters that the outputs depend on."""
        modules = dict(self.network.module.named_modules())
        return tuple(
            _tensor(path, tuple(leaf.shape), modules[path.rpartition(".")[0]])
            for path, leaf in self.network.module.named_parameters()
            if path in self.trace.used
        )

    @cached_property
    def trace(self) -> Trace:
        """What one pass shows."""
        return traced(self.network)

    @cached_property
    def after_norms(self) -> frozenset[str]:
        """The modules that are given what a norm returns."""
        return frozenset(path for paths in self.trace.readers.values() for path in paths)

    @property
    def config(self) -> Any:
        """Of the language model."""
        return self.network.config.get_text_config()

    @cached_property
    def hidden(self) -> int:
        """How wide the stream is."""
        table = self.network.module.get_input_embeddings().weight
        return int(getattr(self.config, "hidden_size", None) or table.shape[1])

    @cached_property
    def tied(self) -> bool:
        """Whether the table of the tokens is the last layer's matrix as well."""
        head = self.network.module.get_output_embeddings()
        return head is not None and head.weight is self.network.module.get_input_embeddings().weight

    @cached_property
    def head(self) -> tuple[Tensor, ...]:
        """The last layer, where it has a matrix of its own, and its bias."""
        head = self.network.module.get_output_embeddings()
        return () if self.tied else tuple(t for t in self.tensors if t.owner is head)

    @cached_property
    def head_bias(self) -> str:
        """The path of what the last layer adds, wherever it is kept; empty where it adds nothing."""
        bias = getattr(self.network.module.get_output_embeddings(), "bias", None)
        named = self.network.module.named_parameters()
        return next((path for path, parameter in named if bias is not None and parameter is bias), "")

    def layers(self) -> Iterator[tuple[tuple[str, int], list[Tensor]]]:
        """The tensors of each layer."""
        found: dict[tuple[str, int], list[Tensor]] = {}
        for tensor in self.tensors:
            if tensor.stack:
                found.setdefault((tensor.stack, tensor.number), []).append(tensor)
        yield from found.items()

    @staticmethod
    def axis_in(tensor: Tensor) -> int | None:
        """The axis of what a layer's matrix reads; None where its type does not tell."""
        if isinstance(tensor.owner, torch.nn.Linear):
            return 1
        return 0 if isinstance(tensor.owner, Conv1D) else None

    def axis_read(self, tensor: Tensor) -> int | None:
        """The axis along which a matrix reads the stream; None where it does not."""
        outward = tensor in self.outputs or self._is_square_output(tensor) or _is_convolution(tensor)
        if not tensor.is_weight or tensor.is_norm or outward or isinstance(tensor.owner, torch.nn.Embedding):
            return None
        axis = self.axis_in(tensor)
        if axis is None:
            axes = [i for i, length in enumerate(tensor.shape) if length == self.hidden]
            axis = axes[0] if len(axes) == 1 and not self._written_by_stack(tensor) else None
        return axis if axis is not None and tensor.shape[axis] == self.hidden else None

    def axis_written(self, tensor: Tensor) -> int | None:
        """The axis along which a tensor writes into the stream; None where it does not."""
        if isinstance(tensor.owner, torch.nn.Embedding):
            return 1 if tensor.shape[1] == self.hidden else None
        if tensor.is_norm or _is_convolution(tensor):
            return None
        if not tensor.is_weight:
            return 0 if tensor.shape == (self.hidden,) and self._adds(tensor) else None
        if self.axis_read(tensor) is not None:
            return None
        axes = [i for i, length in enumerate(tensor.shape) if length == self.hidden]
        inward = self.axis_in(tensor)
        if inward is not None and tensor.shape == (self.hidden, self.hidden):
            return 1 - inward
        return axes[0] if len(axes) == 1 else None

    def _is_square_output(self, tensor: Tensor) -> bool:
        """Whether a matrix as wide as the stream on both sides writes it, which its shape does not tell."""
        square = tensor.shape == (self.hidden, self.hidden) and tensor.path.rpartition(".")[0] not in self.after_norms
        return square and bool(WRITES.search(tensor.module))

    def _adds(self, bias: Tensor) -> bool:
        """Whether a bias stands behind a matrix that writes into the stream."""
        siblings = [t for t in self.tensors if t.owner is bias.owner and t.is_weight]
        alone = not siblings and "bias" in bias.rest
        return alone or any(self.axis_written(t) is not None for t in siblings)

    def _written_by_stack(self, tensor: Tensor) -> bool:
        """Whether a stack of matrices without a layer's type writes the stream: experts' last matrices."""
        return bool(re.search(r"down|w2|output", tensor.rest))

    @cached_property
    def outputs(self) -> tuple[Tensor, ...]:
        """The matrices behind the heads, and their biases."""
        return tuple(t for t in self.tensors if t.in_attention and t.module in OUTPUT)

    @cached_property
    def offsets(self) -> dict[str, float]:
        """For each gain of a norm what its module adds to it: 1 where it normalises with a gain of 0, else 0."""
        return {t.path: _added(t) for t in self.tensors if t.is_norm and t.path.endswith("weight")}

    def buffers(self, word: str) -> list[np.ndarray]:
        """The numbers of each buffer whose name ends so."""
        return [b.numpy() for path, b in self.network.module.named_buffers() if path.endswith(word)]


def _added(gain: Tensor) -> float:
    """Asked of the module itself, at a row of numbers; one that takes more than a row keeps its gain as it is."""
    weight = dict(gain.owner.named_parameters(recurse=False))["weight"]
    row = torch.linspace(-1, 2, gain.shape[-1], dtype=weight.dtype)
    try:
        found = torch.func.functional_call(gain.owner, {"weight": torch.zeros_like(weight)}, (row[None],))
        shift = torch.func.functional_call(
            gain.owner, {"weight": torch.zeros_like(weight)}, (torch.zeros_like(row)[None],)
        )
    except (AttributeError, RuntimeError, TypeError, ValueError):
        return 0.0
    return float(bool(torch.any(found - shift)))


def _tensor(path: str, shape: tuple[int, ...], owner: torch.nn.Module) -> Tensor:
    found = LAYER.fullmatch(path)
    if found is None:
        return Tensor(path, shape, owner, "", -1, path)
    return Tensor(path, shape, owner, found["stack"], int(found["number"]), found["rest"])


def _is_convolution(tensor: Tensor) -> bool:
    """Whether it mixes positions in front of or behind a matrix, in channels of its own."""
    return "conv" in type(tensor.owner).__name__.lower() and not isinstance(tensor.owner, Conv1D)
