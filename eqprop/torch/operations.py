"""Torch's operations: which of them round, and which round several times inside."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch
import torch.fx

EXACT = frozenset({
    # moved and copied
    "_conj", "_reshape_alias", "_unsafe_view", "alias", "as_strided", "as_strided_scatter", "cat", "clone", "complex",
    "conj", "constant_pad_nd", "contiguous", "copy", "detach", "diagonal", "diagonal_backward", "diagonal_scatter",
    "embedding", "expand", "flip", "gather", "imag", "index", "index_select", "lift_fresh", "lift_fresh_copy",
    "masked_fill", "permute", "real", "repeat", "reshape", "roll", "scatter", "select", "select_backward",
    "select_scatter", "slice", "slice_backward", "slice_scatter", "split", "split_with_sizes", "squeeze", "stack", "t",
    "transpose", "tril", "triu", "unbind", "unfold", "unsqueeze", "view", "view_as_complex", "view_as_real", "where",
    "_to_cpu",
    # constants
    "arange", "eye", "fill", "full", "full_like", "new_empty", "new_full", "new_ones", "new_zeros", "ones", "ones_like",
    "scalar_tensor", "zeros", "zeros_like",
    # chosen from what is there
    "amax", "amin", "clamp", "clamp_max", "clamp_min", "cummax", "cummin", "hardtanh", "hardtanh_backward", "max",
    "max_pool2d_with_indices", "max_pool3d_with_indices", "maximum", "median", "min", "minimum", "relu", "sort",
    "threshold", "threshold_backward", "topk",
    # signs, parts and whole numbers
    "abs", "ceil", "floor", "neg", "round", "sgn", "sign", "trunc",
})  # fmt: skip
"""Operations that do not round, by the names that ATen has for them."""

MADE_OF_SEVERAL = (
    "_addmm_activation", "_euclidean_dist", "_fused_rms_norm", "_fused_rms_norm_backward", "_log_softmax",
    "_log_softmax_backward_data", "_native_batch_norm_legit", "_native_batch_norm_legit_functional",
    "_native_batch_norm_legit_no_training", "_prelu_kernel_backward", "_safe_softmax",
    "_scaled_dot_product_flash_attention_for_cpu", "_softmax", "_softmax_backward_data", "_weight_norm_interface",
    "addcdiv", "addcmul", "addmm", "addmv", "addr", "baddbmm", "binary_cross_entropy", "binary_cross_entropy_backward",
    "binary_cross_entropy_with_logits", "celu", "elu", "elu_backward", "gelu", "gelu_backward", "glu", "glu_backward",
    "hardsigmoid", "hardsigmoid_backward", "hardswish", "hardswish_backward", "huber_loss", "huber_loss_backward",
    "infinitely_differentiable_gelu_backward", "lerp", "log_sigmoid_backward", "log_sigmoid_forward", "logaddexp",
    "logit", "logit_backward", "logsumexp", "mish", "mish_backward", "mse_loss", "mse_loss_backward",
    "native_batch_norm", "native_batch_norm_backward", "native_group_norm", "native_group_norm_backward",
    "native_layer_norm", "native_layer_norm_backward", "selu", "sigmoid_backward", "silu", "silu_backward",
    "smooth_l1_loss", "smooth_l1_loss_backward", "soft_margin_loss", "soft_margin_loss_backward", "softplus",
    "softplus_backward", "std", "std_mean", "tanh_backward", "var", "var_mean", "xlogy",
)  # fmt: skip
"""Kernels that round several times inside, where a small difference of large numbers may lie; torch knows of each what
it is made of."""


def _begun_at_one(matrix: torch.Tensor) -> torch.Tensor:
    """A matrix, by way of numbers of the size of its norm on the diagonal.

    An exponential is that of a fraction of the matrix, 1 plus something small, squared until it is whole: what is lost
    beside the 1 is a unit in the last place of the norm, however small the entries of a block are. A cotangent map's
    matrix has the cotangent for a block. What is zero off the diagonal stays zero.
    """
    norm = matrix.abs().sum(-2).amax(-1)
    ones = norm[..., None, None] * torch.eye(matrix.shape[-1], dtype=norm.dtype)
    return (matrix + ones) - ones


OPERANDS = {torch.ops.aten.linalg_matrix_exp.default: _begun_at_one}
"""Kernels that are as exact as can be for an operand with errors, and what their operand goes through to have these."""

VIEWS = (torch.ops.aten.view.default, torch.ops.aten._unsafe_view.default)  # noqa: SLF001 - it has no other name
"""They insist on how a tensor lies in memory, which kernels do otherwise for many rows."""

CHECK = torch.ops.aten._linalg_check_errors.default  # noqa: SLF001 - likewise
"""Raises an error where a kernel of matrices says that it failed."""

SUMS = {
    torch.ops.aten.addmm.default: torch.ops.aten.mm.default,
    torch.ops.aten.addmv.default: torch.ops.aten.mv.default,
    torch.ops.aten.baddbmm.default: torch.ops.aten.bmm.default,
}
"""Kernels that add a term to a product, and the product."""

OURS = frozenset({"aten", "prims"})
"""Torch's own operations. Of any other nobody knows what is inside."""


