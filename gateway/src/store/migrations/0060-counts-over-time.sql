-- What is counted over time stands in the index itself: no event has to be read for it.
DROP INDEX events_by_time;
CREATE INDEX events_by_time ON events (time_ms, stream, sequence) INCLUDE (kind, decision, outcome, admission, approval_id);
