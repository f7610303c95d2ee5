import type { Miss } from '../expect.ts';
import type { PartName } from '../parts.ts';
import type { EvalCase, LarkMode } from '../suite.ts';

/** What the eval page is told, whole at every change. Times are milliseconds on the clock of the eval runner. */
export interface PageView {
	readonly nowMs: number;
	/** In words: which stack this is. */
	readonly stack: string;
	readonly suite: string;
	readonly cases: readonly EvalCase[];
	readonly services: readonly ServiceView[];
	/** What the person behind mock-lark does; undefined while it does not answer. */
	readonly larkMode?: LarkMode;
	/** Names of the cases that come next. */
	readonly queue: readonly string[];
	/** Newest first; the first one may be running. */
	readonly runs: readonly RunView[];
	/** What the last button could not do. */
	readonly problem?: string;
}

/** A service, or the database. */
export interface ServiceView {
	readonly name: PartName;
	readonly url: string;
	/** Has it a process of its own, which buttons can stop and start. */
	readonly isSwitchable: boolean;
	/** What to know of it besides. */
	readonly note?: string;
	readonly state: 'up' | 'down' | 'unknown';
	/** Why it counts as down. */
	readonly why?: string;
	readonly checkedAtMs?: number;
	/** Being stopped or started at this moment. */
	readonly isChanging: boolean;
}

export interface RunView {
	readonly id: number;
	readonly case: string;
	readonly principal: string;
	/** `broken`: the stack did not do its part, so that there is no verdict. */
	readonly state: 'running' | 'held' | 'missed' | 'stopped' | 'broken';
	readonly startedAtMs: number;
	readonly endedAtMs?: number;
	/** What the runner does at this moment. */
	readonly doing?: string;
	readonly calls: readonly CallView[];
	readonly misses: readonly Miss[];
	readonly said?: string;
	readonly why?: string;
}

export interface CallView {
	readonly callId: string;
	readonly tool: string;
	readonly words: readonly string[];
	readonly wordsAtMs: readonly number[];
	readonly isOver: boolean;
	/** As recorded, so redacted. */
	readonly arguments?: unknown;
	/** The trail's own events. */
	readonly events: readonly object[];
	/** What the agent was answered, when it has ended. */
	readonly answer?: string;
	/** When the open approval ends. */
	readonly expiresAtMs?: number;
}
