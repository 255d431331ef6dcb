"""The report of `gensample benchmark`: tables, figures of the field, one page."""

from gensample.report.benchmark.write import write_report

__all__ = ["write_report"]
