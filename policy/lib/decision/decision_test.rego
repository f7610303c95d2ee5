# METADATA
# title: Tests of the decision library
# description: The laws that hold whatever the teams write, and the ways past a rule that people have found.
package toolgate.decision_test

import data.toolgate.decision

allow := {"rule": "a.note", "verdict": "allow", "message": "noted"}

mask := {
	"rule": "a.mask", "verdict": "allow", "message": "masked",
	"redact": [{"target": "request", "path": "/text", "match": "us-ssn", "mode": "mask"}],
}

hash := {
	"rule": "b.hash", "verdict": "allow", "message": "hashed",
	"redact": {{"target": "request", "path": "/text", "match": "us-ssn", "mode": "hash"}},
	"limits": {"timeoutMs": 500, "maxResultBytes": 10},
}

remove := {
	"rule": "a.remove", "verdict": "deny", "message": "removed",
	"redact": [
		{"target": "request", "path": "/text", "match": "us-ssn", "mode": "remove"},
		{"target": "result", "path": "/**", "match": "email", "mode": "mask"},
	],
	"limits": {"timeoutMs": 900},
}

calls := {
	"rule": "a.calls", "verdict": "budget", "message": "calls",
	"budget": {"by": ["principal", "agent"], "per": "turn", "unit": "calls", "limit": 5},
}

cents := {
	"rule": "b.cents", "verdict": "budget", "message": "cents",
	"budget": {
		"by": {"principal"}, "per": 3600, "unit": "cents", "limit": 9007199254740991, "cost": 0,
		"timezone": "Europe/Zurich", "settle": {"pointer": "/structuredContent/amount"},
	},
}

ask := {
	"rule": "a.ask", "verdict": "approvalRequired", "message": "ask finance",
	"approval": {"approvers": ["group:finance", "bob@example.com"], "quorum": 2, "ttlSeconds": 60},
	"redact": [{"target": "audit", "path": "/note", "mode": "remove"}],
}

other_ask := {
	"rule": "b.ask", "verdict": "approvalRequired", "message": "ask support",
	"approval": {"approvers": {"group:support"}, "quorum": 1, "ttlSeconds": 30},
}

deny := {"rule": "b.no", "verdict": "deny", "message": "no"}

findings := [allow, mask, hash, remove, calls, cents, ask, other_ask, deny]

heard_by(team) := {finding | some finding in findings; startswith(finding.rule, concat("", [team, "."]))}

plain := {
	"version": 1,
	"principal": {"id": "alice@example.com"},
	"argumentsDigest": "hmac-sha256:k:1",
	"time": {"ms": 1000},
}

decide(found) := document if {
	document := decision.call with data.toolgate.rules as {"a": {"finding": found}} with input as plain
}

# --- the laws

test_the_order_never_matters if {
	every one in findings {
		every other in findings {
			decision.fold([one, other]) == decision.fold([other, one])
		}
	}
	decision.fold(findings) == decision.fold(array.reverse(findings))
	rotated := array.concat(array.slice(findings, 4, count(findings)), array.slice(findings, 0, 4))
	decision.fold(findings) == decision.fold(rotated)
}

test_saying_it_twice_changes_nothing if {
	decision.fold(findings) == decision.fold(array.concat(findings, findings))
	every one in findings {
		decision.fold([one]) == decision.fold([one, one])
	}
}

test_another_finding_only_tightens if {
	every finding in findings {
		every size in numbers.range(0, count(findings)) {
			before := decision.fold(array.slice(findings, 0, size))
			after := decision.fold(array.concat(array.slice(findings, 0, size), [finding]))
			is_as_strict(after, before)
		}
	}
}

is_as_strict(after, before) if {
	decision.ranks[after.verdict] >= decision.ranks[before.verdict]
	every approval in before.approvals {
		approval in after.approvals
	}
	every budget in before.budgets {
		budget in after.budgets
	}
	every redaction in before.redactions {
		some stronger in after.redactions
		object.remove(stronger, ["mode"]) == object.remove(redaction, ["mode"])
		decision.strengths[stronger.mode] >= decision.strengths[redaction.mode]
	}
	every name, limit in before.limits {
		after.limits[name] <= limit
	}
}

