"""What was found, as plain data and as text."""

from eqprop.results.counterexample import Counterexample as Counterexample
from eqprop.results.failures import failure_blocks as failure_blocks
from eqprop.results.ledger import NOTHING_KEPT as NOTHING_KEPT
from eqprop.results.ledger import Applying as Applying
from eqprop.results.ledger import Ledger as Ledger
from eqprop.results.ledger import missing as missing
from eqprop.results.ledger import vanished as vanished
from eqprop.results.report import Report as Report
from eqprop.results.summaries import PairSummary as PairSummary
from eqprop.results.summaries import cell_line as cell_line
from eqprop.results.summaries import cell_lines as cell_lines
from eqprop.results.summaries import cleared_text as cleared_text
from eqprop.results.summaries import evaluation_lines as evaluation_lines
from eqprop.results.summaries import fitted as fitted
from eqprop.results.summaries import header as header
from eqprop.results.summaries import name_width as name_width
from eqprop.results.summaries import pair_summaries as pair_summaries
from eqprop.results.summaries import said_of as said_of
from eqprop.results.unseen import Unseen as Unseen
from eqprop.results.verdict import Outcome as Outcome
from eqprop.results.verdict import PairName as PairName
from eqprop.results.verdict import Progress as Progress
from eqprop.results.verdict import PropertyName as PropertyName
from eqprop.results.verdict import Series as Series
from eqprop.results.verdict import Verdict as Verdict
