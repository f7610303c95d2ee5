-- Signed heads of streams. What a checkpoint covers can't be rewritten or cut off without the key.

CREATE TABLE checkpoints (
	stream text NOT NULL,
	sequence bigint NOT NULL,
	-- 'head': the stream had come so far; 'cut': retention took away everything up to here.
	kind text NOT NULL CHECK (kind IN ('head', 'cut')),
	-- As it was signed: canonical JSON.
	line text NOT NULL,
	signed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	-- The second place that the operator named has it, or there is none.
	is_told boolean NOT NULL,
	PRIMARY KEY (stream, sequence, kind)
);
CREATE INDEX checkpoints_untold ON checkpoints (signed_at) WHERE NOT is_told;
