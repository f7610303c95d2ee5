import { PolicyError, ToolGateError } from '../errors.ts';
import type { Judge } from './judge.ts';
import { type KeptBundle, KeptBundles, type KeptState } from './kept-bundles.ts';
import { type BundleHeader, type Gate, Preparation, type Prepared } from './prepare.ts';
import type { Verification } from './signatures.ts';
import type { BundleSource } from './sources/bundle-source.ts';

export interface ActiveBundle extends BundleHeader {
	readonly activatedAtMs: number;
}

export interface PolicyStatus {
	/** Where bundles come from. */
	readonly source: string;
	/** Of this gateway, as configured. */
	readonly labels?: Readonly<Record<string, string>>;
	/** Absent: every call is denied. */
	readonly active?: ActiveBundle;
	/** What `rollback` would go back to. */
	readonly previous?: KeptBundle;
	/** What was gone back from: until a newer one comes, the active one stays. */
	readonly rolledBack?: KeptBundle;
	/** Why the bundle that was read last is not the active one, or why none can be read. */
	readonly problem?: Problem;
}

interface Problem {
	readonly why: string;
	readonly atMs: number;
}

/** A bundle became active, an operator went back to the one before, or a bundle was refused or could not be read. */
export type PolicyChange = 'activated' | 'rolledBack' | 'refused';

export interface PolicyOptions {
	readonly source: BundleSource;
	/** Units of work per evaluation. */
	readonly fuel: number;
	/** What bundles have to be signed with; absent: they must not be signed. */
	readonly verification?: Verification;
	readonly labels?: Readonly<Record<string, string>>;
	/** Folder for what outlives a restart: the last bundles, and which versions are too old. */
	readonly keepIn: string;
	/** Told after every attempt that changed something. Awaited before the next attempt. */
	readonly onChange?: (status: PolicyStatus, change: PolicyChange) => Promise<void> | void;
	/** Something could not be kept in the folder. */
	readonly onFault: (error: unknown) => void;
}

/** The policy in force: one pointer that is swapped while calls flow. A call in flight finishes under the revision it began with. */
export class Policy {
	readonly #options: PolicyOptions;
	readonly #kept: KeptBundles;
	readonly #preparation = new Preparation();
	#judge: Judge | undefined;
	#active: ActiveBundle | undefined;
	/** What was active last, here or before a restart. */
	#last: Omit<KeptState, 'source'> | undefined;
	#refusal: Problem | undefined;
	#outage: Problem | undefined;
	#attempts: Promise<unknown> = Promise.resolve();

	constructor(options: PolicyOptions) {
		this.#options = options;
		this.#kept = new KeptBundles(options.keepIn, options.source.says);
	}

