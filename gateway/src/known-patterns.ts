import { cardNumbers } from './card-numbers.ts';

/** Finds what a named pattern means in a text. Every implementation is linear in the length of the text. */
export interface Pattern {
	/** The text with each match replaced. */
	replace(text: string, replacement: (match: string) => string): string;
}

const native = (expression: RegExp): Pattern => ({ replace: (text, replacement) => text.replace(expression, replacement) });

// Hyphens as people and word processors write them.
const DASH = '[-\\u2010-\\u2015\\u2212. ]';

/** Formats that nothing but a secret has. Each match is of bounded length. */
const SECRETS = [
	/(?:sk|rk|pk)_(?:live|test)_[0-9A-Za-z_]{8,200}|whsec_[0-9A-Za-z+/=]{8,200}/, // Stripe
	// OpenAI, Anthropic; but not the end of a word such as task-…. One letter before it may be the end of an escape.
	/sk-(?:proj|ant|svcacct|admin|or)-[0-9A-Za-z_-]{16,255}|(?<![A-Za-z]{2})sk-[0-9A-Za-z_-]{20,255}/,
	/(?:AKIA|ASIA)[0-9A-Z]{16}|aws_secret_access_key[\\"'\s:=]{1,8}[0-9A-Za-z/+]{40}/, // AWS
	/gh[pousr]_[0-9A-Za-z]{20,255}|github_pat_[0-9A-Za-z_]{20,255}|glpat-[0-9A-Za-z_-]{20,255}/, // GitHub, GitLab
	/xox[abeoprs]-[0-9A-Za-z-]{10,255}|hooks\.slack\.com\/services\/[0-9A-Za-z/]{20,200}/, // Slack
	/AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,400}|GOCSPX-[0-9A-Za-z_-]{20,60}/, // Google
	/npm_[0-9A-Za-z]{36}|pypi-AgEI[0-9A-Za-z_-]{20,400}|hf_[0-9A-Za-z]{30,60}|dop_v1_[0-9a-f]{64}|shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}/, // registries, clouds, shops
	/SG\.[0-9A-Za-z_-]{16,32}\.[0-9A-Za-z_-]{16,64}|AGE-SECRET-KEY-1[0-9A-Z]{58}/, // SendGrid, age
	/tg_[0-9A-Za-z]{40,80}|tgo_[0-9A-Za-z_-]{20,80}/, // ToolGate's own
	/eyJ[0-9A-Za-z_-]{8,2000}\.eyJ[0-9A-Za-z_-]{8,4000}\.[0-9A-Za-z_-]{8,2000}/, // JSON Web Token
	/[Bb]earer [0-9A-Za-z._~+/-]{20,4000}=*/,
	/:\/\/[^\s/:@"'<>\\]{0,200}:[^\s/@"'<>\\]{1,200}@/, // user and password in a URL
	/[?&](?:access_token|api_key|apikey|auth_token|client_secret|password|secret|sig|signature|token)=[^&\s"'#\\]{6,500}/, // in a query string
	// One that was cut off before its end counts as well.
	/-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----(?:[^"]{0,8000}?-----END [A-Z ]{0,30}PRIVATE KEY-----|[^-"]{0,8000})/,
].map(({ source }) => source);

/** The patterns that every gateway knows. Each match is of bounded length, so that no text can make one slow. */
export const knownPatterns = {
	'us-ssn': native(new RegExp(`(?<!\\d)(?!000|666|9\\d\\d)\\d{3}${DASH}(?!00)\\d{2}${DASH}(?!0000)\\d{4}(?!\\d)`, 'g')),
	'credit-card': cardNumbers,
	email: native(/[A-Za-z0-9._%+-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){1,8}/g),
	secret: native(new RegExp(SECRETS.join('|'), 'g')),
} as const satisfies Readonly<Record<string, Pattern>>;

const anySecret = new RegExp(SECRETS.join('|'));

/** Is one of the secret formats in the text. */
export const hasSecret = (text: string): boolean => anySecret.test(text);
