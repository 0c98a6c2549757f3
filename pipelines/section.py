"""What the sections of the settings are made of: bounded numbers, secrets that nothing shows, a table of the file."""

from __future__ import annotations

from typing import Annotated

import msgspec

__all__ = ["SECRETS", "NotNegative", "Positive", "PositiveInt", "Secret", "Section", "Share"]

Positive = Annotated[float, msgspec.Meta(gt=0, lt=1e12)]
NotNegative = Annotated[float, msgspec.Meta(ge=0, lt=1e12)]
Share = Annotated[float, msgspec.Meta(gt=0, lt=1)]
PositiveInt = Annotated[int, msgspec.Meta(gt=0)]


class Secret(str):
    """A text that no log, repr or error shows; `str(secret)` is masked too, `.reveal()` is the only way in."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Secret('***')"

    __str__ = __repr__

    def reveal(self) -> str:
        """Return the plain value."""
        return str.__str__(self)


SECRETS = frozenset(
    {
        "address_key",
        "deploy_secret",
        "password",
        "ping_url",
        "routing_key",
        "secret",
        "service_urls",
        "token",
        "user_key",
        "webhook_secret",
        "webhook_url",
    }
)


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of the TOML file; its repr shows no secret."""

    def __repr__(self) -> str:
        shown = {name: getattr(self, name) for name in self.__struct_fields__}
        masked = {name: "***" if name in SECRETS and value else value for name, value in shown.items()}
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in masked.items())})"
