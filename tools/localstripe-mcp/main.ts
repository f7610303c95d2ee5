import { runServer } from '../run-server.ts';
import { buildMcpApp } from './app.ts';
import { LarkChat, MemoryChat } from './chat.ts';
import { paymentServer } from './payment-tools.ts';
import { connectStripe } from './stripe.ts';

await runServer(
	'localstripe-mcp',
	18421,
	{
		stripeApiKey: { env: 'STRIPE_API_KEY', default: 'sk_test_localstripe', describe: 'a secret key of test mode' },
		stripeApiBase: { env: 'STRIPE_API_BASE', default: 'http://127.0.0.1:18420', describe: 'https://api.stripe.com for the real test mode' },
		larkAppId: { env: 'LARK_APP_ID', default: '', describe: 'Lark app that sends messages; unset: they are kept in memory' },
		larkAppSecret: { env: 'LARK_APP_SECRET', default: '', describe: 'its secret' },
		larkChatId: { env: 'LARK_CHAT_ID', default: 'oc_demo', describe: 'the chat for messages that name none' },
		larkApiBaseUrl: { env: 'LARK_API_BASE_URL', default: 'https://open.larksuite.com', describe: 'where Lark is' },
		answers: { default: 'sse', oneOf: ['sse', 'json'], describe: 'how a POST is answered: sse or json' },
	},
	({ stripeApiKey, stripeApiBase, larkAppId: appId, larkAppSecret: appSecret, larkChatId: chatId, larkApiBaseUrl: baseUrl, answers }) => {
		const stripe = connectStripe(stripeApiKey, stripeApiBase);
		const memory = new MemoryChat(chatId);
		const chat = appId ? new LarkChat({ appId, appSecret, chatId, baseUrl }) : memory;
		const app = buildMcpApp(() => paymentServer(stripe, chat), answers as 'sse' | 'json');
		app.get('/_messages', () => memory.sent);
		return app;
	},
);
