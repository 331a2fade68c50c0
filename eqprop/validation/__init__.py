"""What is wrong with a user's pair, said before anything runs."""

from eqprop.validation.callbacks import check_repeatable as check_repeatable
from eqprop.validation.callbacks import has_callbacks as has_callbacks
from eqprop.validation.callbacks import where_raised as where_raised
from eqprop.validation.diagnosis import first_unusable_order as first_unusable_order
from eqprop.validation.diagnosis import why_not_finite as why_not_finite
from eqprop.validation.pairs import check_pair as check_pair
