"""A run's report for machines and reviewers: JUnit, Markdown, annotations, JSON; and of shards merged into one."""

from eqprop.reports.annotations import github_annotations as github_annotations
from eqprop.reports.drawing import heat_map as heat_map
from eqprop.reports.drawing import line_plot as line_plot
from eqprop.reports.html import html as html
from eqprop.reports.junit import junit as junit
from eqprop.reports.markdown import markdown as markdown
from eqprop.reports.merging import merged as merged
from eqprop.reports.merging import report_in as report_in
from eqprop.reports.sharding import Shard as Shard
from eqprop.reports.writing import KINDS as KINDS
from eqprop.reports.writing import asked as asked
from eqprop.reports.writing import write as write
