"""What is wrong with a user's pair, said before anything runs."""

from eqprop.validation.diagnosis import first_infinite_order as first_infinite_order
from eqprop.validation.diagnosis import why_not_finite as why_not_finite
from eqprop.validation.pairs import check_pair as check_pair
