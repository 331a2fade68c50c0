"""Conversions of checkpoints: a pair of two models, with what each tensor of the second is made of."""

from eqprop.conversions.layouts import folded_bias as folded_bias
from eqprop.conversions.layouts import folded_kernel as folded_kernel
from eqprop.conversions.layouts import fused as fused
from eqprop.conversions.layouts import fused_by_head as fused_by_head
from eqprop.conversions.layouts import merged as merged
from eqprop.conversions.layouts import permuted as permuted
from eqprop.conversions.layouts import rotary_halves as rotary_halves
from eqprop.conversions.layouts import rotary_interleaved as rotary_interleaved
from eqprop.conversions.layouts import split_heads as split_heads
from eqprop.conversions.layouts import transposed as transposed
from eqprop.conversions.pairs import conversion as conversion
