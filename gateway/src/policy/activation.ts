import { stat } from 'node:fs/promises';
import { watch, type FSWatcher } from 'chokidar';
import { PolicyError, ToolGateError } from '../errors.ts';
import { type Bundle, readBundle } from './bundle.ts';
import { EvaluatorJudge, type Judge } from './judge.ts';
import { compilePattern, type Pattern } from './patterns.ts';
import { prepare } from './prepare.ts';

export interface ActiveBundle {
	readonly revision: string;
	readonly digest: string;
	readonly version: number;
	readonly activatedAtMs: number;
}

export interface PolicyStatus {
	/** Where bundles come from. */
	readonly source: string;
	/** Absent: every call is denied. */
	readonly active?: ActiveBundle;
	/** Why the bundle that was read last is not the active one. */
	readonly problem?: { readonly why: string; readonly atMs: number };
}

export interface PolicyOptions {
	/** A `.tar.gz`, or a folder that holds a bundle unpacked. */
	readonly bundle: string;
	/** Units of work per evaluation. */
	readonly fuel: number;
	/** Told after every attempt that changed something: a bundle became active, or was refused. Awaited before the next attempt. */
	readonly onChange?: (status: PolicyStatus, activated: boolean) => Promise<void> | void;
}

/** A write is over when the file has kept its size for this long. */
const SETTLE_MS = 120;

/** The policy in force: one pointer that is swapped while calls flow. A call in flight finishes under the revision it began with. */
export class Policy {
	readonly #options: PolicyOptions;
	#judge: Judge | undefined;
	#active: ActiveBundle | undefined;
	#patterns: Readonly<Record<string, Pattern>> = {};
	#problem: PolicyStatus['problem'];
	#watcher: FSWatcher | undefined;
	#loading: Promise<void> = Promise.resolve();

	constructor(options: PolicyOptions) {
		this.#options = options;
	}

	/** Reads the bundle, and from then on whenever it changes. A bundle that is refused is a state, not a throw. */
	async start(): Promise<void> {
		await this.reload();
		this.#watcher = watch(this.#options.bundle, { ignoreInitial: true, awaitWriteFinish: { stabilityThreshold: SETTLE_MS, pollInterval: 20 } });
		this.#watcher.on('all', () => void this.reload());
		await new Promise<void>((resolve) => this.#watcher!.once('ready', resolve));
	}

	/** @throws {PolicyError} there is no valid bundle: nothing can be decided. */
	judge(): Judge {
		if (this.#judge === undefined) throw new PolicyError(`there is no valid policy bundle${this.#problem === undefined ? '' : `: ${this.#problem.why}`}`);
		return this.#judge;
	}

	/** Patterns that the active bundle names itself. */
	patterns(): Readonly<Record<string, Pattern>> {
		return this.#patterns;
	}

	status(): PolicyStatus {
		return {
			source: this.#options.bundle,
			...(this.#active === undefined ? {} : { active: this.#active }),
			...(this.#problem === undefined ? {} : { problem: this.#problem }),
		};
	}

	/** Reads the bundle again; one attempt at a time, in the order they were asked for. */
	reload(): Promise<PolicyStatus> {
		const attempt = this.#loading.then(() => this.#load());
		this.#loading = attempt.catch(() => undefined);
		return attempt.then(() => this.status());
	}

	async close(): Promise<void> {
		await this.#watcher?.close();
		await this.#loading;
	}

	async #load(): Promise<void> {
		let bundle: Bundle;
		let patterns: Record<string, Pattern>;
		try {
			bundle = await readBundle(this.#options.bundle);
			if (bundle.digest === this.#active?.digest) {
				this.#problem = undefined;
				return;
			}
			if (bundle.version < (this.#active?.version ?? 0)) {
				throw new ToolGateError('BUNDLE', `version ${bundle.version} is older than the active version ${this.#active?.version}`);
			}
			patterns = patternsOf(bundle);
			this.#judge = new EvaluatorJudge(await prepare(bundle, { fuel: this.#options.fuel }), bundle.revision);
		} catch (error) {
			if (await this.#isGone()) return this.#refused(`${this.#options.bundle} is gone`);
			return this.#refused(error instanceof Error ? error.message : String(error));
		}
		this.#patterns = patterns;
		this.#active = { revision: bundle.revision, digest: bundle.digest, version: bundle.version, activatedAtMs: Date.now() };
		this.#problem = undefined;
		await this.#options.onChange?.(this.status(), true);
	}

	async #refused(why: string): Promise<void> {
		const isNews = this.#problem?.why !== why;
		this.#problem = { why, atMs: Date.now() };
		if (isNews) await this.#options.onChange?.(this.status(), false);
	}

	async #isGone(): Promise<boolean> {
		return this.#active !== undefined && (await stat(this.#options.bundle).catch(() => undefined)) === undefined;
	}
}

/** `data.toolgate.patterns`: name → RE2 expression. */
function patternsOf({ data }: Bundle): Record<string, Pattern> {
	const toolgate = data['toolgate'];
	const named = typeof toolgate === 'object' && toolgate !== null && !Array.isArray(toolgate) ? toolgate['patterns'] : undefined;
	if (named === undefined) return {};
	if (typeof named !== 'object' || named === null || Array.isArray(named)) throw new ToolGateError('BUNDLE', 'data.toolgate.patterns: expected names with RE2 expressions');
	return Object.fromEntries(
		Object.entries(named).map(([name, expression]) => {
			if (typeof expression !== 'string') throw new ToolGateError('BUNDLE', `data.toolgate.patterns.${name}: expected an RE2 expression`);
			return [name, compilePattern(name, expression)];
		}),
	);
}
