# METADATA
# title: Limits
# description: |
#   How much one agent does before it has to stop. It names its turns itself, so there is a limit per principal too.
package toolgate.rules.limits

finding contains {
	"rule": "limits.turn",
	"verdict": "budget",
	"message": "five calls per turn",
	"budget": {"by": ["principal", "agent", "session"], "per": "turn", "unit": "calls", "limit": 5},
}

finding contains {
	"rule": "limits.hour",
	"verdict": "budget",
	"message": "1,000 calls per principal and hour",
	"budget": {"by": ["principal"], "per": "hour", "unit": "calls", "limit": 1000},
}
