# METADATA
# title: Bench
# description: Everybody may call both tools; the calls of one of them are counted.
package toolgate.rules.bench

access contains "everybody is measured" if input.server.name == "mock"

finding contains {
	"rule": "bench.calls",
	"verdict": "budget",
	"message": "a limit that no bench reaches",
	"budget": {"by": ["principal"], "per": "day", "unit": "calls", "limit": 1000000000},
} if {
	input.tool.name == "echo_on_budget"
}
