"""The doctor: ``python -m srgan.data.doctor`` checks a collection of photos before training on it."""
