# METADATA
# title: Files
# description: |
#   What agents may do with the shared notes, behind an MCP server such as @modelcontextprotocol/server-filesystem. Staff reads. Editors
#   write drafts as they like; for everything else one of them has to agree. Nobody moves files: no rule grants `move_file`.
package toolgate.rules.files

access contains "staff reads" if {
	is_files
	input.tool.name in reading
	"staff" in input.principal.groups
}

access contains "editors write" if {
	is_files
	input.tool.name in writing
	"editors" in input.principal.groups
}

finding contains {
	"rule": "files.publish",
	"verdict": "approvalRequired",
	"message": "only drafts are written freely: an editor must agree to change anything else",
	"approval": {"approvers": ["group:editors"], "quorum": 1, "ttlSeconds": 3600},
} if {
	is_files
	input.tool.name in writing
	not is_draft
	not is_rehearsal
}

finding contains {
	"rule": "files.volume",
	"verdict": "budget",
	"message": "a megabyte of text per person and day",
	"budget": {
		"by": ["principal"],
		"per": "day",
		"unit": "characters",
		"limit": 1000000,
		"cost": characters(object.get(input.arguments, "content", null)),
	},
} if {
	is_files
	input.tool.name == "write_file"
}

finding contains {
	"rule": "files.hidden",
	"verdict": "deny",
	"message": "names that begin with a dot are none of an agent's business",
} if {
	is_files
	some path in paths
	some name in split(path, "/")
	startswith(name, ".")
}

finding contains {
	"rule": "files.size",
	"verdict": "allow",
	"message": "answers are short and quick",
	"limits": {"timeoutMs": 10000, "maxResultBytes": 262144},
} if {
	is_files
}

# Notes hold keys that somebody pasted: they stay where they are.
result_finding contains {
	"rule": "files.secrets",
	"verdict": "allow",
	"message": "secrets are masked before an agent reads them",
	"redact": [{"target": "result", "path": "/**", "match": "secret", "mode": "mask"}],
} if {
	is_files
}

is_files if input.server.name == "files"

reading := {
	"read_file", "read_text_file", "read_multiple_files", "list_directory", "list_directory_with_sizes", "directory_tree", "search_files",
	"get_file_info", "list_allowed_directories",
}

writing := {"write_file", "edit_file", "create_directory"}

is_draft if {
	startswith(object.get(input.arguments, "path", ""), "/srv/notes/drafts/")
}

is_rehearsal if {
	input.tool.name == "edit_file"
	input.arguments.dryRun == true
}

# `..` begins with a dot too, so no path leads out of the drafts again.
paths contains input.arguments.path

paths contains path if some path in input.arguments.paths

# The strictest default: a call that doesn't say what it writes spends the whole day's budget.
default characters(_) := 1000000

characters(text) := count(text) if is_string(text)
