# METADATA
# title: Findings
# description: |
#   What a well-formed finding is. A finding that nobody understands must not be overheard, so the decision library turns any other into
#   a denial. `policy/schemas/finding.json` says the same for editors and checks.
package toolgate.finding

# METADATA
# description: Every part that the verdict needs is there and in order, and nothing else is.
is_well_formed(team, finding) if {
	has_known_fields(finding)
	is_named_by(team, finding)
	has_verdict(finding)
	has_message(finding)
	is_approval_in_order(finding)
	is_budget_in_order(finding)
	is_redact_in_order(finding)
	are_limits_in_order(finding)
}

# METADATA
# description: |
#   The same for `result_finding`. The call has run: a result can pass, redacted, or be withheld, and nothing else is left to ask for.
is_well_formed_for_result(team, finding) if {
	is_well_formed(team, finding)
	suits_result(finding)
}

# METADATA
# description: Which parts are not in order, for a person to read. Costly, so only asked about findings that are refused.
faults(team, finding) := [part |
	some part in ["fields", "rule", "verdict", "message", "approval", "budget", "redact", "limits"]
	has_fault(part, team, finding)
]

# METADATA
# description: What one call takes from the budget. An attempt costs 1; every other unit has to say.
cost(budget) := budget.cost

cost(budget) := 1 if {
	budget.unit == "calls"
	is_absent(budget, "cost")
}

has_fault("fields", _, finding) if not has_known_fields(finding)

has_fault("rule", team, finding) if not is_named_by(team, finding)

has_fault("verdict", _, finding) if not has_verdict(finding)

has_fault("message", _, finding) if not has_message(finding)

has_fault("approval", _, finding) if not is_approval_in_order(finding)

has_fault("budget", _, finding) if not is_budget_in_order(finding)

has_fault("redact", _, finding) if not is_redact_in_order(finding)

has_fault("limits", _, finding) if not are_limits_in_order(finding)

has_known_fields(finding) if only(finding, fields.finding)

# So that no other team's approval can release it.
is_named_by(team, finding) if {
	prefix := concat("", [team, "."])
	startswith(finding.rule, prefix)
	finding.rule != prefix
}

has_verdict(finding) if finding.verdict in words.verdict

has_message(finding) if is_text(finding.message)

is_approval_in_order(finding) if {
	finding.verdict == "approvalRequired"
	is_approval(finding.approval)
}

is_approval_in_order(finding) if {
	finding.verdict != "approvalRequired"
	is_absent(finding, "approval")
}

is_budget_in_order(finding) if {
	finding.verdict == "budget"
	is_budget(finding.budget)
}

is_budget_in_order(finding) if {
	finding.verdict != "budget"
	is_absent(finding, "budget")
}

is_redact_in_order(finding) if is_absent(finding, "redact")

is_redact_in_order(finding) if {
	is_list(finding.redact)
	every redaction in finding.redact {
		is_redaction(redaction)
	}
}

are_limits_in_order(finding) if is_absent(finding, "limits")

are_limits_in_order(finding) if {
	only(finding.limits, fields.limits)
	every limit in finding.limits {
		is_integer_within(limit, 1, max_integer)
	}
}

suits_result(finding) if {
	finding.verdict in {"allow", "deny"}
	is_absent(finding, "limits")
	every redaction in object.get(finding, "redact", []) {
		redaction.target == "result"
	}
}

is_approval(approval) if {
	only(approval, fields.approval)
	is_list(approval.approvers)
	count(approval.approvers) > 0
	every approver in approval.approvers {
		is_text(approver)
	}
	is_integer_within(approval.quorum, 1, 100)
	is_integer_within(approval.ttlSeconds, 1, 30 * day_seconds)
}

is_budget(budget) if {
	only(budget, fields.budget)
	is_list(budget.by)
	every dimension in budget.by {
		is_dimension(dimension)
	}
	is_period(budget.per)
	is_text(budget.unit)
	is_integer_within(budget.limit, 0, max_integer)
	is_integer_within(cost(budget), 0, max_integer)
	is_text(object.get(budget, "timezone", "UTC"))
	is_settle_in_order(budget)
}

is_dimension(dimension) if dimension in words.dimension

is_dimension(dimension) if startswith(dimension, "value:")

is_period(period) if period in words.period

is_period(period) if is_integer_within(period, 1, 366 * day_seconds)

is_settle_in_order(budget) if is_absent(budget, "settle")

is_settle_in_order(budget) if {
	only(budget.settle, fields.settle)
	is_pointer(budget.settle.pointer)
}

is_redaction(redaction) if {
	only(redaction, fields.redaction)
	redaction.target in words.target
	is_pointer(redaction.path)
	redaction.mode in words.mode
	is_text(object.get(redaction, "match", "the whole value"))
}

is_pointer("")

is_pointer(pointer) if startswith(pointer, "/")

is_text(value) if {
	is_string(value)
	value != ""
}

is_list(value) if is_array(value)

is_list(value) if is_set(value)

is_integer_within(value, low, high) if {
	is_number(value)
	floor(value) == value
	value >= low
	value <= high
}

is_absent(record, field) if not has_field(record, field)

has_field(record, field) if _ = record[field]

only(value, fields) if object.remove(value, fields) == {}

# Lists and not sets: what is built anew for every call had better not be hashed.
fields := {
	"finding": ["rule", "verdict", "message", "approval", "budget", "redact", "limits"],
	"approval": ["approvers", "quorum", "ttlSeconds"],
	"budget": ["by", "per", "unit", "limit", "cost", "timezone", "settle"],
	"settle": ["pointer"],
	"redaction": ["target", "path", "match", "mode"],
	"limits": ["timeoutMs", "maxResultBytes"],
}

words := {
	"verdict": ["deny", "approvalRequired", "budget", "allow"],
	"dimension": ["principal", "agent", "session", "server", "tool"],
	"period": ["turn", "session", "minute", "hour", "day", "month"],
	"target": ["request", "result", "audit"],
	"mode": ["mask", "remove", "hash"],
}

day_seconds := 86400

# The largest integer that every JSON reader keeps exactly.
max_integer := 9007199254740991
