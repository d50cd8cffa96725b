"""Reads the file that W&B writes offline."""

import struct
from collections.abc import Iterator
from pathlib import Path

from wandb.proto.wandb_internal_pb2 import Record  # type: ignore[attr-defined] # generated code

_HEADER, _BLOCK, _PREFIX = 7, 32768, 7  # of LevelDB's log format, after W&B's own header


def read_records(path: Path) -> Iterator[Record]:
    """The records of a ``.wandb`` file, as far as it has been written."""
    data, place, parts = path.read_bytes(), _HEADER, b""
    while place + _PREFIX <= len(data):
        if _BLOCK - place % _BLOCK < _PREFIX:
            place += _BLOCK - place % _BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        if place + _PREFIX + length > len(data):
            return  # still being written
        parts += data[place + _PREFIX : place + _PREFIX + length]
        place += _PREFIX + length
        if kind in (1, 4):  # whole, or the last part
            record = Record()
            record.ParseFromString(parts)
            yield record
            parts = b""
