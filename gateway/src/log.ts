import { styleText } from 'node:util';
import pino, { type DestinationStream, type Logger } from 'pino';
import { createConceal } from './conceal.ts';

export type { Logger } from 'pino';
export type LogLevel = 'error' | 'warn' | 'info' | 'debug';

/** The log, on standard error: JSON lines for machines, one readable line each on a terminal. */
export function createLog(level: LogLevel): Logger {
	const destination = concealing(pino.destination({ dest: 2, sync: true }));
	return pino(
		{ level, base: undefined, timestamp: pino.stdTimeFunctions.isoTime },
		process.stderr.isTTY ? readable(destination) : destination,
	);
}

/** A line is the last place where a secret in an error or a URL can be stopped. */
export function concealing(destination: DestinationStream): DestinationStream {
	const conceal = createConceal(() => '[secret]');
	return { write: (line) => destination.write(conceal.text(line)) };
}

const COLOURS = { 20: 'dim', 30: 'reset', 40: 'yellow', 50: 'red', 60: 'red' } as const;

function readable(destination: DestinationStream): DestinationStream {
	return {
		write(line) {
			const { level, time, msg, err } = JSON.parse(line) as {
				level: keyof typeof COLOURS;
				time: string;
				msg: string;
				err?: { message: string };
			};
			const text = err === undefined ? msg : `${msg}: ${err.message}`;
			destination.write(
				`${styleText('dim', new Date(time).toTimeString().slice(0, 8))}  ${styleText(COLOURS[level], text, { stream: process.stderr })}\n`,
			);
		},
	};
}
