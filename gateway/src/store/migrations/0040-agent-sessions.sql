-- Sessions of agents (MCP up to 2025-11-25), so that they outlive a process and any replica answers for them. The id alone opens nothing: it is bound to the principal.

CREATE TABLE agent_sessions (
	id text PRIMARY KEY,
	principal text NOT NULL,
	-- Where the session is of one upstream only.
	upstream text,
	-- What the agent said in initialize, and what of the answer is needed later; JSON as text, because jsonb can't hold every text.
	introduction text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	-- Written once a minute for all that were used.
	used_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX agent_sessions_by_principal ON agent_sessions (principal, used_at);
CREATE INDEX agent_sessions_by_use ON agent_sessions (used_at);
