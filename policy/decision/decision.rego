# METADATA
# title: Decisions
# description: >
#   Folds what the teams' rules found into one decision. Findings only ever tighten: the most restrictive wins, whatever the order of files
#   and rules. Teams write `access`, `finding` and `result_finding` in `toolgate.rules.<team>`; see docs/policy.md.
package toolgate.decision

import data.toolgate.finding as shape

# METADATA
# title: May this principal see and reach the tool
# description: Decides the list and gates the call. Never sees arguments.
# entrypoint: true
default list := false

list if {
	input.version == 1
	some team
	data.toolgate.rules[team].access[_]
}

# METADATA
# title: What one call needs
# entrypoint: true
call := fold(findings, input_problems)

# METADATA
# title: May this result pass, and what of it
# entrypoint: true
result := fold(result_findings, input_problems)

# METADATA
# title: Proof that the module honours its data
# entrypoint: true
selftest := data.toolgate.selftest

# An input that this library does not understand is denied, whatever the rules say.
input_problems contains denial("toolgate.input", "the input is not of version 1") if {
	object.get(input, "version", null) != 1
}

findings contains judged(team, finding) if {
	some team
	some finding in data.toolgate.rules[team].finding
	not released(finding)
}

# A released finding keeps its obligations, and asks for nothing more.
findings contains object.union(object.remove(finding, ["approval"]), {"verdict": "allow"}) if {
	some team
	some finding in data.toolgate.rules[team].finding
	shape.well_formed(team, finding)
	released(finding)
}

# A rule that assigned one value instead of adding to the set would otherwise not be heard.
findings contains denial(sprintf("%s.finding", [team]), "finding is not a set") if {
	some team
	found := data.toolgate.rules[team].finding
	not is_set(found)
}

result_findings contains judged_result(team, finding) if {
	some team
	some finding in data.toolgate.rules[team].result_finding
}

result_findings contains denial(sprintf("%s.result_finding", [team]), "result_finding is not a set") if {
	some team
	found := data.toolgate.rules[team].result_finding
	not is_set(found)
}

judged(team, finding) := finding if shape.well_formed(team, finding)

judged(team, finding) := malformed(team, finding) if not shape.well_formed(team, finding)

judged_result(team, finding) := finding if shape.well_formed_result(team, finding)

judged_result(team, finding) := malformed(team, finding) if not shape.well_formed_result(team, finding)

malformed(team, finding) := denial(
	sprintf("%s.malformed", [team]),
	sprintf("a rule of %s gave a finding that is not well-formed (%s)", [team, named(finding)]),
)

# A team may not speak as another one: what it calls itself is shown, and does not count as its name.
named(finding) := finding.rule if is_string(finding.rule)

named(finding) := "without a rule" if not is_string(object.get({"finding": finding}, ["finding", "rule"], null))

denial(rule, message) := {"rule": rule, "verdict": "deny", "message": message}

# METADATA
# description: >
#   A valid approval of the same rule, the same requirement and the same arguments, by enough people other than the one who asks.
released(finding) if {
	finding.verdict == "approvalRequired"
	some approval in input.approvals
	approval.rule == finding.rule
	as_set(approval.requirement.approvers) == as_set(finding.approval.approvers)
	approval.requirement.quorum == finding.approval.quorum
	approval.argumentsDigest == input.argumentsDigest
	approval.expiresAtMs > input.time.ms
	people := as_set(approval.approvers) - {input.principal.id}
	count(people) >= finding.approval.quorum
}

as_set(list) := {item | some item in list}

ranks := {"allow": 0, "budget": 1, "approvalRequired": 2, "deny": 3}

words := ["allow", "budget", "approvalRequired", "deny"]

fold(found, problems) := {
	"version": 1,
	"verdict": words[rank],
	"reasons": reasons(all_found, rank),
	"approvals": approvals(all_found),
	"budgets": budgets(all_found),
	"redactions": redactions(all_found),
	"limits": limits(all_found),
} if {
	all_found := found | problems
	rank := max({0} | {ranks[finding.verdict] | some finding in all_found})
}

# Sorted, so that records are stable.
reasons(found, rank) := [{"rule": rule, "message": message} |
	some [rule, message] in sort({[finding.rule, finding.message] |
		some finding in found
		ranks[finding.verdict] == rank
	})
]

approvals(found) := [requirement |
	some [_, requirement] in sort({[finding.rule, requirement] |
		some finding in found
		finding.verdict == "approvalRequired"
		requirement := {
			"rule": finding.rule,
			"approvers": sort(as_set(finding.approval.approvers)),
			"quorum": finding.approval.quorum,
			"ttlSeconds": finding.approval.ttlSeconds,
		}
	})
]

budgets(found) := [budget |
	some [_, budget] in sort({[finding.rule, budget] |
		some finding in found
		finding.verdict == "budget"
		budget := object.union(finding.budget, {
			"rule": finding.rule,
			"message": finding.message,
			"by": sort(as_set(finding.budget.by)),
			"cost": shape.cost(finding.budget),
		})
	})
]

strengths := {"mask": 0, "hash": 1, "remove": 2}

modes := ["mask", "hash", "remove"]

# Per target, path and pattern the strongest.
redactions(found) := [object.union(key, {"mode": modes[strength]}) |
	wanted := {item | some finding in found; some item in object.get(finding, "redact", [])}
	some key in sort({object.remove(item, ["mode"]) | some item in wanted})
	strength := max({strengths[item.mode] | some item in wanted; object.remove(item, ["mode"]) == key})
]

limits(found) := {name: smallest |
	some name in {"timeoutMs", "maxResultBytes"}
	values := {finding.limits[name] | some finding in found}
	count(values) > 0
	smallest := min(values)
}
