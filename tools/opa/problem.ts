/** One mistake in a policy: where it is, and what to do about it. Lines and columns count from 1; 0 is the file or folder as a whole. */
export interface Problem {
	readonly file: string;
	readonly line: number;
	readonly column: number;
	/** The rule or package it is in, such as `toolgate.rules.payments.finding`. */
	readonly rule?: string;
	readonly message: string;
	/** Absent for an error. A warning keeps nobody from building. */
	readonly severity?: 'warning';
}

/** `file:line:column: message (rule)`, as editors understand it. */
export function problemLine({ file, line, column, rule, message, severity }: Problem): string {
	const place = `${file}:${line === 0 ? '' : `${line}:${column}:`}`;
	return `${place} ${severity === undefined ? '' : `${severity}: `}${message}${rule === undefined ? '' : ` (${rule})`}`;
}

export const byPlace = (a: Problem, b: Problem): number =>
	a.file === b.file ? a.line - b.line || a.column - b.column : a.file < b.file ? -1 : 1;

/** A policy that can't be built or run as it is. */
export class PolicyProblems extends Error {
	override readonly name = 'PolicyProblems';
	readonly problems: readonly Problem[];

	constructor(problems: readonly Problem[]) {
		super(problems.map(problemLine).join('\n'));
		this.problems = problems;
	}
}
