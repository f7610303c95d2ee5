import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { checkPolicy, policyWarnings } from './check.ts';
import { problemLine } from './problem.ts';

t.test('a use of what means something else in the gateway is a warning with its place, and no problem', async (t) => {
	const folder = t.testdir();
	mkdirSync(join(folder, 'rules/pay'), { recursive: true });
	writeFileSync(
		join(folder, 'rules/pay/pay.rego'),
		`package toolgate.rules.pay

finding contains {"rule": "pay.far", "verdict": "deny", "message": format_int(count(input.tool.name), 10)} if {
	not net.cidr_contains("10.0.0.0/8", input.principal.claims.ip)
	every text in input.principal.groups {
		base64.decode(text) != base64url.decode(text)
	}
	net.cidr_contains_matches("10.0.0.0/8", input.principal.claims.ip) != set()
}
`,
	);
	t.strictSame(await checkPolicy(folder), []);
	t.match(
		(await policyWarnings(folder)).map((warning) => problemLine(warning).replace(`${folder}/`, '')),
		[
			/^rules\/pay\/pay\.rego:3:68: warning: format_int: in the gateway, a number beyond ±2147483647 stops the policy, .*use sprintf.* \(toolgate\.rules\.pay\)$/,
			/^rules\/pay\/pay\.rego:4:6: warning: net\.cidr_contains: .* use net\.cidr_contains_matches/,
			/^rules\/pay\/pay\.rego:6:3: warning: base64\.decode: /,
		],
	);
	const listed = readFileSync(join(import.meta.dirname, '../../docs/policy.md'), 'utf8');
	for (const name of ['format_int', 'net.cidr_contains', 'base64.decode']) t.ok(listed.includes(`| \`${name}\``), `${name} is documented`);
});
