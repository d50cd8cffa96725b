"""Enlarging many files: which there are, which are done, and going on when something goes wrong."""

from srgan.prediction.jobs import Job, Shard, plan_jobs
from srgan.prediction.ledger import Ledger, fingerprint
from srgan.prediction.run import Summary, run_jobs

__all__ = ["Job", "Ledger", "Shard", "Summary", "fingerprint", "plan_jobs", "run_jobs"]
