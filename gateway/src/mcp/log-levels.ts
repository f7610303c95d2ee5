/** Levels of `notifications/message`, the least first (RFC 5424). */
export const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;

/** Whether a log message of this level is one that an agent asked for. */
export function isWanted(level: unknown, least: string | undefined): boolean {
	const levels: readonly unknown[] = LOG_LEVELS;
	return least === undefined || levels.indexOf(level) >= levels.indexOf(least);
}
