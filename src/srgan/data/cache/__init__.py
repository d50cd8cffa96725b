"""Decoded photos, kept on disk between runs."""
