"""The doctor: checks a collection of photos before training on it."""
