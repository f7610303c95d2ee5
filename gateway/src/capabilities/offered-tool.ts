import type { ArgumentProblem, JsonObject, JsonValue, Tool } from '../domain.ts';
import type { Pin } from './capability-store.ts';
import { changedParts, type Difference, differences } from './differences.ts';
import type { Inspected } from './inspection.ts';

/** A tool as it is offered now, judged against its pin. */
export class OfferedTool implements Tool {
	readonly upstream: string;
	readonly name: string;
	readonly listedName: string;
	readonly definition: JsonObject;
	readonly digest: string;
	readonly pinned: boolean;
	readonly quarantine?: string;
	/** Why it is held, in more words, which may quote the upstream: for operators. */
	readonly detail?: string;
	/** Where the definition differs from the accepted one; empty where it doesn't. */
	readonly changes: readonly Difference[];
	/** Whether an operator may accept it as it is. */
	readonly isAcceptable: boolean;
	readonly #inspected: Inspected;

	constructor(upstream: string, listedName: string, inspected: Inspected, pin: Pin | undefined) {
		const { definition, digest, flaw } = inspected;
		this.upstream = upstream;
		this.name = definition.name;
		this.listedName = listedName;
		this.definition = definition;
		this.digest = digest;
		this.pinned = pin?.digest === digest;
		this.changes = pin?.definition === undefined ? [] : differences(pin.definition, definition);
		this.isAcceptable = flaw === undefined || flaw.isAcceptable;
		this.#inspected = inspected;
		const isAccepted = this.pinned && pin?.by === 'operator';
		if (flaw !== undefined && !(flaw.isAcceptable && isAccepted)) {
			this.quarantine = flaw.why;
			if (flaw.detail !== undefined) this.detail = flaw.detail;
		} else if (pin !== undefined && !this.pinned) {
			this.quarantine = `its definition changed since it was accepted: ${changedParts(this.changes)}`;
			this.detail = this.changes
				.map(({ pointer }) => pointer)
				.join(', ')
				.slice(0, 2_000);
		}
	}

	validate(args: JsonObject): ArgumentProblem | undefined {
		const { schemas } = this.#inspected;
		return schemas === undefined ? { pointer: '', message: 'the tool has no usable schema' } : schemas.validate(args);
	}

	/** Whether structured content, as it would be passed on, fits the output schema. */
	fitsOutputSchema(structuredContent: JsonValue | undefined): boolean {
		return this.#inspected.schemas?.fitsOutput(structuredContent) ?? false;
	}

	/** Whether the other is the same in everything that callers see. */
	isLike(other: OfferedTool | undefined): boolean {
		return (
			other !== undefined &&
			this.digest === other.digest &&
			this.listedName === other.listedName &&
			this.pinned === other.pinned &&
			this.quarantine === other.quarantine
		);
	}
}
