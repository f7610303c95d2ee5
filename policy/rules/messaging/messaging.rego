# METADATA
# title: Messaging
# description: What agents may write to people.
package toolgate.rules.messaging

access contains "support writes messages" if {
	is_message
	"support" in input.principal.groups
}

finding contains {
	"rule": "messaging.personal_numbers",
	"verdict": "allow",
	"message": "personal numbers are masked before they are recorded or sent",
	"redact": [{"target": "request", "path": "/**", "match": "us-ssn", "mode": "mask"}],
} if {
	is_message
}

is_message if {
	input.server.name == "stripe"
	input.tool.name == "send_lark_message"
}
