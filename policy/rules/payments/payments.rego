# METADATA
# title: Payments
# description: Who may touch money, and when a person must agree. Payouts are nobody's business here, so no rule grants `list_payouts`.
package toolgate.rules.payments

access contains "support works with charges and refunds" if {
	is_payments
	input.tool.name in {"list_recent_charges", "get_charge", "create_refund"}
	"support" in input.principal.groups
}

# Listed although it is always denied: whoever is asked to delete a customer reads why not.
access contains "support sees that customers are not deleted here" if {
	is_payments
	input.tool.name == "delete_customer"
	"support" in input.principal.groups
}

finding contains {
	"rule": "payments.refund",
	"verdict": "approvalRequired",
	"message": "a refund moves money: a person must agree",
	"approval": {"approvers": ["group:finance"], "quorum": 1, "ttlSeconds": refund_ttl_seconds},
} if {
	is_payments
	input.tool.name == "create_refund"
}

finding contains {
	"rule": "payments.delete",
	"verdict": "deny",
	"message": "customers are not deleted by agents; support deletes them in the dashboard",
} if {
	is_payments
	input.tool.name == "delete_customer"
}

is_payments if input.server.name == "stripe"

default refund_ttl_seconds := 900

# An evaluation of agents does not wait for a quarter of an hour.
refund_ttl_seconds := 15 if "eval" in input.principal.groups
