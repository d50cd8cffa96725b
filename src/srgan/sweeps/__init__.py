"""Several jobs as one study: a folder and processes for each, and one report of all."""

from srgan.sweeps.processes import ReportEachJob

__all__ = ["ReportEachJob"]
