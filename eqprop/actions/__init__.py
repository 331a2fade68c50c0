"""Actions on parameters, declared instead of programmed: which tensors write, and which read, what moves."""

from eqprop.actions.activations import exponential_shift as exponential_shift
from eqprop.actions.activations import half_periods as half_periods
from eqprop.actions.activations import sigmoid_mirror as sigmoid_mirror
from eqprop.actions.activations import skip_mirror as skip_mirror
from eqprop.actions.axes import Axes as Axes
from eqprop.actions.axes import Axis as Axis
from eqprop.actions.biases import bias_shift as bias_shift
from eqprop.actions.blocks import attention_heads as attention_heads
from eqprop.actions.blocks import channels as channels
from eqprop.actions.blocks import experts as experts
from eqprop.actions.blocks import glu as glu
from eqprop.actions.blocks import low_rank as low_rank
from eqprop.actions.blocks import states as states
from eqprop.actions.combining import combined as combined
from eqprop.actions.inspection import inspect as inspect
from eqprop.actions.norms import norm_gain as norm_gain
from eqprop.actions.norms import norm_scale as norm_scale
from eqprop.actions.norms import residual_stream as residual_stream
from eqprop.actions.powers import scaled_units as scaled_units
from eqprop.actions.shifts import softmax_shift as softmax_shift
from eqprop.actions.shifts import translations as translations
from eqprop.actions.sums import joint_shift as joint_shift
from eqprop.actions.trades import exchanged as exchanged
from eqprop.actions.trades import factor_swap as factor_swap
from eqprop.actions.units import hidden_units as hidden_units
