import { runServer, UsageError } from '../run-server.ts';
import { anthropicProvider } from './anthropic.ts';
import { buildEvalTrigger } from './app.ts';
import { scriptedProvider } from './scripted.ts';

await runServer(
	'eval-trigger',
	18086,
	{
		mcpUrl: { env: 'MCP_URL', default: 'http://127.0.0.1:18080/mcp', describe: 'the MCP server whose tools the agent uses' },
		mcpToken: { env: 'MCP_TOKEN', default: '', describe: 'bearer token for it' },
		provider: {
			env: 'AGENT_PROVIDER',
			default: 'auto',
			oneOf: ['auto', 'scripted', 'anthropic'],
			describe: 'who thinks; auto: anthropic where there is a key',
		},
		anthropicApiKey: { env: 'ANTHROPIC_API_KEY', default: '', describe: 'key for a real model' },
		anthropicModel: { env: 'ANTHROPIC_MODEL', default: 'claude-sonnet-5-5', describe: 'which model' },
	},
	({ mcpUrl, mcpToken, provider, anthropicApiKey: apiKey, anthropicModel: model }) => {
		if (!URL.canParse(mcpUrl)) throw new UsageError(`the MCP address is "${mcpUrl}", expected http://host:port/mcp`);
		if (provider === 'anthropic' && !apiKey) throw new UsageError('the provider is anthropic, and ANTHROPIC_API_KEY is not set');
		const isReal = provider === 'anthropic' || (provider === 'auto' && apiKey !== '');
		return buildEvalTrigger({ mcpUrl, mcpToken, provider: isReal ? anthropicProvider({ apiKey, model }) : scriptedProvider });
	},
);
