-- What belongs to the deployment as a whole: its processes, its key, and the tokens of its agents.

-- A gateway process. It is alive while its lease lasts, on this database's clock.
CREATE TABLE processes (
	id text PRIMARY KEY,
	-- Where it runs, for people: host and process id.
	name text NOT NULL,
	started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	lease_until timestamptz NOT NULL
);

-- The 32 bytes all other keys are derived from: one row, unless the configuration gives the key.
CREATE TABLE deployment_key (
	is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only),
	key bytea NOT NULL CHECK (octet_length(key) = 32),
	created_at timestamptz NOT NULL DEFAULT clock_timestamp()
);

-- Tokens of agents: the text is shown once, its SHA-256 is kept.
CREATE TABLE tokens (
	id uuid PRIMARY KEY,
	name text NOT NULL,
	hash bytea NOT NULL UNIQUE,
	principal text NOT NULL,
	agent text NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	revoked_at timestamptz
);