	/** Reads the bundle, and from then on whenever it changes. A bundle that is refused is a state, not a throw. */
	async start(): Promise<void> {
		const { source, onFault } = this.#options;
		this.#last = await this.#kept.state().catch((error: unknown) => (onFault(error), undefined));
		if (this.#last !== undefined && (source.isPersisted || this.#last.rolledBack !== undefined)) {
			await this.#attempt(() => this.#reactivate(this.#last!)).catch((error: unknown) => this.#refused(error));
		}
		await source.watch({
			found: (packed) => this.#attempt(() => this.#offer(packed)).catch((error: unknown) => this.#refused(error)),
			unchanged: () => void (this.#outage = undefined),
			failed: (why) => this.#failed(why),
		});
	}

	/** @throws {PolicyError} there is no valid bundle: nothing can be decided. */
	judge(): Judge {
		if (this.#judge !== undefined) return this.#judge;
		const { problem } = this.status();
		throw new PolicyError(`there is no valid policy bundle${problem === undefined ? '' : `: ${problem.why}`}`);
	}

	status(): PolicyStatus {
		const { source, labels = {} } = this.#options;
		const problem = this.#outage ?? this.#refusal;
		return {
			source: source.says,
			...(Object.keys(labels).length === 0 ? {} : { labels }),
			...(this.#active === undefined ? {} : { active: this.#active }),
			...(this.#last?.previous === undefined ? {} : { previous: this.#last.previous }),
			...(this.#last?.rolledBack === undefined ? {} : { rolledBack: this.#last.rolledBack }),
			...(problem === undefined ? {} : { problem }),
		};
	}

	/** Reads the source again; one attempt at a time, in the order they were asked for. `force` takes an older bundle, or one that was rolled back. */
	async reload({ force = false } = {}): Promise<PolicyStatus> {
		let packed: Uint8Array;
		try {
			packed = await this.#options.source.read();
		} catch (error) {
			await this.#failed((error as Error).message);
			return this.status();
		}
		await this.#attempt(() => this.#offer(packed, force)).catch((error: unknown) => this.#refused(error));
		return this.status();
	}

	/**
	 * Goes back to the bundle that was active before. It stays, over restarts too, until a newer version than the one gone back from comes.
	 * @throws {ToolGateError} CONFLICT: there is none, or it is not what it was.
	 */
	rollback(): Promise<PolicyStatus> {
		return this.#attempt(async () => {
			const { active, previous } = this.#last ?? {};
			if (active === undefined || previous === undefined) throw new ToolGateError('CONFLICT', 'there is no earlier bundle to go back to');
			try {
				const packed = await this.#kept.read(previous);
				await this.#activate(await this.#prepareKept(packed, previous), packed, { rolledBack: active });
			} catch (cause) {
				throw new ToolGateError('CONFLICT', `can't go back: ${(cause as Error).message}`, { cause });
			}
			return this.status();
		});
	}

	async close(): Promise<void> {
		await this.#options.source.close();
		await this.#attempts;
		await this.#preparation.close();
	}

	#attempt<T>(step: () => Promise<T>): Promise<T> {
		const attempt = this.#attempts.then(step);
		this.#attempts = attempt.catch(() => undefined);
		return attempt;
	}

	async #offer(packed: Uint8Array, force = false): Promise<void> {
		this.#outage = undefined;
		const floor = force ? undefined : this.#floor();
		const gate: Gate = {
			...(this.#active === undefined ? {} : { activeDigest: this.#active.digest }),
			...(floor === undefined ? {} : { floor }),
		};
		const prepared = await this.#prepare(packed, gate);
		if (prepared === undefined) this.#refusal = undefined;
		else await this.#activate(prepared, packed, { ...this.#before(prepared) });
	}

	#floor(): Gate['floor'] {
		const { active, rolledBack } = this.#last ?? {};
		if (rolledBack !== undefined) {
			return {
				version: rolledBack.version + 1,
				says: `version ${rolledBack.version} was rolled back, only a newer one replaces it; toolgate policy reload --force takes it all the same`,
			};
		}
		if (active === undefined) return undefined;
		return {
			version: active.version,
			says: `version ${active.version} ${this.#active === undefined ? 'was active before' : 'is active'}, and an older one needs toolgate policy rollback or reload --force`,
		};
	}

	/** What a rollback from the new bundle leads to. */
	#before({ header }: Prepared): Pick<KeptState, 'previous'> {
		const before = this.#last?.active.digest === header.digest ? this.#last.previous : this.#last?.active;
		return before === undefined ? {} : { previous: before };
	}

	/** The bundle that was active when the process ended. */
	async #reactivate(last: Omit<KeptState, 'source'>): Promise<void> {
		const packed = await this.#kept.read(last.active);
		await this.#activate(await this.#prepareKept(packed, last.active), packed, last);
	}

	/** A kept bundle is verified like any other, and has to be the one that was kept. */
	async #prepareKept(packed: Uint8Array, { digest, revision }: KeptBundle): Promise<Prepared> {
		const prepared = await this.#prepare(packed, {});
		if (prepared?.header.digest === digest) return prepared;
		throw new ToolGateError('BUNDLE', `what was kept of revision ${revision} has been changed`);
	}

	#prepare(packed: Uint8Array, gate: Gate): Promise<Prepared | undefined> {
		const { fuel, verification } = this.#options;
		return this.#preparation.prepare({ packed, gate, fuel, ...(verification === undefined ? {} : { verification }) });
	}

	async #activate(
		{ header, judge }: Prepared,
		packed: Uint8Array,
		{ previous, rolledBack }: Pick<KeptState, 'previous' | 'rolledBack'>,
	): Promise<void> {
		const { digest, revision, version } = header;
		const isRollback = rolledBack !== undefined && this.#active !== undefined;
		this.#last = {
			active: { digest, revision, version },
			...(previous === undefined ? {} : { previous }),
			...(rolledBack === undefined ? {} : { rolledBack }),
		};
		this.#judge = judge;
		this.#active = { ...header, activatedAtMs: Date.now() };
		this.#refusal = undefined;
		await this.#kept.keep(this.#last, packed).catch(this.#options.onFault);
		await this.#options.onChange?.(this.status(), isRollback ? 'rolledBack' : 'activated');
	}

	async #refused(error: unknown): Promise<void> {
		const why = error instanceof Error ? error.message : String(error);
		const isNews = this.#refusal?.why !== why;
		this.#refusal = { why, atMs: Date.now() };
		if (isNews) await this.#options.onChange?.(this.status(), 'refused');
	}

	async #failed(why: string): Promise<void> {
		const isNews = this.#outage?.why !== why;
		if (isNews) this.#outage = { why, atMs: Date.now() };
		if (isNews) await this.#options.onChange?.(this.status(), 'refused');
	}
}
