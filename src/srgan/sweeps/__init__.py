"""Several jobs as one study: processes of their own, and one report of all."""

from srgan.sweeps.processes import ReportEachJob

__all__ = ["ReportEachJob"]
