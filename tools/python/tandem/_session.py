from __future__ import annotations

from typing import Any, TypeVar

Self = TypeVar("Self", bound="Session")


class Session:
    """What holds ranks until it is closed; a context manager."""

    _session: Any

    def close(self) -> None:
        """Ends the ranks and frees their memory. Any other call raises Error from then on."""
        self._session.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
