import { runServer, UsageError } from '../run-server.ts';
import { buildMockLark } from './app.ts';
import { MODES, type Mode } from './chat.ts';

await runServer(
	'mock-lark',
	18090,
	{
		mode: {
			env: 'LARK_MODE',
			default: 'approve',
			oneOf: MODES,
			describe: 'what the person does with a card: approve, approve-once (and reject the others), reject or ignore',
		},
		callbackUrl: { env: 'LARK_CALLBACK_URL', default: 'http://127.0.0.1:18080/lark/actions', describe: 'where the answers go' },
		operator: { env: 'LARK_OPERATOR', default: 'ou_bob', describe: 'open_id of the person who answers' },
		appId: { env: 'LARK_APP_ID', default: 'cli_demo', describe: 'id of the app' },
		appSecret: { env: 'LARK_APP_SECRET', default: 'demo-secret', describe: 'its secret' },
		verificationToken: { env: 'LARK_VERIFICATION_TOKEN', default: 'demo-verification-token', describe: 'what callbacks are signed with' },
		encryptKey: { env: 'LARK_ENCRYPT_KEY', default: '', describe: 'where set, callbacks are encrypted, and signed with it' },
	},
	({ mode, callbackUrl, operator, appId, appSecret, verificationToken, encryptKey }) => {
		if (!URL.canParse(callbackUrl)) throw new UsageError(`the callback address is "${callbackUrl}", expected http://host:port/path`);
		return buildMockLark({ mode: mode as Mode, callbackUrl, operator }, { appId, appSecret, verificationToken, encryptKey });
	},
);
