# METADATA
# title: Payments
# description: Who may touch money, and when a person must agree.
package toolgate.rules.payments

access contains "support works with charges" if {
	input.server.name == "stripe"
	input.tool.name in {"list_recent_charges", "get_charge", "create_refund"}
	"support" in input.principal.groups
}

# Visible, so that an agent that is asked for it reads why not.
access contains "support sees that customers are not deleted here" if {
	input.server.name == "stripe"
	input.tool.name == "delete_customer"
	"support" in input.principal.groups
}

finding contains {
	"rule": "payments.refund",
	"verdict": "approvalRequired",
	"message": "a refund moves money: a person must agree",
	"approval": {"approvers": ["group:finance"], "quorum": 1, "ttlSeconds": approval_ttl_seconds},
} if {
	is_refund
}

finding contains {
	"rule": "payments.delete",
	"verdict": "deny",
	"message": "customers are not deleted by agents; ask a person of support to do it in the dashboard",
} if {
	input.server.name == "stripe"
	input.tool.name == "delete_customer"
}

is_refund if {
	input.server.name == "stripe"
	input.tool.name == "create_refund"
}

default approval_ttl_seconds := 900

# Evaluations do not wait a quarter of an hour.
approval_ttl_seconds := 15 if "eval" in input.principal.groups
