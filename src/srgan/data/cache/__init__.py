"""Photos as they were decoded, kept on disk between runs."""
