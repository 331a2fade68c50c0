"""NumPy arrays as torch's tensors and back: the same bits, of every type that both have."""

# pyright: reportMissingImports=false, reportUntypedBaseClass=false

from __future__ import annotations

from collections.abc import Sequence

import ml_dtypes
import numpy as np
import torch

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
"""NumPy has it from a package that torch does not know: its bits go through as whole numbers."""


def as_tensor(array: np.ndarray) -> torch.Tensor:
    """A tensor with the numbers of an array, which it may not change."""
    whole = np.array(array, order="C")
    if whole.dtype == BFLOAT16:
        return torch.from_numpy(whole.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(whole)


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """The numbers of a tensor."""
    whole = tensor.detach().resolve_conj().resolve_neg().cpu().contiguous()
    if whole.dtype == torch.bfloat16:
        return whole.view(torch.int16).numpy().view(BFLOAT16)
    return whole.numpy()


def as_tensors(arrays: Sequence[np.ndarray]) -> tuple[torch.Tensor, ...]:
    """Each of them."""
    return tuple(map(as_tensor, arrays))


def as_arrays(tensors: Sequence[torch.Tensor]) -> list[np.ndarray]:
    """Each of them."""
    return list(map(as_array, tensors))
