/** One made-up secret of each known format. Put together from parts, so that no scanner of sources takes them for real. */
const made = (...parts: string[]): string => parts.join('');

export interface Canary {
	readonly text: string;
	/** The part that must not be seen; by default all of it. */
	readonly secret?: string;
}

const pem = made('-----BEGIN RSA PRIVATE', ' KEY-----\nMIIEcanarycanary+/=\nMIIEcanary2\n-----END RSA PRIVATE', ' KEY-----');

export const canaries: Readonly<Record<string, Canary>> = {
	stripe: { text: made('sk_', 'live_4eC39HqLyjWDcanary') },
	webhook: { text: made('whsec', '_canarycanary1234') },
	openai: { text: made('sk-', 'proj-canary0123456789canary') },
	aws: { text: made('AKIA', 'CANARY0123456789') },
	github: { text: made('ghp', '_canary0123456789canary0123456789abcd') },
	gitlab: { text: made('glpat', '-canary0123456789canary') },
	slack: { text: made('xoxb', '-canary-0123456789-canary') },
	google: { text: made('AIza', 'SyCanary0123456789Canary0123456789_') },
	npm: { text: made('npm', '_canary0123456789canary0123456789abcd') },
	sendgrid: { text: made('SG', '.canary0123456789canary.canary0123456789canary') },
	toolgate: { text: made('tgo', '_canary0123456789canary0123456789abcd') },
	jwt: { text: made('eyJ', 'hbGciOiJIUzI1NiJ9.eyJzdWIiOiJjYW5hcnkifQ.Y2FuYXJ5Y2FuYXJ5') },
	pem: { text: pem },
	bearer: { text: made('Bearer ', 'canary0123456789canary'), secret: 'canary0123456789canary' },
	url: { text: made('postgres://canary:', 'hunter22canary@db.example/x'), secret: 'canary:hunter22canary' },
	query: { text: made('https://x.example/y?token=', 'canary22canary&z=1'), secret: 'canary22canary' },
};
