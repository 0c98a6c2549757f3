"""The signals: one file each, and this table of them."""

from collections.abc import Callable

from undertow.drift.signal import CategorySignal, Signal, VectorSignal
from undertow.drift.signals.cached_token_share import CachedTokenShare
from undertow.drift.signals.config_mix import ConfigMix
from undertow.drift.signals.documents_retrieved import DocumentsRetrieved
from undertow.drift.signals.empty import Empty
from undertow.drift.signals.empty_retrieval import EmptyRetrieval
from undertow.drift.signals.error import Errors
from undertow.drift.signals.fallback import Fallback
from undertow.drift.signals.input_centroid import InputCentroid
from undertow.drift.signals.input_length import InputLength
from undertow.drift.signals.input_tokens import InputTokens
from undertow.drift.signals.label_mix import LabelMix
from undertow.drift.signals.latency import Latency
from undertow.drift.signals.model_mix import ModelMix
from undertow.drift.signals.output_centroid import OutputCentroid
from undertow.drift.signals.output_format import OutputFormat
from undertow.drift.signals.output_length import OutputLength
from undertow.drift.signals.output_structure import OutputStructure
from undertow.drift.signals.output_tokens import OutputTokens
from undertow.drift.signals.partial_refusal import PartialRefusal
from undertow.drift.signals.reasoning_tokens import ReasoningTokens
from undertow.drift.signals.refusal import Refusal
from undertow.drift.signals.retrieval_score import RetrievalScore
from undertow.drift.signals.schema_violation import SchemaViolation
from undertow.drift.signals.schema_violation_kind import SchemaViolationKind
from undertow.drift.signals.stop_sequence import StopSequence
from undertow.drift.signals.time_to_first_token import TimeToFirstToken
from undertow.drift.signals.tool_error import ToolErrors
from undertow.drift.signals.tool_mix import ToolMix
from undertow.drift.signals.tool_schema_violation import ToolSchemaViolation
from undertow.drift.signals.tool_schema_violation_kind import ToolSchemaViolationKind
from undertow.drift.signals.truncation import Truncation
from undertow.drift.vectors import VectorSource

__all__ = ["ALSO_TOOLS", "CATEGORIES", "SIGNALS", "VECTORS"]

SIGNALS: dict[str, type[Signal]] = {
    "refusal_rate": Refusal,
    "partial_refusal_rate": PartialRefusal,
    "schema_violation_rate": SchemaViolation,
    "truncation_rate": Truncation,
    "empty_rate": Empty,
    "error_rate": Errors,
    "output_length": OutputLength,
    "input_length": InputLength,
    "output_tokens": OutputTokens,
    "input_tokens": InputTokens,
    "latency": Latency,
    "tool_schema_violation_rate": ToolSchemaViolation,
    "tool_error_rate": ToolErrors,
    "stop_sequence_rate": StopSequence,
    "fallback_rate": Fallback,
    "empty_retrieval_rate": EmptyRetrieval,
    "documents_retrieved": DocumentsRetrieved,
    "retrieval_score": RetrievalScore,
    "reasoning_tokens": ReasoningTokens,
    "time_to_first_token": TimeToFirstToken,
    "cached_token_share": CachedTokenShare,
}

CATEGORIES: dict[str, type[CategorySignal]] = {
    "output_structure": OutputStructure,
    "output_format": OutputFormat,
    "schema_violation": SchemaViolationKind,
    "tool_schema_violation": ToolSchemaViolationKind,
    "tool_mix": ToolMix,
    "model_mix": ModelMix,
    "config_mix": ConfigMix,
    "label_mix": LabelMix,
}

VECTORS: dict[str, Callable[[VectorSource], VectorSignal]] = {
    "input_centroid": InputCentroid,
    "output_centroid": OutputCentroid,
}

ALSO_TOOLS = frozenset({"tool_error_rate"})  # what tools say that report themselves, beside the calls
