-- How people come in: one-time links, and what they hold afterwards. Both are found by the SHA-256 of what their holder shows.

CREATE TABLE sign_in_links (
	hash bytea PRIMARY KEY,
	person text NOT NULL,
	expires_at timestamptz NOT NULL
);

CREATE TABLE people_sessions (
	hash bytea PRIMARY KEY,
	person text NOT NULL,
	-- What the identity provider said; those of the configuration are added when a request comes.
	groups text[] NOT NULL,
	created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	seen_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
