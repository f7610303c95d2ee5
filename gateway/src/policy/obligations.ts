import type { DecisionDocument, Item, JsonObject, JsonValue, Redaction, Tool } from '../domain.ts';
import { PolicyError } from '../errors.ts';
import { type Pattern, shippedPatterns } from './patterns.ts';
import { redact, stepsOf } from './redact.ts';

/** A decision's obligations, accepted: every one can be fulfilled. */
export interface Obligations {
	/** What goes upstream. */
	readonly sent: JsonObject;
	/** What goes to approval, record and log. */
	readonly recorded: JsonObject;
	readonly timeoutMs?: number;
	readonly maxResultBytes?: number;
}

/** Those that the deciding bundle names itself. */
type Patterns = Readonly<Record<string, Pattern>>;

export interface ObligationsDeps {
	keyedDigest(value: JsonValue): string;
	/** Does structured content still fit the tool's output schema. */
	fitsOutputSchema(tool: Tool, result: JsonObject): boolean;
}

/** What a decision demands of the gateway, fulfilled or refused before any side effect. */
export class ObligationDesk {
	readonly #deps: ObligationsDeps;

	constructor(deps: ObligationsDeps) {
		this.#deps = deps;
	}

	/** @throws {PolicyError} an obligation can't be fulfilled. */
	accept({ redactions, limits }: DecisionDocument, args: JsonObject, patterns: Patterns): Obligations {
		for (const redaction of redactions) {
			// Found before the call runs: afterwards the result could only be withheld.
			stepsOf(redaction);
			if (redaction.match !== undefined) patternNamed(redaction.match, patterns);
		}
		const sent = this.#redact(args, redactions, 'request', patterns);
		return {
			sent,
			recorded: this.#redact(sent, redactions, 'audit', patterns),
			...(limits.timeoutMs === undefined ? {} : { timeoutMs: limits.timeoutMs }),
			...(limits.maxResultBytes === undefined ? {} : { maxResultBytes: limits.maxResultBytes }),
		};
	}

	/** The result after the redactions of every document; undefined when it no longer fits the tool's output schema. @throws {PolicyError} */
	redactResult(
		documents: readonly DecisionDocument[],
		result: JsonObject,
		capability: Tool | Item,
		patterns: Patterns,
	): JsonObject | undefined {
		const redactions = documents.flatMap((document) => document.redactions);
		const redacted = this.#redact(result, redactions, 'result', patterns);
		const isFit = redacted === result || capability.kind !== undefined || this.#deps.fitsOutputSchema(capability, redacted);
		return isFit ? redacted : undefined;
	}

	#redact(value: JsonObject, redactions: readonly Redaction[], target: Redaction['target'], patterns: Patterns): JsonObject {
		const own = redactions.filter((redaction) => redaction.target === target);
		if (own.length === 0) return value;
		return redact(value, own, { pattern: (name) => patternNamed(name, patterns), keyedDigest: this.#deps.keyedDigest });
	}
}

function patternNamed(name: string, own: Patterns): Pattern {
	const pattern = Object.hasOwn(own, name) ? own[name] : Object.hasOwn(shippedPatterns, name) ? shippedPatterns[name] : undefined;
	if (pattern === undefined) throw new PolicyError(`a redaction names the pattern ${name}, which does not exist`);
	return pattern;
}
