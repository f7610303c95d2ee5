import type { RegoValue } from './rego-value.ts';

/** What a builtin may know besides its arguments. One per evaluation. */
export type BuiltinContext = {
	/** The clock of this evaluation, in ns since 1970: the same for every builtin that asks. */
	readonly nowNs: bigint;
	/** For a builtin to keep what is costly to make (a compiled pattern); gone when the evaluation ends. */
	readonly memo: Map<string, unknown>;
};

/**
 * A builtin that the gateway provides to policies. Synchronous and pure, and never throws for bad arguments: `undefined` is what OPA
 * calls a builtin error, and makes the expression undefined. The same arguments are asked once per evaluation.
 */
export type Builtin = (ctx: BuiltinContext, ...args: RegoValue[]) => RegoValue | undefined;

/** Builtins by their OPA name, such as `time.now_ns`. */
export type Builtins = Readonly<Record<string, Builtin>>;
