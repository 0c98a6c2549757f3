"""Tool definitions of all providers, and tool calls against the schemas in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

import msgspec

from undertow.drift.interaction import Interaction, ToolCall
from undertow.drift.validation import Compiled, Reasons, Validator, compiled, violation

__all__ = ["SATISFIED", "ToolSchemas", "definitions"]

SATISFIED = "satisfied"
LONGEST_ARGUMENTS = 1_000_000  # characters
_MOST_TOOLBOXES = 256
_MOST_TOOLS = 512
_LONGEST_NAME = 64  # characters; what was offered is named by developers, so it is no data
_LISTS = ("functionDeclarations", "function_declarations")  # Gemini
_WRAPPERS = ("function", "toolSpec", "tool_spec")  # OpenAI; Bedrock
_SCHEMAS = (
    *("parameters", "input_schema", "inputSchema", "parametersJsonSchema", "parameters_json_schema"),
    *("json_schema", "args_schema", "schema"),
)
_TYPES = frozenset({"STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL"})

Toolbox = dict[str, Validator | None]


def definitions(tools: Any) -> Iterator[tuple[str, Any]]:
    """Yield the name and the schema (None where there is none) of each tool that was offered.

    Reads the shapes of OpenAI (`function.parameters`), Anthropic (`input_schema`), Gemini (`functionDeclarations`),
    Bedrock (`toolSpec.inputSchema.json`), MCP and the Vercel SDK (`inputSchema`), lists of JSON texts, and one JSON
    text that holds them all. A tool without a name is yielded as "".

    Examples
    --------
    >>> list(definitions([{"name": "find", "input_schema": {"type": "object"}}]))
    [('find', {'type': 'object'})]
    >>> list(definitions([{"functionDeclarations": [{"name": "look", "parameters": {"type": "OBJECT"}}]}]))
    [('look', {'type': 'OBJECT'})]
    """
    for tool in _listed(tools):
        nested = [inner for key in _LISTS for inner in _listed(tool.get(key))]
        if nested:
            yield from ((_name(inner), _schema(inner)) for inner in nested)
            continue
        inner = next((tool[key] for key in _WRAPPERS if isinstance(tool.get(key), dict)), tool)
        yield _name(inner), _schema(inner)


def _listed(tools: Any) -> list[dict[str, Any]]:
    tools = _decoded(tools)
    items = tools if isinstance(tools, list) else [tools]
    return [item for item in map(_decoded, items) if isinstance(item, dict)]


def _decoded(value: Any) -> Any:
    """Return what a JSON text holds, any other value as it is."""
    if not isinstance(value, str) or value[:1] not in ("{", "["):
        return value
    try:
        return msgspec.json.decode(value)
    except (ValueError, RecursionError):
        return None


def _name(tool: Mapping[str, Any]) -> str:
    name = tool.get("name")
    return name if isinstance(name, str) else ""


def _schema(tool: Mapping[str, Any]) -> Any:
    schema = next((tool[key] for key in _SCHEMAS if tool.get(key) is not None), None)
    schema = _decoded(schema)
    for wrapper in ("json", "jsonSchema"):  # Bedrock; Vercel
        if isinstance(schema, dict) and isinstance(schema.get(wrapper), dict):
            schema = schema[wrapper]
    return schema if isinstance(schema, dict | bool) else None


class ToolSchemas:
    """Says of the tools a call made what the first wrong one breaks; remembers the last 256 sets of definitions.

    Examples
    --------
    >>> find = {"name": "find", "input_schema": {"type": "object", "required": ["query"]}}
    >>> calls = [ToolCall("find", {"query": "a"}), ToolCall("find", '{"q": "a"}')]
    >>> event = Interaction(id="1", time=0.0, service="s", tools=[find], tool_calls=calls)
    >>> ToolSchemas().judge(event)
    'find: required at query'
    """

    def __init__(self) -> None:
        self._toolboxes = Compiled(_toolbox, _MOST_TOOLBOXES)
        self.skipped = Reasons()

    def judge(self, event: Interaction) -> str | None:
        """Return "satisfied", what the first wrong call breaks, or None when nothing can be said of any call.

        A call of a tool that was not offered is wrong when all that was offered has names. Arguments that were not
        recorded, tools without a schema, and broken schemas (counted in `skipped`) say nothing.
        """
        if not event.tool_calls or not event.tools:
            return None
        toolbox = self._toolboxes.of(event.tools)
        if not toolbox:
            self.skipped.add("no definitions in `tools`")
            return None
        judged = [self._judge(toolbox, call) for call in event.tool_calls[:_MOST_TOOLS]]
        said = [what for what in judged if what is not None]
        return next((what for what in said if what != SATISFIED), said[0] if said else None)

    def _judge(self, toolbox: Toolbox, call: ToolCall) -> str | None:
        if call.name not in toolbox:
            return None if "" in toolbox else "not offered"
        validator = toolbox[call.name]
        if validator is None or call.arguments is None:
            if validator is None:
                self.skipped.add(f"no schema to judge by for tool '{call.name[:100]}'")
            return None
        if isinstance(call.arguments, str) and len(call.arguments) > LONGEST_ARGUMENTS:
            self.skipped.add(f"arguments above {LONGEST_ARGUMENTS:,} characters")
            return None
        broken = _broken(validator, call.arguments)
        return f"{call.name[:_LONGEST_NAME]}: {broken}" if broken else SATISFIED


def _broken(validator: Validator, arguments: Any) -> str | None:
    """Return what arguments break; as a text they are JSON, and nothing stands for none."""
    if isinstance(arguments, str):
        try:
            arguments = msgspec.json.decode(arguments) if arguments.strip() else {}
        except (ValueError, RecursionError):
            return "arguments are not JSON"
    return violation(validator, arguments)


def _toolbox(encoded: bytes) -> Toolbox:
    """Return the validators of the tools by name, None for those without a schema that can judge."""
    try:
        tools = msgspec.json.decode(encoded)
    except (ValueError, RecursionError):
        return {}
    return {name: _validator(schema) for name, schema in islice(definitions(tools), _MOST_TOOLS)}


def _validator(schema: Any) -> Validator | None:
    try:
        return None if schema is None else compiled(msgspec.json.encode(_plain(schema)))
    except (ValueError, RecursionError):
        return None


def _plain(schema: Any) -> Any:
    """Return a schema with Gemini's spelling of types brought to JSON Schema's: `"STRING"`, `nullable`."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        return {key: _plain(value) for key, value in schema.items()}
    rest = {key: _plain(value) for key, value in schema.items() if key != "nullable"}
    return {**rest, "type": [kind.lower(), "null"] if schema.get("nullable") is True else kind.lower()}
