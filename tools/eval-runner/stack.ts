import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePorts } from '../demo/ports.ts';
import { root, type ServiceName } from '../demo/services.ts';
import { type StackFile, Supervisor } from '../demo/supervisor.ts';
import { SuiteError } from './suite.ts';
import type { TrailEvent } from './trace.ts';

/** A running stack as the runner uses it: only by its public routes and the supervisor's control port. */
export class Stack {
	readonly isOwn: boolean;
	readonly #file: StackFile;
	readonly #operatorToken: string;
	readonly #agentUrl: string;
	readonly #close: () => Promise<void>;

	private constructor(file: StackFile, isOwn: boolean, close: () => Promise<void>, environment: NodeJS.ProcessEnv) {
		this.#file = file;
		this.isOwn = isOwn;
		this.#close = close;
		this.#agentUrl = environment['AGENT_URL'] || file.services['eval-trigger'];
		this.#operatorToken = environment['TOOLGATE_OPERATOR_TOKEN'] || readFileSync(join(file.dataDir, 'operator.token'), 'utf8').trim();
	}

	/** The stack that runs in this folder, or else one of our own, on free ports with a data folder of its own. */
	static async open(environment: NodeJS.ProcessEnv, onProgress: (text: string) => void, signal: AbortSignal): Promise<Stack> {
		const file = join(root, '.toolgate', 'supervisor.json');
		if (existsSync(file)) {
			const running = JSON.parse(readFileSync(file, 'utf8')) as StackFile;
			const answers = await control(running, 'GET', '/services').then(() => true, () => false);
			if (answers) {
				onProgress('using the stack that runs here');
				return new Stack(running, false, async () => undefined, environment);
			}
		}
		const dataDir = mkdtempSync(join(tmpdir(), 'toolgate-eval-'));
		const supervisor = new Supervisor({
			ports: await freePorts(),
			dataDir,
			onProgress: (service, state, tookMs) => {
				if (state === 'up') onProgress(`${service.name} is up (${(tookMs / 1000).toFixed(1)} s)`);
			},
		});
		const close = async () => {
			await supervisor.stop();
			rmSync(dataDir, { recursive: true, force: true });
		};
		signal.addEventListener('abort', () => void close());
		return new Stack(await supervisor.start(), true, close, environment);
	}

	close(): Promise<void> {
		return this.#close();
	}

	/** Stops or starts a service for real; resolves when it is gone, or answers. */
	async service(name: ServiceName, act: 'stop' | 'start'): Promise<void> {
		await control(this.#file, 'POST', `/services/${name}/${act}`);
	}

	/** Asks the agent. Returns its last words. */
	async ask(request: { input: string; turnId: string; principal: string }): Promise<string> {
		const answer = await json<{ finalText?: string; error?: string }>(`${this.#agentUrl}/run`, { method: 'POST', body: request, timeoutMs: 180_000 });
		return answer.finalText ?? answer.error ?? '';
	}

	/** Every event of a principal's calls, oldest first. */
	async trail(principal: string): Promise<TrailEvent[]> {
		const query = new URLSearchParams({ principal, limit: '1000' });
		const { events } = await json<{ events: TrailEvent[] }>(`${this.#file.peopleUrl}/api/audit?${query}`, { token: this.#operatorToken });
		return events.reverse();
	}

	async ledger(): Promise<{ refunds: number; refundedCents: number }> {
		return json(`${this.#file.services.localstripe}/_ledger`);
	}

	/** The fake Stripe as it was seeded. */
	async resetLedger(): Promise<void> {
		await json(`${this.#file.services.localstripe}/_reset`, { method: 'POST' });
	}

	async larkMode(mode: 'approve' | 'reject' | 'ignore'): Promise<void> {
		await json(`${this.#file.services['mock-lark']}/_mode`, { method: 'POST', body: { mode } });
	}

	/** Texts and cards that the fake Lark has received, as JSON texts. */
	async messages(): Promise<string[]> {
		const messages = await json<object[]>(`${this.#file.services['mock-lark']}/_messages`);
		return messages.map((message) => JSON.stringify(message));
	}
}

interface RequestOptions {
	readonly method?: string;
	readonly body?: object;
	readonly token?: string;
	readonly timeoutMs?: number;
}

async function json<T>(url: string, { method = 'GET', body, token, timeoutMs = 15_000 }: RequestOptions = {}): Promise<T> {
	let response: Response;
	try {
		response = await fetch(url, {
			method,
			headers: { ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...(token === undefined ? {} : { authorization: `Bearer ${token}` }) },
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
			signal: AbortSignal.timeout(timeoutMs),
		});
	} catch (cause) {
		throw new SuiteError(`nothing answers at ${url}`, { cause });
	}
	const text = await response.text();
	if (!response.ok && response.status !== 502) throw new SuiteError(`${method} ${url}: HTTP ${response.status} ${text.slice(0, 200)}`);
	return JSON.parse(text) as T;
}

const control = (stack: StackFile, method: string, path: string): Promise<object> =>
	json(stack.controlUrl + path, { method, token: stack.controlToken, timeoutMs: 90_000 });
