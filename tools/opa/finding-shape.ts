import { readFileSync } from 'node:fs';
import { Ajv2020, type ErrorObject } from 'ajv/dist/2020.js';
import type { Problem } from './problem.ts';
import { type Location, problemAt, type Term } from './syntax.ts';

const schema = JSON.parse(readFileSync(new URL('../../policy/schemas/finding.json', import.meta.url), 'utf8')) as object;
const isFinding = new Ajv2020({ allErrors: true, strict: false }).compile(schema);

/** A value as far as it stands in the text; `computed` are the JSON Pointers of what is only known when the rule runs. */
interface Written {
	readonly value: unknown;
	readonly places: Map<string, Location>;
	readonly computed: Set<string>;
}

/**
 * What is wrong with a finding as it is written; nothing is said of what is computed.
 * @param rule names the rule in the problems
 */
export function shapeProblems(finding: Term, team: string, set: 'finding' | 'result_finding', rule: string): Problem[] {
	const written: Written = { value: undefined, places: new Map(), computed: new Set() };
	const value = read(finding, '', finding.location!, written);
	if (!isRecord(value)) return [];
	const at = (pointer: string): Location => written.places.get(pointer) ?? at(pointer.slice(0, pointer.lastIndexOf('/')));
	const problems = isFinding(value)
		? []
		: sentences(isFinding.errors!, written).map(([pointer, text]) => problemAt(at(pointer), text, rule));
	const { rule: id, verdict } = value;
	if (typeof id === 'string' && !id.startsWith(`${team}.`))
		problems.push(problemAt(at('/rule'), `the rule of a finding of ${team} begins with "${team}.", not "${id}"`, rule));
	if (set === 'result_finding') {
		if (verdict === 'approvalRequired' || verdict === 'budget')
			problems.push(problemAt(at('/verdict'), 'the call has run: a result_finding can only allow (with redactions) or deny', rule));
		if ('limits' in value) problems.push(problemAt(at('/limits'), 'the call has run: a result_finding has no limits', rule));
		for (const [pointer, target] of targets(value))
			if (target === 'request' || target === 'audit')
				problems.push(problemAt(at(pointer), 'the call has run: a result_finding redacts only the result', rule));
	}
	return problems;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

function* targets({ redact }: Record<string, unknown>): Generator<[string, unknown]> {
	if (!Array.isArray(redact)) return;
	for (const [index, item] of redact.entries()) yield [`/redact/${index}/target`, (item as { target?: unknown } | null)?.target];
}

function read(term: Term, pointer: string, near: Location, written: Written): unknown {
	const { type, value, location = near } = term;
	written.places.set(pointer, location);
	switch (type) {
		case 'string':
		case 'number':
		case 'boolean':
			return value;
		case 'null':
			return null;
		case 'array':
		case 'set':
			return (value as Term[]).map((item, index) => read(item, `${pointer}/${index}`, location, written));
		case 'object': {
			const fields = value as [Term, Term][];
			// A computed name may be any field: nothing can be said of the others.
			if (fields.some(([name]) => name.type !== 'string')) break;
			return Object.fromEntries(
				fields.map(([name, field]) => {
					const below = `${pointer}/${String(name.value).replaceAll('~', '~0').replaceAll('/', '~1')}`;
					const read_ = read(field, below, location, written);
					written.places.set(below, name.location ?? location);
					return [name.value, read_];
				}),
			);
		}
		default:
	}
	written.computed.add(pointer);
	return undefined;
}

const PATTERNS: ReadonlyMap<string, string> = new Map([
	['^(?:/.*)?$', 'is a JSON Pointer: empty, or beginning with /'],
	['^(?:(?:principal|agent|session|server|tool)$|value:)', 'is principal, agent, session, server, tool or value:<text>'],
]);

/** Ajv's errors in words, without those that hang on something computed. */
function sentences(errors: readonly ErrorObject[], { computed }: Written): [pointer: string, text: string][] {
	const isComputed = (pointer: string): boolean =>
		computed.has(pointer) || (pointer !== '' && isComputed(pointer.slice(0, pointer.lastIndexOf('/'))));
	const hangsOnComputed = ({ schemaPath }: ErrorObject): boolean =>
		(schemaPath.startsWith('#/allOf') && computed.has('/verdict')) ||
		(/^#\/properties\/budget\/(if|then)/.test(schemaPath) && computed.has('/budget/unit'));
	return errors
		.filter((error) => !isComputed(error.instancePath) && !hangsOnComputed(error) && !error.schemaPath.includes('/anyOf/'))
		.flatMap(({ keyword, instancePath, params, message, schemaPath }): [string, string][] => {
			const name = instancePath === '' ? 'the finding' : instancePath.slice(1).replaceAll('/', '.');
			switch (keyword) {
				case 'if':
					return [];
				case 'anyOf':
					return [[instancePath, `${name} is turn, session, minute, hour, day, month or a number of seconds`]];
				case 'required':
					return isComputed(`${instancePath}/${params['missingProperty']}`)
						? []
						: [[instancePath, `${name} lacks ${params['missingProperty']}`]];
				case 'additionalProperties':
					return [[`${instancePath}/${params['additionalProperty']}`, `${name} has no field ${params['additionalProperty']}`]];
				case 'enum':
					return [[instancePath, `${name} is one of ${(params['allowedValues'] as string[]).join(', ')}`]];
				case 'minLength':
				case 'minItems':
					return [[instancePath, `${name} is empty`]];
				case 'pattern':
					return [[instancePath, `${name} ${PATTERNS.get(params['pattern'] as string) ?? message}`]];
				case 'not':
					return [
						[
							instancePath,
							schemaPath.startsWith('#/allOf/0')
								? 'only the verdict approvalRequired has an approval'
								: 'only the verdict budget has a budget',
						],
					];
				default:
					return [[instancePath, `${name} ${message}`]];
			}
		});
}
