import { parse } from 'yaml';

/** What a Rego source says of itself, as far as it can be read without parsing Rego. */
export interface SourceSummary {
	readonly package: string;
	readonly title?: string;
	/** Ids that its findings carry, in order of appearance. */
	readonly rules: readonly string[];
	/** Annotated rules: name and title. */
	readonly annotated: readonly { readonly name: string; readonly title: string }[];
}

/** Undefined for a source without a package. */
export function summaryOf(source: string): SourceSummary | undefined {
	let title: string | undefined;
	let named: string | undefined;
	const annotated: { name: string; title: string }[] = [];
	let comment: string[] | undefined;
	for (const line of source.split('\n')) {
		if (/^#\s*METADATA\s*$/.test(line)) comment = [];
		else if (line.startsWith('#')) comment?.push(line.slice(1));
		else if (line.trim() !== '') {
			const found = comment === undefined ? undefined : titleIn(comment.join('\n'));
			const declared = /^package\s+(\S+)/.exec(line)?.[1];
			if (declared !== undefined) [named, title] = [declared, found];
			else if (found !== undefined) annotated.push({ name: /^(?:default\s+)?([A-Za-z_][\w.]*)/.exec(line)?.[1] ?? '?', title: found });
			comment = undefined;
		}
	}
	if (named === undefined) return undefined;
	const rules = [...source.matchAll(/"rule":\s*"([^"\n]+)"/g)].map(([, id]) => id!);
	return { package: named, ...(title === undefined ? {} : { title }), rules: [...new Set(rules)], annotated };
}

function titleIn(comment: string): string | undefined {
	try {
		const { title } = (parse(comment) ?? {}) as { title?: unknown };
		return typeof title === 'string' ? title : undefined;
	} catch {
		return undefined;
	}
}
