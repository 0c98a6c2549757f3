"""The signals: one file each, and this table of them."""

from undertow.drift.signal import Signal
from undertow.drift.signals.empty import Empty
from undertow.drift.signals.error import Errors
from undertow.drift.signals.input_length import InputLength
from undertow.drift.signals.input_tokens import InputTokens
from undertow.drift.signals.latency import Latency
from undertow.drift.signals.output_length import OutputLength
from undertow.drift.signals.output_tokens import OutputTokens
from undertow.drift.signals.refusal import Refusal
from undertow.drift.signals.schema_violation import SchemaViolation
from undertow.drift.signals.truncation import Truncation

__all__ = ["SIGNALS"]

SIGNALS: dict[str, type[Signal]] = {
    "refusal_rate": Refusal,
    "schema_violation_rate": SchemaViolation,
    "truncation_rate": Truncation,
    "empty_rate": Empty,
    "error_rate": Errors,
    "output_length": OutputLength,
    "input_length": InputLength,
    "output_tokens": OutputTokens,
    "input_tokens": InputTokens,
    "latency": Latency,
}
