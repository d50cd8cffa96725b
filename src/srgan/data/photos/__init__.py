"""Finding photos, splitting them, and making each a pair."""

from srgan.data.photos.find import Photo, find_pairs, find_photos
from srgan.data.photos.sources import joined, make_sources, weighted

__all__ = ["Photo", "find_pairs", "find_photos", "joined", "make_sources", "weighted"]
