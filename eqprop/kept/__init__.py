"""What a project keeps beside its code: the cells that a run must fill, and those that are known to fail."""

from eqprop.kept.allowance import Allowance as Allowance
from eqprop.kept.allowance import allowances_in as allowances_in
from eqprop.kept.baseline_file import BASELINE as BASELINE
from eqprop.kept.baseline_file import COUNTEREXAMPLES as COUNTEREXAMPLES
from eqprop.kept.baseline_file import KnownFailure as KnownFailure
from eqprop.kept.baseline_file import baseline_in as baseline_in
from eqprop.kept.baseline_file import day as day
from eqprop.kept.baseline_file import write_baseline as write_baseline
from eqprop.kept.files import written_to as written_to
from eqprop.kept.ledger_file import FIND as FIND
from eqprop.kept.ledger_file import LEDGER as LEDGER
from eqprop.kept.ledger_file import KeptLedger as KeptLedger
from eqprop.kept.ledger_file import is_model as is_model
from eqprop.kept.ledger_file import is_test as is_test
from eqprop.kept.ledger_file import ledger_in as ledger_in
from eqprop.kept.ledger_file import ledger_of as ledger_of
from eqprop.kept.ledger_file import rewritten as rewritten
