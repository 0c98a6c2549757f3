"""Tools that an agent uses for the first time: a change worth recording, and at once a page when they destroy."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from undertow.drift.destructive import destructive
from undertow.drift.interaction import Interaction, Kind
from undertow.drift.rule import LONGEST_SHOWN, RuleHit

__all__ = ["RULE", "FirstSeen", "NewTool"]

Key = tuple[str, str, str]  # service, environment, agent

RULE = "first_destructive_tool"
_VERSION = 1
_LONGEST = 120  # characters of a tool's name that are kept
_MAX_CALLS = 64  # tools of one event
_DEEDS = {
    "delete": "deletes something",
    "destroy": "destroys something",
    "terminate": "ends something that runs",
    "revoke": "takes access away",
    "money": "moves money",
}


class NewTool(msgspec.Struct, frozen=True, gc=False):
    """A tool, or a class of destruction, that an agent had not used before.

    Parameters
    ----------
    time
        Event time, seconds since the epoch.
    event
        Id of the event, for whoever wants to read it.
    agent
        Empty when the event names none.
    tool
        Name of the tool.
    destroys
        The class that is new for this agent: delete, destroy, terminate, revoke or money; empty for a tool that is
        merely new. What has a class is a rule hit and pages at once; the rest is a change that is recorded.

    Examples
    --------
    >>> NewTool(0.0, "e7", "shop", "prod", "coder", "volumeDelete", "delete").hit.reason
    'coder deletes something for the first time, with volumeDelete'
    """

    time: float
    event: str
    service: str
    environment: str
    agent: str
    tool: str
    destroys: str = ""

    @property
    def hit(self) -> RuleHit | None:
        """What the rule says: the breach of a class that is new, None for a tool that is merely new."""
        if not self.destroys:
            return None
        who = self.agent[:LONGEST_SHOWN] or "an agent without a name"
        reason = f"{who} {_DEEDS[self.destroys]} for the first time, with {self.tool[:LONGEST_SHOWN]}"
        segment = (("agent", self.agent),) if self.agent else ()
        return RuleHit(RULE, self.service, self.environment, segment, reason, self.time, self.event)


class _Agent(msgspec.Struct, array_like=True):
    """What an agent has used: in `tools` since when, in `classes` with which tool."""

    first: float
    runs: int = 0
    tools: dict[str, float] = {}
    classes: dict[str, str] = {}


class _State(msgspec.Struct):
    version: int
    evicted: int
    unfollowed: int
    agents: list[tuple[str, str, str, _Agent]]


class FirstSeen:
    """Remembers which tools each agent of a service and environment has used.

    While an agent is being learned nothing is new: for its first `learn_runs` events with tools and its first `learn_s`
    seconds, whichever lasts longer. Then each tool is told once, and each class of destruction once, by the first
    call that belongs to it, whether the model asked for it or the tool reports that it ran: for this rule the request
    is enough. What an agent did while it was learned it may do.

    The rule looks at names, split in words, and at what SQL, shells, code and HTTP requests are told to do in the
    first 65,536 characters of each argument. Cost: 1 µs an event with a tool, 10 µs for one that executes commands.

    It cannot see a destructive deed under a harmless name (`sync_account`) or hidden in a script, and it does not
    prevent it: it says so within seconds.

    Parameters
    ----------
    learn_runs, learn_s
        How long an agent is learned: events with tools, seconds of event time.
    max_agents
        Agents remembered; beyond it the one that used no tool for longest is forgotten and learned anew, and `evicted`
        counts it.
    max_tools
        Tools remembered per agent; further ones are not followed, and `unfollowed` counts their runs. Their classes
        of destruction are.

    Examples
    --------
    >>> from undertow.drift.interaction import ToolCall
    >>> rule = FirstSeen(learn_runs=2, learn_s=0.0)
    >>> used = [ToolCall("read"), ToolCall("read"), ToolCall("write"), ToolCall("bash", {"cmd": "rm -rf /data"})]
    >>> for n, tool in enumerate(used):
    ...     event = Interaction(id=str(n), time=float(n), service="s", agent="coder", tool_calls=[tool])
    ...     print([(new.tool, new.destroys) for new in rule.observe(event)])
    []
    []
    [('write', '')]
    [('bash', ''), ('bash', 'delete')]
    """

    def __init__(
        self, learn_runs: int = 100, learn_s: float = 600.0, max_agents: int = 5_000, max_tools: int = 500
    ) -> None:
        for name, limit in (("max_agents", max_agents), ("max_tools", max_tools)):
            if not limit > 0:
                raise ValueError(f"{name} = {limit} leaves nothing to remember; give a positive number")
        for name, length in (("learn_runs", learn_runs), ("learn_s", learn_s)):
            if not length >= 0:
                raise ValueError(f"{name} = {length} is no length of a learning period; give 0 or more")
        self.learn_runs = learn_runs
        self.learn_s = learn_s
        self.max_agents = max_agents
        self.max_tools = max_tools
        self.evicted = self.unfollowed = 0
        self._agents: OrderedDict[Key, _Agent] = OrderedDict()  # the one that used no tool for longest is first

    def __len__(self) -> int:
        return len(self._agents)

    def observe(self, event: Interaction) -> list[NewTool]:
        """Take an event in the order read and return what is new, an event's tools in their order."""
        if not event.tool_calls or (event.kind is not Kind.CALL and event.kind is not Kind.TOOL):
            return []
        agent = self._agent((event.service, event.environment, event.agent or ""), event.time)
        learned = agent.runs >= self.learn_runs and event.time - agent.first >= self.learn_s
        agent.runs += 1
        agent.first = min(agent.first, event.time)
        found: list[NewTool] = []
        for call in event.tool_calls[:_MAX_CALLS]:
            name = call.name[:_LONGEST]
            fresh = [""] if self._first(agent, name, event.time) else []
            fresh += sorted(destructive(call) - agent.classes.keys())
            agent.classes.update((kind, name) for kind in fresh if kind)
            found += [_new(event, name, kind) for kind in fresh] if learned else []
        return found

    def _first(self, agent: _Agent, name: str, time: float) -> bool:
        if name in agent.tools:
            return False
        if len(agent.tools) >= self.max_tools:
            self.unfollowed += 1
            return False
        agent.tools[name] = time
        return True

    def _agent(self, key: Key, time: float) -> _Agent:
        agent = self._agents.get(key)
        if agent is None:
            agent = self._agents[key] = _Agent(time)
            if len(self._agents) > self.max_agents:
                self._agents.popitem(last=False)
                self.evicted += 1
        self._agents.move_to_end(key)
        return agent

    def snapshot(self) -> dict[str, Any]:
        """Return what is remembered as plain data."""
        state = _State(_VERSION, self.evicted, self.unfollowed, [(*key, agent) for key, agent in self._agents.items()])
        return dict(msgspec.to_builtins(state))

    @classmethod
    def build(
        cls,
        learn_runs: int = 100,
        learn_s: float = 600.0,
        max_agents: int = 5_000,
        max_tools: int = 500,
        state: dict[str, Any] | None = None,
    ) -> FirstSeen:
        """Return a rule that goes on from a snapshot, or begins; other limits than the snapshot's hold from here on."""
        rule = cls(learn_runs, learn_s, max_agents, max_tools)
        if state is None:
            return rule
        if state.get("version") != _VERSION:
            raise ValueError(f"first seen: snapshot version {state.get('version')!r} is not {_VERSION}; start anew")
        restored = msgspec.convert(state, _State)
        rule.evicted, rule.unfollowed = restored.evicted, restored.unfollowed
        for service, environment, name, agent in restored.agents:
            rule._agents[service, environment, name] = agent
        return rule


def _new(event: Interaction, tool: str, destroys: str) -> NewTool:
    return NewTool(event.time, event.id, event.service, event.environment, event.agent or "", tool, destroys)
