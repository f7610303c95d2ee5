import type { FastifyInstance } from 'fastify';
import type { JsonObject } from '../../domain.ts';
import type { PolicyStatus } from '../../policy/activation.ts';
import { ToolGateError } from '../../errors.ts';
import { fields, optionalText, requiredFlag, requiredText } from './fields.ts';

export interface OperatorRoutesDeps {
	readonly policy: {
		status(): PolicyStatus;
		/** `force` takes an older bundle, or one that was rolled back. */
		reload(options: { force: boolean }): Promise<PolicyStatus>;
		/** @throws {ToolGateError} CONFLICT: there is nothing to go back to. */
		rollback(): Promise<PolicyStatus>;
	};
	readonly tokens: {
		create(token: { name: string; principal: string; agent: string }): Promise<object>;
		list(): Promise<object[]>;
		/** Undefined when there is no such token. */
		revoke(id: string): Promise<object | undefined>;
	};
	readonly tools: {
		/** Every tool; with `principal`, whether it sees each. */
		list(principal?: string): Promise<{ tools: object[]; hints: string[] }>;
		/** The digest that an operator may accept. @throws {ToolGateError} NOT_FOUND; CONFLICT: it is another one now, or can't be accepted. */
		acceptable(upstream: string, tool: string, digest?: string): string;
		/** @throws {ToolGateError} as above */
		accept(upstream: string, tool: string, digest: string): Promise<object>;
	};
	/** Records what an operator did, before it is answered. */
	readonly recordAct: (act: { what: string; message: string; detail: JsonObject; by?: string }) => Promise<void>;
}

export function operatorRoutes(api: FastifyInstance, { policy, tokens, tools, recordAct }: OperatorRoutesDeps): void {
	api.get('/policy', async () => policy.status());
	api.post('/policy/reload', async (request) => {
		const body = fields(request.body, ['force']);
		const force = body['force'] !== undefined && requiredFlag(body, 'force');
		if (force)
			await recordAct({
				what: 'policy reload forced',
				message: `the bundle of ${policy.status().source}, whatever its version`,
				detail: {},
			});
		return policy.reload({ force });
	});
	api.post('/policy/rollback', async (request) => {
		fields(request.body, []);
		const { active, previous } = policy.status();
		if (active !== undefined && previous !== undefined) {
			await recordAct({
				what: 'policy rollback',
				message: `from revision ${active.revision} to ${previous.revision}`,
				detail: { from: active.digest, to: previous.digest },
			});
		}
		return policy.rollback();
	});

	api.get('/tokens', async () => ({ tokens: await tokens.list() }));
	api.post('/tokens', async (request) => {
		const body = fields(request.body, ['principal', 'agent', 'name']);
		const principal = requiredText(body, 'principal');
		const agent = optionalText(body, 'agent', 200) ?? 'default';
		const name = optionalText(body, 'name', 200) ?? `${agent} for ${principal}`;
		await recordAct({ what: 'token created', message: `a token for ${principal}`, detail: { principal, agent, name } });
		return tokens.create({ name, principal, agent });
	});
	api.delete<{ Params: { id: string } }>('/tokens/:id', async ({ params }) => {
		await recordAct({ what: 'token revoked', message: `token ${params.id}`, detail: { token: params.id } });
		return (await tokens.revoke(params.id)) ?? missing(`no token ${params.id}`);
	});

	api.get<{ Querystring: { as?: string } }>('/tools', async ({ query }) => tools.list(query.as));
	api.post<{ Params: { upstream: string; tool: string } }>('/tools/:upstream/:tool/accept', async ({ params, body }) => {
		const { upstream, tool } = params;
		const wanted = optionalText(fields(body, ['digest']), 'digest', 100);
		const digest = tools.acceptable(upstream, tool, wanted);
		await recordAct({ what: 'tool accepted', message: `${tool} of ${upstream}`, detail: { upstream, tool, digest } });
		return tools.accept(upstream, tool, digest);
	});
}

function missing(text: string): never {
	throw new ToolGateError('NOT_FOUND', text);
}
