"""A page to work in, for a browser on the same machine: drop pictures, see them enlarged, take them home."""
