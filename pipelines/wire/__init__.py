"""Wire formats: the table of decoders, and the one that the settings ask for."""

from __future__ import annotations

from collections.abc import Callable

from undertow.pipelines.decoder import Decoder
from undertow.pipelines.settings import Ingest
from undertow.pipelines.wire.foreign import ForeignDecoder
from undertow.pipelines.wire.native import NativeDecoder

__all__ = ["DECODERS", "decoder_for"]

DECODERS: dict[str, Callable[[Ingest], Decoder]] = {
    "native": lambda ingest: NativeDecoder(ingest.service),
    "foreign": lambda ingest: ForeignDecoder(ingest.fields, ingest.service),
}


def decoder_for(ingest: Ingest) -> Decoder:
    """Return the decoder for these settings: foreign when there is a `[ingest.fields]` map, else native.

    Raises
    ------
    undertow.pipelines.settings.SettingsError
        The map names an unknown event field or holds a path that cannot be read.

    Examples
    --------
    >>> decode = decoder_for(Ingest(fields={"time": "at", "output": "answer"}, service="support"))
    >>> event = decode(b'{"at": 1700000000, "answer": "Sure."}')
    >>> event.service, event.time, event.output
    ('support', 1700000000.0, 'Sure.')
    """
    return DECODERS["foreign" if ingest.fields else "native"](ingest)
