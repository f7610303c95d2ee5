# METADATA
# title: Messaging
# description: What agents may write to people.
package toolgate.rules.messaging

access contains "support writes messages" if {
	input.server.name == "stripe"
	input.tool.name == "send_lark_message"
	"support" in input.principal.groups
}

finding contains {
	"rule": "messaging.personal_numbers",
	"verdict": "allow",
	"message": "personal numbers leave no trace",
	"redact": [{"target": "request", "path": "/**", "match": "us-ssn", "mode": "mask"}],
} if {
	input.server.name == "stripe"
	input.tool.name == "send_lark_message"
}
