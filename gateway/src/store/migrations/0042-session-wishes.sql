-- What a session of an agent asked of upstreams and was granted, so that it is asked for again after a restart, or on another replica.

ALTER TABLE agent_sessions
	ADD COLUMN log_level text,
	-- URIs as the agent says them, each as JSON: a text of SQL can't hold every character.
	ADD COLUMN subscriptions text[] NOT NULL DEFAULT '{}';