@cache
def parts() -> dict[Any, Any]:
    """What torch says those kernels are made of, by operation."""
    from torch._decomp import get_decompositions

    packets = [getattr(torch.ops.aten, name) for name in MADE_OF_SEVERAL if hasattr(torch.ops.aten, name)]
    return {
        **get_decompositions(packets),
        torch.ops.prims.broadcast_in_dim.default: _broadcast,
        torch.ops.prims.div.default: torch.div,
        torch.ops.prims.sum.default: torch.sum,
        torch.ops.prims.var.default: _variance,
    }


# What some parts come to in the end, of operations that torch can batch: those under prims it runs row by row.


def _broadcast(tensor: torch.Tensor, shape: Sequence[int], places: Sequence[int]) -> torch.Tensor:
    lengths = [1] * len(shape)
    for place, length in zip(places, tensor.shape, strict=True):
        lengths[place] = length
    return tensor.reshape(lengths).expand(shape)


def _variance(tensor: torch.Tensor, places: Sequence[int] | None, correction: float = 1) -> torch.Tensor:
    places = list(range(tensor.dim())) if places is None else list(places)
    count = math.prod(tensor.shape[place] for place in places)
    centred = (tensor - tensor.sum(places, keepdim=True) / count).abs()
    return (centred * centred).sum(places) / (count - correction)


def name_of(node: Any) -> str:
    """What a node of a graph calls: ``_softmax`` of ATen, ``mylib.fused`` of anybody else; empty for anything else."""
    target = node.target
    if node.op != "call_function" or not isinstance(target, torch._ops.OpOverload):  # noqa: SLF001 - it has no other name
        return ""
    name = target.overloadpacket.__name__
    return name if target.namespace in OURS else f"{target.namespace}.{name}"


def mutates(node: Any) -> bool:
    """Whether a node stores into a tensor that it is given."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable  # noqa: SLF001 - likewise


def rounds(node: Any) -> bool:
    """Whether the results of a node are rounded, where they are in floating point and it converts no type."""
    name = name_of(node)
    return bool(name) and name not in EXACT


def compact(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Without what no result needs, and with views that a row of a batch has room for.

    Without ``detach`` as well, which gives what it is given: autograd's own rules are in the graph already, and a map
    is transposed operation by operation, where nothing is to be cut off. And without turning a matrix twice: each rule
    of a product turns what another one has turned.
    """
    for node in reversed(module.graph.nodes):
        same = _same_as(node)
        if same is not None:
            node.replace_all_uses_with(same)
            module.graph.erase_node(node)
        elif node.target is CHECK:
            _undefined_where_failed(node)
        elif node.target in VIEWS:
            node.target = torch.ops.aten.reshape.default
    module.graph.eliminate_dead_code()
    module.recompile()
    return module


def _undefined_where_failed(check: Any) -> None:
    """Let what a kernel gives be NaN where it failed, in that row alone, where torch raises an error for the batch."""
    graph, info = check.graph, check.args[0]
    with graph.inserting_before(check):
        failed = graph.call_function(torch.ops.aten.ne.Scalar, (info, 0))
        for result in info.args[0].users:
            known = result.meta["val"]
            if result is not info and (known.is_floating_point() or known.is_complex()):
                lengths = [*info.meta["val"].shape, *(1 for _ in range(known.dim() - info.meta["val"].dim()))]
                where = graph.call_function(torch.ops.aten.reshape.default, (failed, lengths))
                filled = graph.call_function(torch.ops.aten.masked_fill.Scalar, (result, where, torch.nan))
                result.replace_all_uses_with(filled, delete_user_cb=lambda user, own=filled: user is not own)
    graph.erase_node(check)


def as_batched(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """What ``vmap`` comes to where a kernel adds a term to a product as it is: the product, and a sum."""
    graph = torch.fx.Graph()
    found: dict[torch.fx.Node, Any] = {}
    for node in module.graph.nodes:
        found[node] = graph.node_copy(node, found.__getitem__)
        if node.op == "call_function" and node.target in SUMS and not node.kwargs:
            term, *factors = found[node].args
            product = graph.call_function(SUMS[node.target], tuple(factors))
            found[node] = graph.call_function(torch.ops.aten.add.Tensor, (term, product))
    written = torch.fx.GraphModule(module, graph)
    written.graph.eliminate_dead_code()
    written.recompile()
    return written


def _same_as(node: Any) -> Any:
    """The node whose numbers one has, in the same places; None where it is none that can be left out."""
    if node.target is torch.ops.aten.detach.default:
        return node.args[0]
    turned = node.target is torch.ops.aten.t.default and node.args[0].target is torch.ops.aten.t.default
    return node.args[0].args[0] if turned else None


def widens(old: torch.dtype, new: torch.dtype) -> bool:
    """Whether every number of the one type is one of the other."""
    return old.is_floating_point and torch.promote_types(old, new) == new
