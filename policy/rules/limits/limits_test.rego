# METADATA
# title: Tests of the limits
package toolgate.rules.limits_test

import data.toolgate.decision

test_every_call_counts_for_its_turn_and_its_hour if {
	decided := decision.call with input as {"version": 1, "server": {"name": "any"}, "tool": {"name": "any"}}
	decided.verdict == "budget"
	{[budget.rule, budget.by, budget.per, budget.unit, budget.limit, budget.cost] | some budget in decided.budgets} == {
		["limits.turn", ["agent", "principal", "session"], "turn", "calls", 5, 1],
		["limits.hour", ["principal"], "hour", "calls", 1000, 1],
	}
}
