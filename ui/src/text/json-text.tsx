import { Fragment } from 'react';
import type { Json } from '../api/types.ts';
import classes from './text.module.css';
import { Visible } from './visible.tsx';

/** A value from outside as indented JSON. The line breaks are ours; those in its texts stay written out. */
export function JsonText({ value }: { readonly value: Json | object }) {
	return (
		<pre className={classes['json']} tabIndex={0}>
			{JSON.stringify(value, undefined, 2)
				.split('\n')
				.map((line, place) => (
					<Fragment key={place}>
						{place > 0 && '\n'}
						<Visible text={line} />
					</Fragment>
				))}
		</pre>
	);
}
