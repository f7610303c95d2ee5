/** Why an evaluation gave no answer. Stable: records and tests name them. */
export type EvaluationErrorCode =
	| 'out_of_fuel'
	| 'out_of_memory'
	| 'conflict'
	| 'missing_builtin'
	| 'bad_input'
	| 'aborted'
	| 'unsupported_module';

/** The base of everything that the evaluator throws. Whoever asked for a decision has none, and must refuse. */
export class EvaluationError extends Error {
	readonly code: EvaluationErrorCode;
	/** The rule that was being evaluated, such as `data.toolgate.rules.payments.finding`, where the module names its functions. */
	readonly rule: string | undefined;

	constructor(code: EvaluationErrorCode, message: string, cause?: unknown) {
		super(message, cause === undefined ? undefined : { cause });
		this.name = new.target.name;
		this.code = code;
		this.rule = ruleIn(cause);
	}
}

/** The policy did more work than the fuel allows. */
export class OutOfFuel extends EvaluationError {
	constructor(fuel: number, cause?: unknown) {
		super('out_of_fuel', `policy stopped after ${fuel} units of fuel`, cause);
	}
}

/** Data, input, and what the policy made of them don't fit into the memory limit. */
export class OutOfMemory extends EvaluationError {
	constructor(limitBytes: number, cause?: unknown) {
		super('out_of_memory', `policy needs more than its ${limitBytes / 2 ** 20} MiB of memory`, cause);
	}
}

/** Two rules gave one name, or one key of an object, different values. The message has file, row and column of the second. */
export class Conflict extends EvaluationError {
	constructor(message: string, cause?: unknown) {
		super('conflict', message, cause);
	}
}

/** The policy called a builtin that nobody provides. */
export class MissingBuiltin extends EvaluationError {
	readonly builtin: string;

	constructor(builtin: string) {
		super('missing_builtin', `policy calls ${builtin}, which is not provided`);
		this.builtin = builtin;
	}
}

/** The input, the data or the entrypoint is not one that can be evaluated. Says what and where; nothing was evaluated. */
export class BadInput extends EvaluationError {
	constructor(message: string) {
		super('bad_input', message);
	}
}

/** The module gave up for any other reason: values nested too deeply, a number that its arithmetic can't hold. */
export class Aborted extends EvaluationError {
	constructor(message: string, cause?: unknown) {
		super('aborted', message, cause);
	}
}

/** Not a module that OPA compiled for an ABI we know, or one with instructions that can't be metered. */
export class UnsupportedModule extends EvaluationError {
	constructor(message: string, cause?: unknown) {
		super('unsupported_module', message, cause);
	}
}

/** The planned function nearest to where the module stopped; `g0.data.…` is how OPA names the function of a rule. */
function ruleIn(cause: unknown): string | undefined {
	return cause instanceof Error ? /\bg\d+\.(data\.[^\s:]+)/.exec(cause.stack ?? '')?.[1] : undefined;
}
