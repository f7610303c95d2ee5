import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { DecisionDocument, JsonObject } from '../domain.ts';
import { PolicyError } from '../errors.ts';
import type { Entrypoint } from './bundle.ts';
import type { Evaluator } from './evaluator.ts';
import { EvaluationError } from './evaluation-error.ts';
import { type InputText, SharedInput } from './shared-input.ts';
import type { Pattern } from './patterns.ts';

/** What the policy answers under exactly one bundle revision. Every method throws {PolicyError} when it can't decide. */
export interface Judge {
	readonly revision: string;
	/** Patterns that the bundle names itself: a redaction means those of the bundle that demanded it. */
	readonly patterns: Readonly<Record<string, Pattern>>;
	/** Whether rules may have something to say of results. Where nobody can tell, they may. */
	readonly mayJudgeResults: boolean;
	/** May this principal see and reach the tool at all. */
	list(input: JsonObject): boolean;
	/** The same for many inputs of which only some members differ: what they share is written once, and the own members of each once for all times. */
	lister(shared: JsonObject): (own: JsonObject) => boolean;
	call(input: JsonObject): DecisionDocument;
	/** `input.result` is the result object; only `allow` (with redactions) or `deny` (withhold). */
	result(input: JsonObject): DecisionDocument;
}

const schema = JSON.parse(readFileSync(new URL('../../../policy/schemas/decision.json', import.meta.url), 'utf8')) as object;
const isDecision = new Ajv2020({ allErrors: false, strict: false, validateSchema: false }).compile<DecisionDocument>(schema);

/** What the decision library answers of a result where no rule speaks of results. */
const NOTHING_TO_SAY: DecisionDocument = Object.freeze({
	version: 1,
	verdict: 'allow',
	reasons: [],
	approvals: [],
	budgets: [],
	redactions: [],
	limits: {},
});

/** The policy's word, checked: a document that is not exactly a decision of version 1 decides nothing. */
export class EvaluatorJudge implements Judge {
	readonly revision: string;
	readonly patterns: Judge['patterns'];
	readonly mayJudgeResults: boolean;
	readonly #evaluator: Evaluator;

	constructor(evaluator: Evaluator, revision: string, patterns: Judge['patterns'] = {}, mayJudgeResults = true) {
		this.#evaluator = evaluator;
		this.revision = revision;
		this.patterns = patterns;
		this.mayJudgeResults = mayJudgeResults;
	}

	list(input: JsonObject): boolean {
		return this.#isListed(input);
	}

	lister(shared: JsonObject): (own: JsonObject) => boolean {
		const prepared = orPolicyError(() => new SharedInput(shared));
		return (own) => this.#isListed(orPolicyError(() => prepared.with(own)));
	}

	#isListed(input: JsonObject | InputText): boolean {
		const answer = this.#ask('toolgate/decision/list', input);
		if (typeof answer !== 'boolean') throw new PolicyError('toolgate/decision/list answered neither true nor false');
		return answer;
	}

	call(input: JsonObject): DecisionDocument {
		return this.#document('toolgate/decision/call', input);
	}

	result(input: JsonObject): DecisionDocument {
		if (!this.mayJudgeResults) return NOTHING_TO_SAY;
		const document = this.#document('toolgate/decision/result', input);
		if (document.verdict !== 'allow' && document.verdict !== 'deny')
			throw new PolicyError(`toolgate/decision/result answered ${document.verdict}; only allow or deny fit a result`);
		return document;
	}

	#document(entrypoint: Entrypoint, input: JsonObject): DecisionDocument {
		const answer = this.#ask(entrypoint, input);
		if (isDecision(answer)) return answer;
		const problem = isDecision.errors?.[0];
		throw new PolicyError(
			`${entrypoint} did not answer a decision: ${answer === undefined ? 'undefined' : `${problem?.instancePath || 'the document'} ${problem?.message}`}`,
		);
	}

	#ask(entrypoint: Entrypoint, input: JsonObject | InputText): unknown {
		return orPolicyError(() => this.#evaluator.evaluate(input, entrypoint));
	}
}

function orPolicyError<T>(step: () => T): T {
	try {
		return step();
	} catch (error) {
		if (!(error instanceof EvaluationError)) throw error;
		throw new PolicyError(error.rule === undefined ? error.message : `${error.message} (in ${error.rule})`, { cause: error });
	}
}
