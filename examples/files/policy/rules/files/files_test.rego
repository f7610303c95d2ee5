# METADATA
# title: Tests of the files rules
package toolgate.rules.files_test

import data.toolgate.decision

call(tool, groups, arguments) := {
	"version": 1,
	"method": "tools/call",
	"principal": {"id": "alice@example.com", "kind": "user", "groups": groups, "claims": {}},
	"server": {"name": "files"},
	"tool": {"name": tool},
	"arguments": arguments,
	"approvals": [],
	"time": {"ms": 1000},
}

verdict_of(tool, arguments) := document.verdict if {
	document := decision.call with input as call(tool, ["editors"], arguments)
}

test_staff_reads_and_editors_write if {
	decision.list with input as call("read_text_file", ["staff"], {})
	not decision.list with input as call("write_file", ["staff"], {})
	decision.list with input as call("write_file", ["editors"], {})
	not decision.list with input as call("read_text_file", [], {})
}

test_nobody_moves_files if {
	not decision.list with input as call("move_file", ["staff", "editors"], {})
}

test_reading_is_allowed_short_and_quick if {
	document := decision.call with input as call("read_text_file", ["staff"], {"path": "/srv/notes/plan.md"})
	document.verdict == "allow"
	document.limits == {"timeoutMs": 10000, "maxResultBytes": 262144}
}

test_drafts_are_written_freely_and_counted if {
	document := decision.call with input as call("write_file", ["editors"], {"path": "/srv/notes/drafts/a.md", "content": "hello"})
	document.verdict == "budget"
	[budget] := document.budgets
	budget.cost == 5
}

test_what_does_not_say_its_length_spends_the_whole_budget if {
	document := decision.call with input as call("write_file", ["editors"], {"path": "/srv/notes/drafts/a.md"})
	[budget] := document.budgets
	budget.cost == budget.limit
}

test_other_files_need_an_editor if {
	verdict_of("write_file", {"path": "/srv/notes/plan.md", "content": "x"}) == "approvalRequired"
	verdict_of("edit_file", {"path": "/srv/notes/plan.md", "edits": []}) == "approvalRequired"
	verdict_of("create_directory", {}) == "approvalRequired"
	verdict_of("edit_file", {"path": "/srv/notes/plan.md", "edits": [], "dryRun": true}) == "allow"
}

test_hidden_files_and_ways_out_are_denied if {
	every path in ["/srv/notes/.env", "/srv/notes/drafts/../plan.md", ".ssh/id_ed25519"] {
		verdict_of("write_file", {"path": path, "content": "x"}) == "deny"
		verdict_of("read_multiple_files", {"paths": ["/srv/notes/a.md", path]}) == "deny"
	}
}

test_secrets_in_notes_are_masked if {
	document := decision.result with input as object.union(
		call("read_text_file", ["staff"], {}),
		{"result": {"content": [{"type": "text", "text": "sk_live_0123456789"}]}},
	)
	document.verdict == "allow"
	document.redactions == [{"target": "result", "path": "/**", "match": "secret", "mode": "mask"}]
}
