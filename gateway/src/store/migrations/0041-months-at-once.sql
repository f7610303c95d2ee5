-- Two gateways that start at once make a month once. The lock of the table, unlike an advisory one, lets a waiter see what the other has made.
CREATE OR REPLACE FUNCTION ensure_month(p_month int) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
	name text := 'events_' || p_month;
BEGIN
	IF to_regclass(name) IS NOT NULL THEN
		RETURN;
	END IF;
	-- Writers go on meanwhile.
	LOCK TABLE events IN SHARE UPDATE EXCLUSIVE MODE;
	IF to_regclass(name) IS NULL THEN
		-- Attached, not created as a partition: that would lock the writers out.
		EXECUTE format('CREATE TABLE %I (LIKE events INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
		EXECUTE format('ALTER TABLE events ATTACH PARTITION %I FOR VALUES IN (%s)', name, p_month);
	END IF;
END $$;
