"""Keras on its JAX backend, which it looks for once, at its first import."""

from __future__ import annotations

import os

os.environ.setdefault("KERAS_BACKEND", "jax")
