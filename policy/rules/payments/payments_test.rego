# METADATA
# title: Tests of the payments rules
package toolgate.rules.payments_test

import data.toolgate.decision

call(tool, groups) := {
	"version": 1,
	"method": "tools/call",
	"principal": {"id": "alice@example.com", "kind": "user", "groups": groups, "claims": {}},
	"server": {"name": "stripe"},
	"tool": {"name": tool},
	"arguments": {},
	"argumentsDigest": "hmac-sha256:k:1",
	"approvals": [],
	"time": {"ms": 1000},
}

test_support_reads_charges if {
	every tool in ["list_recent_charges", "get_charge"] {
		decision.list with input as call(tool, ["support"])
		decided := decision.call with input as call(tool, ["support"])
		decided.verdict == "budget"
		decided.approvals == []
	}
}

test_others_see_nothing if {
	every tool in ["list_recent_charges", "get_charge", "create_refund", "delete_customer"] {
		not decision.list with input as call(tool, ["finance"])
	}
}

test_another_server_has_no_share_in_these_rules if {
	elsewhere := object.union(call("get_charge", ["support"]), {"server": {"name": "files"}})
	not decision.list with input as elsewhere
}

test_nobody_sees_payouts if {
	not decision.list with input as call("list_payouts", ["support", "finance", "eval"])
}

test_a_refund_asks_finance_for_a_quarter_of_an_hour if {
	decision.list with input as call("create_refund", ["support"])
	decided := decision.call with input as call("create_refund", ["support"])
	decided.verdict == "approvalRequired"
	decided.reasons == [{"rule": "payments.refund", "message": "a refund moves money: a person must agree"}]
	decided.approvals == [{"rule": "payments.refund", "approvers": ["group:finance"], "quorum": 1, "ttlSeconds": 900}]
}

test_an_evaluation_waits_a_quarter_of_a_minute if {
	decided := decision.call with input as call("create_refund", ["support", "eval"])
	decided.approvals[0].ttlSeconds == 15
}

test_an_approved_refund_is_left_to_its_budgets if {
	approval := {
		"rule": "payments.refund",
		"requirement": {"approvers": ["group:finance"], "quorum": 1},
		"argumentsDigest": "hmac-sha256:k:1",
		"approvers": ["bob@example.com"],
		"expiresAtMs": 2000,
	}
	decided := decision.call with input as object.union(call("create_refund", ["support"]), {"approvals": [approval]})
	decided.verdict == "budget"
	decided.approvals == []
}

test_a_customer_is_listed_for_deletion_and_never_deleted if {
	decision.list with input as call("delete_customer", ["support"])
	decided := decision.call with input as call("delete_customer", ["support"])
	decided.verdict == "deny"
	[reason] := decided.reasons
	reason.rule == "payments.delete"
	contains(reason.message, "dashboard")
}
