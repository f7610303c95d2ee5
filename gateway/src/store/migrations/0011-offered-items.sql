-- What upstreams offer besides tools, as last seen, in their order. Nobody accepts these: only tools are pinned.
ALTER TABLE upstream_lists
	ADD COLUMN resources json NOT NULL DEFAULT '[]',
	ADD COLUMN resource_templates json NOT NULL DEFAULT '[]',
	ADD COLUMN prompts json NOT NULL DEFAULT '[]';
