-- Messages that ask people about an approval. Each is made terminal when the approval is not pending any more, by whichever process comes first.

CREATE TABLE approval_notices (
	approval_id text NOT NULL,
	notifier text NOT NULL,
	-- By which the notifier finds its message again.
	reference text NOT NULL,
	tries int NOT NULL DEFAULT 0,
	-- Until then it is left to the process that is at it, or that has failed.
	try_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	PRIMARY KEY (approval_id, notifier)
);
