-- What upstreams offer, as last seen, and which definitions of their tools are accepted.

-- The last good answers of each upstream: from here its lists come while it is down.
CREATE TABLE upstream_lists (
	upstream text PRIMARY KEY,
	initialize json NOT NULL,
	-- Digests of the tools, in the upstream's order.
	tools text[] NOT NULL,
	seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Every version of every definition that was ever seen. json and not jsonb: as the upstream wrote it.
CREATE TABLE tool_definitions (
	upstream text NOT NULL,
	digest text NOT NULL,
	tool text NOT NULL,
	definition json NOT NULL,
	first_seen_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (upstream, digest)
);

-- The definition that is accepted. The first insert wins, on every replica; an operator may move it.
CREATE TABLE tool_pins (
	upstream text NOT NULL,
	tool text NOT NULL,
	digest text NOT NULL,
	pinned_by text NOT NULL CHECK (pinned_by IN ('first-sight', 'operator')),
	pinned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (upstream, tool)
);