test_what_is_malformed_denies if {
	every finding in [
		null, true, "deny", 7, [], {},
		object.remove(deny, ["message"]),
		object.remove(allow, ["rule"]),
		object.union(allow, {"verdict": "alow"}),
		object.union(allow, {"obligation": "call me"}),
		object.union(calls, {"rule": "a.calls", "verdict": "allow"}),
		object.remove(ask, ["approval"]),
	] {
		document := decide({allow, finding})
		document.verdict == "deny"
		document.reasons[0].rule == "a.malformed"
		document.approvals == []
		document.budgets == []
	}
}

test_one_value_in_place_of_a_set_denies if {
	every found in [true, false, "no", 1, allow, [allow], null] {
		call := decide(found)
		call.verdict == "deny"
		{"rule": "a.malformed", "message": "finding of a is not a set"} in call.reasons
		result := decision.result with data.toolgate.rules as {"a": {"result_finding": found}} with input as plain
		result.verdict == "deny"
	}
}

# --- the fold

test_no_findings_allow if {
	decide(set()) == {
		"version": 1, "verdict": "allow", "reasons": [],
		"approvals": [], "budgets": [], "redactions": [], "limits": {},
	}
}

test_the_most_restrictive_wins_and_gives_the_reasons if {
	decision.fold([allow, calls]).verdict == "budget"
	decision.fold([ask, calls, allow]).verdict == "approvalRequired"
	document := decision.fold(findings)
	document.verdict == "deny"
	document.reasons == [{"rule": "b.no", "message": "no"}, {"rule": "a.remove", "message": "removed"}]
}

test_every_approval_and_every_budget_is_asked_for if {
	document := decision.fold(findings)
	document.approvals == [
		{"rule": "a.ask", "approvers": ["bob@example.com", "group:finance"], "quorum": 2, "ttlSeconds": 60},
		{"rule": "b.ask", "approvers": ["group:support"], "quorum": 1, "ttlSeconds": 30},
	]
	{budget.rule | some budget in document.budgets} == {"a.calls", "b.cents"}
	some budget in document.budgets
	budget == {
		"rule": "a.calls", "message": "calls", "by": ["agent", "principal"],
		"per": "turn", "unit": "calls", "limit": 5, "cost": 1,
	}
}

test_the_strongest_redaction_and_the_lowest_limit_stay if {
	document := decision.fold(findings)
	{redaction | some redaction in document.redactions} == {
		{"target": "request", "path": "/text", "match": "us-ssn", "mode": "remove"},
		{"target": "result", "path": "/**", "match": "email", "mode": "mask"},
		{"target": "audit", "path": "/note", "mode": "remove"},
	}
	document.limits == {"timeoutMs": 500, "maxResultBytes": 10}
}

test_every_team_is_heard if {
	document := decision.call with data.toolgate.rules as {"a": {"finding": heard_by("a")}, "b": {"finding": heard_by("b")}}
		with input as plain
	document == decision.fold(findings)
}

# --- access

test_access_is_a_union_and_nothing_else_grants if {
	decision.list with data.toolgate.rules as {"a": {"access": set()}, "b": {"access": {"because"}}} with input as plain
	not decision.list with data.toolgate.rules as {} with input as plain
	not decision.list with data.toolgate.rules as {"a": {"access": set(), "finding": {allow}}} with input as plain
	not decision.list with data.toolgate.rules as {"a": {"access": {false, null, 1}}} with input as plain
	not decision.list with data.toolgate.rules as {"a": {"access": true}} with input as plain
}

test_an_input_of_another_version_has_no_access_and_is_denied if {
	rules := {"a": {"access": {"because"}, "finding": {allow}}}
	every strange in [object.union(plain, {"version": 999}), object.union(plain, {"version": "1"}), object.remove(plain, ["version"]), {}] {
		not decision.list with data.toolgate.rules as rules with input as strange
		call := decision.call with data.toolgate.rules as rules with input as strange
		call.verdict == "deny"
		call.reasons == [{"rule": "toolgate.input", "message": "the input is not of version 1"}]
		result := decision.result with data.toolgate.rules as rules with input as strange
		result.verdict == "deny"
	}
}

# --- approvals

