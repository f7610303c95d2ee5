import type { Approval, Json } from '../api/types.ts';
import { Visible } from '../text/visible.tsx';
import classes from './detail.module.css';

/** The arguments in their recorded form. What is masked here only, and reaches the tool as it is, says so. */
export function Arguments({ approval: { arguments: args, recordOnly } }: { readonly approval: Approval }) {
	const entries = Object.entries(args);
	const missing = recordOnly.filter((pointer) => !stands(args, pointer));
	if (entries.length === 0 && missing.length === 0) return <p className={classes['dim']}>None.</p>;
	return (
		<dl className={classes['arguments']}>
			{entries.map(([name, value]) => (
				<div key={name}>
					<dt>
						<Visible text={name} />
					</dt>
					<dd>
						<Value value={value} pointer={pointerOf('', name)} recordOnly={recordOnly} />
					</dd>
				</div>
			))}
			{missing.map((pointer) => (
				<div key={pointer}>
					<dt>
						<Visible text={stepsOf(pointer).join(' › ')} />
					</dt>
					<dd>
						<span className={classes['mark']}>not in the record; the tool gets it</span>
					</dd>
				</div>
			))}
		</dl>
	);
}

interface ValueProps {
	readonly value: Json;
	readonly pointer: string;
	readonly recordOnly: readonly string[];
}

function Value({ value, pointer, recordOnly }: ValueProps) {
	const mark = recordOnly.includes(pointer) ? (
		<span className={classes['mark']}>masked for the record; the tool gets the real value</span>
	) : null;
	if (value !== null && typeof value === 'object') {
		const members = Array.isArray(value) ? value.map((item, place) => [String(place), item] as const) : Object.entries(value);
		if (members.length === 0) return <code>{Array.isArray(value) ? '[]' : '{}'}</code>;
		return (
			<>
				{mark}
				<ul className={classes['members']}>
					{members.map(([name, member]) => (
						<li key={name}>
							<code className={classes['dim']}>
								<Visible text={name} />
							</code>{' '}
							<Value value={member} pointer={pointerOf(pointer, name)} recordOnly={recordOnly} />
						</li>
					))}
				</ul>
			</>
		);
	}
	return (
		<>
			<code className={typeof value === 'string' ? undefined : classes['plain']}>
				{typeof value === 'string' ? (
					value === '' ? (
						<span className={classes['dim']}>empty text</span>
					) : (
						<Visible text={value} isBlock />
					)
				) : (
					String(value)
				)}
			</code>{' '}
			{mark}
		</>
	);
}

/** Whether the record has anything there. */
function stands(args: Json, pointer: string): boolean {
	let at: Json = args;
	for (const step of stepsOf(pointer)) {
		if (at === null || typeof at !== 'object' || !Object.hasOwn(at, step)) return false;
		at = (at as { [name: string]: Json })[step]!;
	}
	return true;
}

const stepsOf = (pointer: string): string[] =>
	pointer
		.split('/')
		.slice(1)
		.map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'));

/** RFC 6901. */
const pointerOf = (parent: string, name: string): string => `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
