"""The networks that requests choose from, made when they are first wanted; the last few are kept."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from srgan.inference.upscaler import Upscaler
from srgan.weights import TRAINED_ON_FROM

_KEPT = 3
PACKAGED = ("srgan", "srresnet", "web")


class Networks:
    """Upscalers by the name of their weights and their strength, each used by one thread at a time.

    Args:
        ckpt: Weights of the user's own that are offered, too; None for those of the package alone.
        blend_with: What those are blended with.
        settings: Further arguments of ``Upscaler``.
    """

    def __init__(self, *, ckpt: str | None = None, blend_with: str | None = None, **settings: Any) -> None:
        own = {} if ckpt is None or ckpt in PACKAGED else {Path(ckpt).stem: ckpt}
        self._paths = {**own, **{name: name for name in PACKAGED}}
        if ckpt in PACKAGED:  # first, and so the default
            self._paths = {ckpt: ckpt, **self._paths}
        self._blend_with = {**dict.fromkeys(own, blend_with), **TRAINED_ON_FROM}
        self._settings = settings
        self._made: OrderedDict[tuple[str, float], Upscaler] = OrderedDict()
        self._scales: dict[str, int] = {}
        self._lock = threading.Lock()

    @property
    def names(self) -> Sequence[str]:
        """The weights there are, the default first."""
        return list(self._paths)

    @property
    def blended(self) -> Sequence[str]:
        """Those that take a strength below 1."""
        return [name for name, other in self._blend_with.items() if other is not None]

    def scale(self, name: str) -> int:
        """How many times larger the results of some weights are, without waiting for a network that is at work.

        Raises:
            ValueError: If the weights cannot be used.
        """
        if name not in self._scales:
            self._scales[name] = Upscaler(self._paths[name], device="cpu", precision="fp32").scale
        return self._scales[name]

    @contextmanager
    def lent(self, name: str, strength: float) -> Iterator[Upscaler]:
        """An upscaler, which nobody else uses in the meantime.

        Raises:
            ValueError: If the weights cannot be used.
        """
        with self._lock:
            upscaler = self._made.pop((name, strength), None) or Upscaler(
                self._paths[name],
                strength=strength,
                blend_with=self._blend_with.get(name) if strength != 1 else None,
                **self._settings,
            )
            self._made[name, strength], self._scales[name] = upscaler, upscaler.scale
            while len(self._made) > _KEPT:
                self._made.popitem(last=False)
            yield upscaler
