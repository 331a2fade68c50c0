"""Transformers of PyTorch, as GPT-2 and as Llama are shaped, small."""

# The folder is called as the library: the checker takes one for the other.
# pyright: reportMissingImports=false, reportUntypedBaseClass=false, reportAttributeAccessIssue=false

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

WIDTH, HEADS, EACH = 8, 2, 4


def in_heads(x: Any, heads: int = HEADS) -> Any:
    return x.view(*x.shape[:-1], heads, EACH).transpose(-2, -3)


class Gpt(nn.Module):
    """Learned positions, layer norms, one fused kernel of queries, keys and values, GELU, a tied head."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(5, WIDTH), nn.Embedding(4, WIDTH)
        self.first, self.second, self.last = (nn.LayerNorm(WIDTH) for _ in range(3))
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, 12), nn.Linear(12, WIDTH)

    def forward(self, ids: Any) -> Any:
        x = self.tokens(ids) + self.positions(torch.arange(ids.shape[-1]))
        q, k, v = (in_heads(part) for part in self.qkv(self.first(x)).split(WIDTH, -1))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = x + self.out(mixed.transpose(-2, -3).reshape(x.shape))
        x = x + self.down(functional.gelu(self.up(self.second(x))))
        return functional.linear(self.last(x), self.tokens.weight)


class Llama(nn.Module):
    """Rotary positions, RMS norms, two query heads to one of keys and values, gated units, a head of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.head = nn.Embedding(5, WIDTH), nn.Linear(WIDTH, 5, bias=False)
        self.first, self.second, self.last = (nn.RMSNorm(WIDTH, eps=1e-5) for _ in range(3))
        self.q, self.o = (nn.Linear(WIDTH, WIDTH, bias=False) for _ in range(2))
        self.k, self.v = (nn.Linear(WIDTH, EACH, bias=False) for _ in range(2))
        self.gate, self.up = (nn.Linear(WIDTH, 6, bias=False) for _ in range(2))
        self.down = nn.Linear(6, WIDTH, bias=False)

    def forward(self, ids: Any) -> Any:
        x = self.tokens(ids)
        h = self.first(x)
        q, k = turned(in_heads(self.q(h))), turned(in_heads(self.k(h), 1)).expand(-1, HEADS, -1, -1)
        v = in_heads(self.v(h), 1).expand(-1, HEADS, -1, -1)
        weights = torch.softmax(q @ k.transpose(-1, -2) / EACH**0.5, -1)
        x = x + self.o((weights @ v).transpose(-2, -3).reshape(x.shape))
        h = self.second(x)
        x = x + self.down(functional.silu(self.gate(h)) * self.up(h))
        return self.head(self.last(x))


def turned(x: Any) -> Any:
    """Halves of each head, turned against each other by the angles of their positions."""
    angles = torch.arange(x.shape[-2])[:, None] * torch.tensor([1.0, 0.3], dtype=x.dtype)
    angles = torch.cat([angles, angles], -1)
    a, b = x.chunk(2, -1)
    return x * angles.cos() + torch.cat([-b, a], -1) * angles.sin()
