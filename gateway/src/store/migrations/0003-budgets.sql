-- One row per budget and window. Used is spent and reserved together; 2^53 - 1 is the most that is counted.

CREATE TABLE budgets (
	key text PRIMARY KEY,
	rule text NOT NULL,
	unit text NOT NULL,
	-- The least limit of the last call that asked.
	ceiling bigint NOT NULL,
	spent bigint NOT NULL DEFAULT 0,
	reserved bigint NOT NULL DEFAULT 0,
	-- The part of spent that no reservation covered: true costs above what was reserved.
	overrun bigint NOT NULL DEFAULT 0,
	window_ends_at timestamptz NOT NULL
);
CREATE INDEX budgets_by_end ON budgets (window_ends_at);
