# METADATA
# title: Findings
# description: >
#   What a well-formed finding is. Whatever is not one counts as a denial: a rule that says something nobody understands must not be
#   overheard. `problem(team, finding)` is undefined for a well-formed finding.
package toolgate.finding

verdicts := {"deny", "approvalRequired", "budget", "allow"}

known_keys := {"rule", "verdict", "message", "approval", "budget", "redact", "limits"}

max_integer := 9007199254740991

# METADATA
# description: A finding of `finding` has every part that its verdict needs, and no other.
well_formed(team, finding) if {
	is_object(finding)
	object.keys(finding) & known_keys == object.keys(finding)
	is_string(finding.rule)
	startswith(finding.rule, sprintf("%s.", [team]))
	finding.verdict in verdicts
	is_text(finding.message)
	approval_fits(finding)
	budget_fits(finding)
	every item in object.get(finding, "redact", []) {
		redaction(item)
	}
	is_list(object.get(finding, "redact", []))
	limits(object.get(finding, "limits", {}))
}

# METADATA
# description: A finding of `result_finding` may only let a result pass, redacted, or withhold it.
well_formed_result(team, finding) if {
	well_formed(team, finding)
	finding.verdict in {"allow", "deny"}
	not finding.limits
	every item in object.get(finding, "redact", []) {
		item.target == "result"
	}
}

approval_fits(finding) if {
	finding.verdict == "approvalRequired"
	approval(finding.approval)
}

approval_fits(finding) if {
	finding.verdict != "approvalRequired"
	not has(finding, "approval")
}

budget_fits(finding) if {
	finding.verdict == "budget"
	budget(finding.budget)
}

budget_fits(finding) if {
	finding.verdict != "budget"
	not has(finding, "budget")
}

approval(value) if {
	only(value, {"approvers", "quorum", "ttlSeconds"})
	is_list(value.approvers)
	count(value.approvers) > 0
	every approver in value.approvers {
		is_text(approver)
	}
	integer_within(value.quorum, 1, 100)
	integer_within(value.ttlSeconds, 1, 2592000)
}

budget(value) if {
	only(value, {"by", "per", "unit", "limit", "cost", "timezone", "settle"})
	is_list(value.by)
	every dimension in value.by {
		is_dimension(dimension)
	}
	is_period(value.per)
	is_text(value.unit)
	integer_within(value.limit, 0, max_integer)
	integer_within(cost(value), 0, max_integer)
	is_text(object.get(value, "timezone", "UTC"))
	settle(object.get(value, "settle", {"pointer": ""}))
}

# METADATA
# description: The cost of one call. An attempt costs 1; every other unit has to say.
cost(value) := value.cost

cost(value) := 1 if {
	value.unit == "calls"
	not has(value, "cost")
}

is_dimension(value) if value in {"principal", "agent", "session", "server", "tool"}

is_dimension(value) if {
	is_string(value)
	startswith(value, "value:")
}

is_period(value) if value in {"turn", "session", "minute", "hour", "day", "month"}

is_period(value) if integer_within(value, 1, 31622400)

settle(value) if {
	only(value, {"pointer"})
	is_pointer(value.pointer)
}

redaction(value) if {
	only(value, {"target", "path", "match", "mode"})
	value.target in {"request", "result", "audit"}
	is_pointer(value.path)
	value.mode in {"mask", "remove", "hash"}
	is_text(object.get(value, "match", "whole value"))
}

limits(value) if {
	only(value, {"timeoutMs", "maxResultBytes"})
	every limit in value {
		integer_within(limit, 1, max_integer)
	}
}

only(value, keys) if {
	is_object(value)
	object.keys(value) & keys == object.keys(value)
}

has(value, key) if key in object.keys(value)

is_text(value) if {
	is_string(value)
	value != ""
}

is_list(value) if is_array(value)

is_list(value) if is_set(value)

is_pointer(value) if value == ""

is_pointer(value) if {
	is_string(value)
	startswith(value, "/")
}

integer_within(value, low, high) if {
	is_number(value)
	floor(value) == value
	value >= low
	value <= high
}