approval := {
	"rule": "a.ask",
	"requirement": {"approvers": ["bob@example.com", "group:finance"], "quorum": 2},
	"argumentsDigest": "hmac-sha256:k:1",
	"approvers": ["bob@example.com", "carol@example.com"],
	"expiresAtMs": 1001,
}

decide_approved(found, given) := document if {
	document := decision.call with data.toolgate.rules as {"a": {"finding": found}}
		with input as object.union(plain, {"approvals": [given]})
}

test_an_approval_releases_what_it_answers_and_nothing_else if {
	document := decide_approved({ask}, approval)
	document.verdict == "allow"
	document.approvals == []
	document.redactions == [{"target": "audit", "path": "/note", "mode": "remove"}]
	decide_approved({ask, object.union(deny, {"rule": "a.no"})}, approval).verdict == "deny"
	decide_approved({ask, object.union(other_ask, {"rule": "a.other"})}, approval).verdict == "approvalRequired"
}

test_an_approval_that_does_not_fit_releases_nothing if {
	every change in [
		{"rule": "a.other"},
		{"requirement": {"quorum": 1}},
		{"requirement": {"approvers": ["group:finance"]}},
		{"argumentsDigest": "hmac-sha256:k:2"},
		{"expiresAtMs": 1000},
		{"approvers": []},
		{"approvers": ["bob@example.com"]},
		{"approvers": ["bob@example.com", "BOB@example.com"]},
		{"approvers": ["bob@example.com", "Alice@example.com"]},
	] {
		decide_approved({ask}, object.union(approval, change)).verdict == "approvalRequired"
	}
}

test_a_raised_quorum_needs_a_new_approval if {
	raised := object.union(ask, {"approval": {"quorum": 3}})
	more := object.union(approval, {"approvers": ["bob@example.com", "carol@example.com", "dave@example.com"]})
	decide_approved({raised}, more).verdict == "approvalRequired"
}

test_another_teams_rule_can_neither_be_released_nor_spoken_for if {
	document := decision.call with data.toolgate.rules as {"b": {"finding": {ask}}}
		with input as object.union(plain, {"approvals": [approval]})
	document.verdict == "deny"
	document.reasons == [{
		"rule": "b.malformed",
		"message": "a finding of b (a.ask) is malformed in: rule",
	}]
}

# --- results

test_a_result_passes_redacted_or_is_withheld if {
	redact := {
		"rule": "a.emails", "verdict": "allow", "message": "no addresses",
		"redact": [{"target": "result", "path": "/**", "match": "email", "mode": "mask"}],
	}
	passed := decision.result with data.toolgate.rules as {"a": {"result_finding": {redact}}} with input as plain
	passed.verdict == "allow"
	passed.redactions == redact.redact
	withheld := decision.result with data.toolgate.rules as {"a": {"result_finding": {redact, object.union(deny, {"rule": "a.no"})}}}
		with input as plain
	withheld.verdict == "deny"
	withheld.reasons == [{"rule": "a.no", "message": "no"}]
}

test_a_result_rule_that_asks_for_more_withholds if {
	every finding in [calls, ask, mask, object.union(allow, {"limits": {"timeoutMs": 1}})] {
		document := decision.result with data.toolgate.rules as {"a": {"result_finding": {finding}}} with input as plain
		document.verdict == "deny"
		document.reasons[0].rule == "a.malformed"
	}
}

test_findings_about_calls_say_nothing_about_results if {
	document := decision.result with data.toolgate.rules as {"a": {"finding": {remove, ask}}} with input as plain
	document.verdict == "allow"
}

# --- what the check refuses before it is built: here is why

# A head that reads an absent argument is undefined, and its finding is gone.
test_a_head_that_reads_an_absent_argument_leaves_no_finding if {
	found := {finding |
		finding := object.union(cents, {"budget": {"cost": input.arguments.amount}})
	} with input as object.union(plain, {"arguments": {}})
	found == set()
}

# What stands in a deeper package is not heard.
test_a_nested_package_is_not_heard if {
	document := decision.call with data.toolgate.rules as {"a": {"eu": {"finding": {deny}}}} with input as plain
	document.verdict == "allow"
}

test_the_data_comes_back if {
	decision.selftest == "nonce" with data.toolgate.selftest as "nonce"
}
