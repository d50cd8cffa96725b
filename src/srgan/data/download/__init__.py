"""Archives of photos: downloaded (resumably), checked and unpacked."""

from srgan.data.download.archives import Archive, DownloadError, fetch

__all__ = ["Archive", "DownloadError", "fetch"]
