# METADATA
# title: Tests of what a finding is
package toolgate.finding_test

import data.toolgate.finding

ask := {
	"rule": "a.ask", "verdict": "approvalRequired", "message": "ask",
	"approval": {"approvers": ["group:finance"], "quorum": 1, "ttlSeconds": 900},
}

spend := {
	"rule": "a.spend", "verdict": "budget", "message": "spend",
	"budget": {"by": ["principal"], "per": "day", "unit": "cents", "limit": 100, "cost": 1},
}

note := {
	"rule": "a.note", "verdict": "allow", "message": "note",
	"redact": [{"target": "request", "path": "/**", "match": "us-ssn", "mode": "mask"}],
	"limits": {"timeoutMs": 1000},
}

# A sound finding, and at `path` what breaks it or not.
with_part(sound, path, value) := json.patch(sound, [{"op": "add", "path": path, "value": value}])

without_part(sound, path) := json.patch(sound, [{"op": "remove", "path": path}])

test_sound_findings_have_no_fault if {
	every sound in [
		ask, spend, note,
		{"rule": "a.x", "verdict": "deny", "message": "no"},
		with_part(ask, "/approval/approvers", {"group:finance", "bob@example.com"}),
		with_part(ask, "/approval/quorum", 100),
		with_part(ask, "/approval/ttlSeconds", 2592000),
		with_part(spend, "/budget/by", []),
		with_part(spend, "/budget/by", {"principal", "agent", "session", "server", "tool", "value:eu"}),
		with_part(spend, "/budget/per", 1),
		with_part(spend, "/budget/limit", 9007199254740991),
		with_part(spend, "/budget/cost", 0),
		with_part(spend, "/budget/timezone", "Asia/Singapore"),
		with_part(spend, "/budget/settle", {"pointer": ""}),
		without_part(with_part(spend, "/budget/unit", "calls"), "/budget/cost"),
		with_part(note, "/redact", set()),
		with_part(note, "/redact/0/path", ""),
		without_part(note, "/redact/0/match"),
		with_part(note, "/limits", {}),
	] {
		finding.is_well_formed("a", sound)
		finding.faults("a", sound) == []
	}
}

test_each_fault_is_named if {
	every broken in [
		[with_part(note, "/colour", "red"), "fields"],
		[with_part(note, "/rule", "b.note"), "rule"],
		[with_part(note, "/rule", "a."), "rule"],
		[with_part(note, "/rule", "a"), "rule"],
		[with_part(note, "/rule", 7), "rule"],
		[without_part(note, "/rule"), "rule"],
		[with_part(note, "/verdict", "Allow"), "verdict"],
		[with_part(note, "/message", ""), "message"],
		[with_part(note, "/message", ["a"]), "message"],
		[without_part(note, "/message"), "message"],
		[without_part(ask, "/approval"), "approval"],
		[with_part(note, "/approval", ask.approval), "approval"],
		[with_part(note, "/approval", null), "approval"],
		[with_part(ask, "/approval/approvers", []), "approval"],
		[with_part(ask, "/approval/approvers", [""]), "approval"],
		[with_part(ask, "/approval/approvers", "group:finance"), "approval"],
		[with_part(ask, "/approval/quorum", 0), "approval"],
		[with_part(ask, "/approval/quorum", 101), "approval"],
		[with_part(ask, "/approval/quorum", 1.5), "approval"],
		[with_part(ask, "/approval/quorum", "1"), "approval"],
		[with_part(ask, "/approval/ttlSeconds", 0), "approval"],
		[with_part(ask, "/approval/ttlSeconds", 2592001), "approval"],
		[without_part(ask, "/approval/ttlSeconds"), "approval"],
		[with_part(ask, "/approval/escalate", true), "approval"],
		[without_part(spend, "/budget"), "budget"],
		[with_part(note, "/budget", spend.budget), "budget"],
		[with_part(spend, "/budget/by", "principal"), "budget"],
		[with_part(spend, "/budget/by", ["team"]), "budget"],
		[with_part(spend, "/budget/by", [1]), "budget"],
		[with_part(spend, "/budget/per", "week"), "budget"],
		[with_part(spend, "/budget/per", 0), "budget"],
		[with_part(spend, "/budget/unit", ""), "budget"],
		[with_part(spend, "/budget/limit", -1), "budget"],
		[with_part(spend, "/budget/limit", 9007199254740992), "budget"],
		[with_part(spend, "/budget/limit", "100"), "budget"],
		[with_part(spend, "/budget/cost", -1), "budget"],
		[with_part(spend, "/budget/cost", 0.5), "budget"],
		[with_part(spend, "/budget/cost", null), "budget"],
		[without_part(spend, "/budget/cost"), "budget"],
		[with_part(spend, "/budget/timezone", ""), "budget"],
		[with_part(spend, "/budget/settle", {}), "budget"],
		[with_part(spend, "/budget/settle", {"pointer": "amount"}), "budget"],
		[with_part(spend, "/budget/window", "day"), "budget"],
		[with_part(note, "/redact", {}), "redact"],
		[with_part(note, "/redact", "all"), "redact"],
		[with_part(note, "/redact", null), "redact"],
		[with_part(note, "/redact/0", "all"), "redact"],
		[with_part(note, "/redact/0/target", "reply"), "redact"],
		[with_part(note, "/redact/0/path", "text"), "redact"],
		[with_part(note, "/redact/0/match", ""), "redact"],
		[with_part(note, "/redact/0/mode", "blur"), "redact"],
		[with_part(note, "/redact/0/when", "always"), "redact"],
		[without_part(note, "/redact/0/mode"), "redact"],
		[with_part(note, "/limits", []), "limits"],
		[with_part(note, "/limits/timeoutMs", 0), "limits"],
		[with_part(note, "/limits/maxCalls", 1), "limits"],
	] {
		[found, part] := broken
		not finding.is_well_formed("a", found)
		finding.faults("a", found) == [part]
	}
}

test_what_is_no_object_has_every_fault_that_matters if {
	every nonsense in [null, true, 7, "deny", [], [note], set()] {
		not finding.is_well_formed("a", nonsense)
		"rule" in finding.faults("a", nonsense)
	}
}
