"""A function of tensors, its cotangent maps as torch's autograd has them, and the transposes of these."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import torch

Tensors = tuple[torch.Tensor, ...]

NO_VALUE = torch.linalg.LinAlgError
"""What torch raises at operands for which a matrix has no inverse, no Cholesky factor."""

Function = Callable[[Tensors, bool], Tensors]
"""Of its operands, and of whether its results will be differentiated once more (``create_graph``)."""


Hold = Callable[[Tensors, Callable[[], Tensors]], Tensors]
"""Of operands and of what is to be called while they are in force: a module holds its parameters in attributes."""


def held(function: Function, hold: Hold) -> Function:
    """The function with its operands in force until all of its derivatives are taken, and not for a forward pass alone.

    A backward pass may read parameters again: where parts of a module are checkpointed it runs them once more.
    """
    return lambda operands, again: hold(operands, lambda: function(operands, again))


def called(operands: Tensors, inner: Callable[[], Tensors]) -> Tensors:
    """A ``Hold`` of what keeps no operands anywhere."""
    del operands
    return inner()


def cotangents_of(function: Function, operands: int) -> Function:
    """The map from operands, and a cotangent for each result, to the cotangent of each operand in floating point.

    Args:
        function: of so many operands.
        operands: how many.
    """

    def pulled(given: Tensors, again: bool) -> Tensors:
        inner, cotangents = given[:operands], given[operands:]
        wanted = tuple(operand for operand in inner if operand.is_floating_point())
        return _gradients(function(inner, True), wanted, cotangents, again)

    return pulled


def transposed_of(function: Function, linear: Tensors, results: int) -> Function:
    """The transpose of a function that is linear in its last operands, in which others, then cotangents are given.

    Args:
        function: that torch can differentiate by them.
        linear: an example of these operands.
        results: how many the function has.
    """

    def turned(given: Tensors, again: bool) -> Tensors:
        # Nothing is differentiated by the others: of running statistics torch has no derivative, and says so.
        others, cotangents = tuple(operand.detach() for operand in given[:-results]), given[-results:]
        at = tuple(torch.zeros_like(operand).requires_grad_() for operand in linear)
        return _gradients(function((*others, *at), True), at, cotangents, again)

    return turned


def transposed_by_entries(function: Function, linear: Tensors, results: int) -> Function:
    """Likewise, of a function that torch need not differentiate: it is called for each entry of these operands."""

    def turned(given: Tensors, again: bool) -> Tensors:
        del again
        others, cotangents = given[:-results], given[-results:]

        def entry(at: Tensors) -> torch.Tensor:
            products = [(r * c).sum() for r, c in zip(function((*others, *at), False), cotangents, strict=True)]
            return sum(products[1:], products[0])

        found = [torch.stack([entry(at) for at in _units(linear, k)]) for k in range(len(linear))]
        return tuple(f.to(o.dtype).reshape(o.shape) for f, o in zip(found, linear, strict=True))

    return turned


def evaluated(function: Function, operands: Sequence[torch.Tensor]) -> Tensors:
    """The function at operands of its own, which torch may differentiate by."""
    own = tuple(o.detach().requires_grad_() if o.is_floating_point() else o for o in operands)
    return tuple(result.detach() for result in function(own, False))


def undefined(like: Sequence[torch.Tensor]) -> Tensors:
    """What a function has where it has no value, as the inverse of a singular matrix: NaN, which torch raises.

    Args:
        like: what it gives elsewhere; whole numbers are 0.
    """
    return tuple(
        torch.full_like(leaf, torch.nan if leaf.is_floating_point() or leaf.is_complex() else 0) for leaf in like
    )


def _gradients(results: Tensors, wanted: Tensors, cotangents: Tensors, again: bool) -> Tensors:
    """Of ⟨results, cotangents⟩; zeros where nothing depends on anything."""
    known = [(r, c) for r, c in zip(results, cotangents, strict=True) if r.requires_grad]
    if not known or not wanted:
        return tuple(map(torch.zeros_like, wanted))
    outputs, weights = zip(*known, strict=True)
    return torch.autograd.grad(outputs, wanted, weights, create_graph=again, allow_unused=True, materialize_grads=True)


def _units(linear: Tensors, k: int) -> Iterator[Tensors]:
    """For each entry of the k-th of some tensors, all of them with 1 there and 0 elsewhere."""
    zeros = tuple(map(torch.zeros_like, linear))
    for unit in torch.eye(linear[k].numel(), dtype=linear[k].dtype):
        yield (*zeros[:k], unit.reshape(linear[k].shape), *zeros[k + 1 :])
