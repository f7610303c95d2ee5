# METADATA
# title: Decisions
# description: |
#   Folds what the teams' rules say into one decision. Teams write the sets `access`, `finding` and `result_finding` in
#   `toolgate.rules.<team>`. Access widens, findings only ever tighten, and the order of files and rules never matters.
package toolgate.decision

import data.toolgate.finding as shape

# METADATA
# title: May this principal see and reach this tool at all
# description: Decides what is listed and gates every call. The input has no arguments.
# entrypoint: true
default list := false

list if {
	input.version == 1
	some team
	some reason in data.toolgate.rules[team].access
	is_string(reason)
}

# METADATA
# title: What one call needs
# entrypoint: true
call := fold(array.concat(array.concat(call_findings, call_unheard), input_findings))

# METADATA
# title: May this result pass, and what of it
# entrypoint: true
result := fold(array.concat(array.concat(result_findings, result_unheard), input_findings))

# METADATA
# title: What the data says
# description: Lets the gateway prove that the compiled policy honours its data.
# entrypoint: true
selftest := data.toolgate.selftest

call_findings := [heard(team, finding) |
	some team
	some finding in data.toolgate.rules[team].finding
]

result_findings := [heard_of_result(team, finding) |
	some team
	some finding in data.toolgate.rules[team].result_finding
]

# A rule that assigns one value instead of adding to the set.
call_unheard := [not_a_set(team, "finding") |
	some team
	found := data.toolgate.rules[team].finding
	not is_set(found)
]

result_unheard := [not_a_set(team, "result_finding") |
	some team
	found := data.toolgate.rules[team].result_finding
	not is_set(found)
]

# Rules read the input by its version: what they say of another one means nothing.
input_findings := [denial("toolgate.input", "the input is not of version 1") | not input.version == 1]

heard(team, finding) := malformed(team, finding) if {
	not shape.is_well_formed(team, finding)
} else := object.union(object.remove(finding, ["approval"]), {"verdict": "allow"}) if {
	# An approval answers the demand and nothing else: redactions and limits of the finding stay.
	is_released(finding)
} else := finding

heard_of_result(team, finding) := finding if shape.is_well_formed_for_result(team, finding)

heard_of_result(team, finding) := malformed(team, finding) if not shape.is_well_formed_for_result(team, finding)

# Everything is compared as it stands now, so a changed argument, another group or a raised quorum needs a new approval.
is_released(finding) if {
	finding.verdict == "approvalRequired"
	some approval in input.approvals
	approval.rule == finding.rule
	as_set(approval.requirement.approvers) == as_set(finding.approval.approvers)
	approval.requirement.quorum == finding.approval.quorum
	approval.argumentsDigest == input.argumentsDigest
	approval.expiresAtMs > input.time.ms
	count(people(approval.approvers) - people([input.principal.id])) >= finding.approval.quorum
}

# One person under two spellings is one person.
people(names) := {lower(name) | some name in names}

as_set(list) := {item | some item in list}

malformed(team, finding) := denial(concat(".", [team, "malformed"]), concat("", [
	"a finding of ",
	team,
	" (",
	named(finding),
	") is malformed in: ",
	concat(", ", shape.faults(team, finding)),
]))

not_a_set(team, rule) := denial(concat(".", [team, "malformed"]), concat("", [rule, " of ", team, " is not a set"]))

default named(_) := "without a rule"

named(finding) := finding.rule if is_string(finding.rule)

denial(rule, message) := {"rule": rule, "verdict": "deny", "message": message}

ranks := {"allow": 0, "budget": 1, "approvalRequired": 2, "deny": 3}

verdicts := ["allow", "budget", "approvalRequired", "deny"]

fold(findings) := {
	"version": 1,
	"verdict": verdicts[rank],
	"reasons": sort({{"rule": finding.rule, "message": finding.message} |
		some finding in findings
		ranks[finding.verdict] == rank
	}),
	"approvals": sort({object.union(finding.approval, {"rule": finding.rule, "approvers": sort(as_set(finding.approval.approvers))}) |
		some finding in findings
	}),
	"budgets": sort({budget_of(finding) | some finding in findings}),
	"redactions": redactions({redaction | some finding in findings; some redaction in finding.redact}),
	"limits": limits({limits | some finding in findings; limits := finding.limits}),
} if {
	rank := max({0} | {ranks[finding.verdict] | some finding in findings})
}

budget_of(finding) := object.union(finding.budget, {
	"rule": finding.rule,
	"message": finding.message,
	"by": sort(as_set(finding.budget.by)),
	"cost": shape.cost(finding.budget),
})

strengths := {"mask": 0, "hash": 1, "remove": 2}

modes := ["mask", "hash", "remove"]

# The strongest per target, path and pattern: looking for card numbers does not replace looking for personal numbers.
redactions(wanted) := sort({object.union(place, {"mode": modes[strength]}) |
	some redaction in wanted
	place := object.remove(redaction, ["mode"])
	strength := max({strengths[other.mode] | some other in wanted; object.remove(other, ["mode"]) == place})
})

limits(wanted) := {name: min({limit | limit := wanted[_][name]}) |
	some name
	wanted[_][name]
}
