"""The precision of products of float32 on a GPU, which is not what their types say: they may run in TensorFloat-32."""

from __future__ import annotations

import os
from typing import Any

import jax
import jax.numpy as jnp
from jax.lax import DotAlgorithmPreset, Precision

TENSOR_FLOAT, BFLOAT = ("tensorfloat32", 2.0**-10), ("bfloat16", 2.0**-7)
"""Name and unit roundoff: ten and seven bits behind the point."""

PRODUCTS = ("dot_general", "conv_general_dilated")


def coarser_product(equation: Any, platform: str = "") -> tuple[str, float] | None:
    """Name and unit roundoff of what a product of float32 may be rounded to before it is taken; None where to nothing.

    NVIDIA's GPUs round the factors to TensorFloat-32 unless more is asked for: by ``precision="highest"``, by
    ``jax.default_matmul_precision`` around the trace, which leaves it in the equation, or by the environment's
    ``NVIDIA_TF32_OVERRIDE=0``. An algorithm that the equation names counts on every platform.

    Args:
        equation: of a traced program.
        platform: where it will run; that of JAX by default.
    """
    if equation.primitive.name not in PRODUCTS or equation.invars[0].aval.dtype != jnp.float32:
        return None
    asked = equation.params["precision"]
    if isinstance(asked, DotAlgorithmPreset):
        return _of_algorithm(asked.name)
    exact = asked is not None and all(one == Precision.HIGHEST for one in asked)
    on_gpu = (platform or jax.default_backend()) in ("gpu", "cuda")
    return None if exact or not on_gpu or os.environ.get("NVIDIA_TF32_OVERRIDE") == "0" else TENSOR_FLOAT


def _of_algorithm(name: str) -> tuple[str, float] | None:
    """``TF32_TF32_F32`` and the like; several products of the kind (``…_X3``) make up for the digits."""
    if name.rpartition("_X")[2].isdigit():
        return None
    return TENSOR_FLOAT if name.startswith("TF32") else BFLOAT if name.startswith("BF16") else None
