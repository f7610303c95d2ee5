import type { ServiceName } from '../demo/services.ts';
import { readYaml, schemaOf, type YamlFile } from './yaml-file.ts';

export interface TraceEntry {
	readonly tool: string;
	readonly decision: string;
	readonly then?: string;
	readonly times?: number;
}

/** What the person behind the fake Lark does with cards. */
export type LarkMode = 'approve' | 'approve-once' | 'reject' | 'ignore';
export type Faults = { readonly [name in Extract<ServiceName, 'localstripe' | 'localstripe-mcp'>]?: 'down' } & {
	readonly 'mock-lark'?: 'down' | LarkMode;
};

/** One message that an agent sends past its model: a call of a tool, or a body as it stands. */
export interface AttackStep {
	readonly tool?: string;
	readonly arguments?: unknown;
	/** JSON, or a text that is sent as it is. */
	readonly send?: unknown;
	/** How many of the same are sent at once. */
	readonly atOnce?: number;
	/** With the id of a session that this principal has opened. */
	readonly inSessionOf?: string;
}

/** Texts that must, and must not, be there. */
export interface Texts {
	readonly mustContain?: readonly string[];
	readonly mustNotContain?: readonly string[];
}

/** One case of a suite: `evalsuite/suite.schema.json` says what each field means. */
export interface EvalCase {
	readonly name: string;
	readonly input: string;
	readonly principal: string;
	readonly attack?: readonly AttackStep[];
	readonly mustInclude?: readonly string[];
	readonly mustNotInclude?: readonly string[];
	readonly policyOutcome?: string;
	readonly mustNotContainInArgs?: readonly string[];
	readonly mustSay?: readonly string[];
	readonly trace?: readonly TraceEntry[];
	readonly faults?: Faults;
	readonly charges?: Readonly<Record<string, string>>;
	readonly ledger?: { readonly refunds?: number; readonly refundedCents?: number; readonly deletedCustomers?: number };
	readonly messages?: Texts;
	readonly results?: Texts;
}

export interface Suite extends Pick<YamlFile<unknown>, 'at'> {
	readonly file: string;
	readonly cases: readonly EvalCase[];
}

const validate = schemaOf<{ cases: EvalCase[] }>('suite.schema.json');

/** @throws {UsageError} `file:line:column: where: what was expected` */
export function readSuite(file: string): Suite {
	const { value, at } = readYaml(file, validate);
	const names = value.cases.map(({ name }) => name);
	const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
	if (twice >= 0) throw at(`/cases/${twice}/name`, `the name "${names[twice]}" stands twice`);
	return { file, cases: value.cases, at };
}
