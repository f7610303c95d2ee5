# METADATA
# title: Tests of the messaging rules
package toolgate.rules.messaging_test

import data.toolgate.decision

call(tool, groups) := {
	"version": 1,
	"principal": {"id": "alice@example.com", "groups": groups},
	"server": {"name": "stripe"},
	"tool": {"name": tool},
	"arguments": {"text": "her number is 123-45-6789"},
}

test_support_writes_messages_and_others_do_not if {
	decision.list with input as call("send_lark_message", ["support"])
	not decision.list with input as call("send_lark_message", ["finance"])
}

test_personal_numbers_are_masked_before_anything_is_sent_or_recorded if {
	decided := decision.call with input as call("send_lark_message", ["support"])
	decided.redactions == [{"target": "request", "path": "/**", "match": "us-ssn", "mode": "mask"}]
}

test_other_tools_keep_their_arguments if {
	decided := decision.call with input as call("get_charge", ["support"])
	decided.redactions == []
}
