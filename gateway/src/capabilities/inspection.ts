import { digestOf } from '../canonical-json.ts';
import { findConcealed } from './concealed.ts';
import type { ToolDefinition } from './discovery.ts';
import { compileSchemas, SchemaRefused, type ToolSchemas } from './schemas.ts';

/** A definition with what can be said of it alone, whatever is pinned. */
export interface Inspected {
	readonly definition: ToolDefinition;
	readonly digest: string;
	/** Absent where a flaw stands in the way. */
	readonly schemas?: ToolSchemas;
	readonly flaw?: Flaw;
}

export interface Flaw {
	/** One phrase in words of ours; an agent may read it. */
	readonly why: string;
	/** For operators only: may quote the upstream. */
	readonly detail?: string;
	/** An operator who has looked may accept it all the same. */
	readonly isAcceptable: boolean;
}

/** ASCII only: a name that looks like another one can't be written with it. Never normalised. */
const NAME = /^[A-Za-z0-9_.-]{1,128}$/;
const MAX_DEFINITION_LENGTH = 262_144;

export function inspect(definition: ToolDefinition): Inspected {
	const digest = digestOf(definition);
	const refuse = (why: string, detail?: string, isAcceptable = false): Inspected => ({
		definition,
		digest,
		flaw: { why, isAcceptable, ...(detail === undefined ? {} : { detail }) },
	});
	if (!NAME.test(definition.name)) return refuse('its name has characters other than A-Z, a-z, 0-9, _, . and -');
	if (JSON.stringify(definition).length > MAX_DEFINITION_LENGTH)
		return refuse(`its definition is longer than ${MAX_DEFINITION_LENGTH} characters`);
	let schemas: ToolSchemas;
	try {
		schemas = compileSchemas(definition);
	} catch (error) {
		if (!(error instanceof SchemaRefused)) throw error;
		return refuse(error.message, error.cause instanceof Error ? error.cause.message : undefined);
	}
	const hidden = findConcealed(definition);
	if (hidden === undefined) return { definition, digest, schemas };
	return { ...refuse('its definition hides characters from the eye', `${hidden.codePoint} at ${hidden.pointer}`, true), schemas };
}
