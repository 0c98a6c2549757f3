import pytest

from undertow.drift.finish import Finish, finish_of


@pytest.mark.parametrize(
    ("raw", "finish"),
    [
        ("stop", Finish.STOP),
        ("end_turn", Finish.STOP),
        ("COMPLETE", Finish.STOP),
        ("FINISH", Finish.STOP),
        ("eos_token", Finish.STOP),
        ("length", Finish.LENGTH),
        ("max_tokens", Finish.LENGTH),
        ("max_output_tokens", Finish.LENGTH),
        ("MAX_TOKENS", Finish.LENGTH),
        ("FinishReason.MAX_TOKENS", Finish.LENGTH),
        ("FINISH_REASON_MAX_TOKENS", Finish.LENGTH),
        ("tool_calls", Finish.TOOL),
        ("tool_call", Finish.TOOL),
        ("tool-calls", Finish.TOOL),
        ("tool_use", Finish.TOOL),
        ("function_call", Finish.TOOL),
        ("pause_turn", Finish.TOOL),
        ("content_filter", Finish.CONTENT_FILTER),
        ("content-filter", Finish.CONTENT_FILTER),
        ("SAFETY", Finish.CONTENT_FILTER),
        ("guardrail_intervened", Finish.CONTENT_FILTER),
        ("refusal", Finish.REFUSAL),
        ("stop_sequence", Finish.STOP_SEQUENCE),
        ("model_context_window_exceeded", Finish.CONTEXT_EXCEEDED),
        ("model_length", Finish.CONTEXT_EXCEEDED),
        ("error", Finish.ERROR),
        ("MALFORMED_FUNCTION_CALL", Finish.ERROR),
        ("cancelled", Finish.CANCELLED),
        ("USER_CANCEL", Finish.CANCELLED),
    ],
)
def test_raw_reasons_of_every_provider_have_their_class(raw: str, finish: Finish) -> None:
    assert finish_of(raw) is finish


@pytest.mark.parametrize("raw", ["tired", "x" * 10_000, "stop because the user said so"])
def test_a_reason_that_no_provider_documents_is_unknown_not_guessed(raw: str) -> None:
    assert finish_of(raw) is Finish.UNKNOWN


@pytest.mark.parametrize("raw", [None, ""])
def test_an_absent_reason_stays_absent(raw: str | None) -> None:
    assert finish_of(raw) is None
