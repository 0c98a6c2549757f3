"""The traffic generator: a simulated support assistant with declared incidents, for demo, tests, benchmarks, trials.

`INCIDENTS` names what can be planted; each says what it changes, which metric shows it, where, and why.
"""

from undertow.pipelines.simulator.incidents import INCIDENTS, Incident
from undertow.pipelines.simulator.output import live, write
from undertow.pipelines.simulator.scenario import MONDAY, Planted, Scenario, ScenarioError, truth
from undertow.pipelines.simulator.traffic import events, generate, labelled
from undertow.pipelines.simulator.world import SCHEMAS

__all__ = [
    "INCIDENTS",
    "MONDAY",
    "SCHEMAS",
    "Incident",
    "Planted",
    "Scenario",
    "ScenarioError",
    "events",
    "generate",
    "labelled",
    "live",
    "truth",
    "write",
]
