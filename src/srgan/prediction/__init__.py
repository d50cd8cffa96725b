"""Enlarging many files: which there are, which are done, and going on when something goes wrong."""

from srgan.prediction.jobs import Job, Shard, naming_note, plan_jobs
from srgan.prediction.ledger import Ledger, fingerprint
from srgan.prediction.loop import Summary, run_jobs
from srgan.prediction.records import Records

__all__ = [
    "Job",
    "Ledger",
    "Records",
    "Shard",
    "Summary",
    "fingerprint",
    "naming_note",
    "plan_jobs",
    "run_jobs",
]
