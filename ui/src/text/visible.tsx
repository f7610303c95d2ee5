import { Fragment } from 'react';
import { piecesOf } from './escapes.ts';
import classes from './text.module.css';

/** Text from outside, whole and harmless: what would be invisible is written out, and nothing in it moves what stands beside it. */
export function Visible({ text, isBlock = false }: { readonly text: string; readonly isBlock?: boolean }) {
	return (
		<bdi dir="ltr" className={isBlock ? classes['block'] : undefined}>
			{piecesOf(text).map((piece, place) =>
				piece.isEscape ? (
					<Fragment key={place}>
						<span className={classes['escape']} title="a character that would not show">
							{piece.text}
						</span>
						{isBlock && piece.text === '\\n' && '\n'}
					</Fragment>
				) : (
					piece.text
				),
			)}
		</bdi>
	);
}
