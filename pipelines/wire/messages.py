"""What was said, what was called and what was retrieved, from the shapes of the common providers and tracers."""

from __future__ import annotations

from typing import Any

import msgspec

from undertow.drift.interaction import Document, Message, ToolCall
from undertow.pipelines.wire.paths import embedded

__all__ = ["content", "documents", "tool_calls"]

# Parts that are said; the others (reasoning, tool calls and results, images, audio) are neither input nor answer.
SAID = {"", "text", "input_text", "output_text", "refusal"}
_WRAPPERS = ("messages", "message", "choices", "prompt", "output", "text", "content", "input", "query", "answer")


def content(value: Any) -> str | list[Message] | None:
    """Return a text or a list of messages; an object of any other shape is itself the text, as JSON.

    Examples
    --------
    >>> content([{"role": "user", "parts": [{"type": "text", "content": "Hi"}]}])
    [Message(role='user', content=[{'type': 'text', 'content': 'Hi'}])]
    >>> content({"answer": {"city": "Paris"}}), content([{"type": "text", "text": "a"}])
    ('{"answer":{"city":"Paris"}}', [Message(role='', content=[{'type': 'text', 'text': 'a'}])])
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, list):
        return _from_list(value)
    if isinstance(value, dict):
        return _from_object(value)
    return msgspec.json.encode(value).decode()


def _from_list(items: list[Any]) -> str | list[Message] | None:
    if all(isinstance(item, str) for item in items):
        return "\n".join(items) if items else None
    if not all(isinstance(item, dict) for item in items):
        return msgspec.json.encode(items).decode()
    if any(_is_message(item) for item in items):
        return [_message(item) for item in items if _is_message(item)]
    parts = _said(items)
    return [Message("", parts)] if parts else None


def _from_object(value: dict[str, Any]) -> str | list[Message] | None:
    if _is_message(value):
        return [_message(value)]
    for name in _WRAPPERS:
        inner = value.get(name)
        if isinstance(inner, str | list) and inner and (len(value) == 1 or name == "messages"):
            return content(inner)
    return msgspec.json.encode(value).decode()


def _is_message(item: dict[str, Any]) -> bool:
    return isinstance(item.get("role"), str) or isinstance(item.get("message"), dict)


def _message(item: dict[str, Any]) -> Message:
    inner = item.get("message")
    if isinstance(inner, dict):
        return _message(inner)
    role = str(item.get("role") or "").lower().removeprefix("message_role_")
    said = next((item[name] for name in ("content", "contents", "parts", "text", "message") if item.get(name)), None)
    if isinstance(said, list):
        return Message(role, _said(said))
    return Message(role, said if isinstance(said, str) or said is None else msgspec.json.encode(said).decode())


def _said(parts: list[Any]) -> list[Any]:
    return [part for part in parts if isinstance(part, str) or _is_said(part)]


def _is_said(part: Any) -> bool:
    if not isinstance(part, dict) or part.get("type", "") not in SAID:
        return False
    return any(isinstance(part.get(name), str) for name in ("text", "content", "refusal"))


def tool_calls(value: Any) -> list[ToolCall] | None:
    """Return the tools that were called, from OpenAI, Anthropic, OTel and flat shapes; None when there are none.

    Examples
    --------
    >>> tool_calls([{"id": "1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}])
    [ToolCall(name='weather', arguments='{}', result=None, error=None)]
    >>> tool_calls([{"type": "text", "text": "Let me see"}, {"type": "tool_use", "name": "look", "input": {"q": 1}}])
    [ToolCall(name='look', arguments={'q': 1}, result=None, error=None)]
    """
    if isinstance(value, str):
        value = embedded(value) if value[:1] in ("[", "{") else [{"name": value}] if value else None
    items = value if isinstance(value, list) else [value]
    found = [_tool_call(part) for item in items for part in _calls_in(item)]
    return [call for call in found if call is not None] or None


def _calls_in(item: Any) -> list[Any]:
    if isinstance(item, str):
        return [{"name": item}]
    if not isinstance(item, dict):
        return []
    for name in ("tool_calls", "parts", "content"):
        if isinstance(item.get(name), list):
            return list(item[name])
    return [item]


def _tool_call(item: Any) -> ToolCall | None:
    if not isinstance(item, dict) or item.get("type") in ("tool_call_response", "tool_result", "text"):
        return None
    for name in ("function", "tool_call", "toolUse"):
        if isinstance(item.get(name), dict):
            item = {**item, **item[name]}
    called = item.get("name") or item.get("toolName") or item.get("tool_name")
    if not isinstance(called, str):
        return None
    given = next(
        (item[name] for name in ("arguments", "input", "args", "input_json") if item.get(name) is not None), None
    )
    return ToolCall(called, given, item.get("result"), item.get("error"))


def documents(value: Any) -> list[Document] | None:
    """Return the retrieved documents with their scores; None when there are none.

    Examples
    --------
    >>> documents([{"document": {"id": "a", "score": 0.5}}, {"doc_id": "b"}])
    [Document(id='a', score=0.5), Document(id='b', score=None)]
    """
    items = embedded(value) if isinstance(value, str) else value
    if not isinstance(items, list):
        return None
    return [_document(item) for item in items] or None


def _document(item: Any) -> Document:
    if not isinstance(item, dict):
        return Document(str(item))
    inner = item.get("document")
    item = inner if isinstance(inner, dict) else item
    name = next((item[key] for key in ("id", "doc_id", "document_id", "source") if item.get(key) is not None), None)
    score = next((item[key] for key in ("score", "relevance_score") if isinstance(item.get(key), int | float)), None)
    return Document(None if name is None else str(name), None if score is None else float(score))
