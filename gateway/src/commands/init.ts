import { cpSync, existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import { version } from '../version.ts';
import { CommandFailure } from './command-failure.ts';
import { paint } from './terminal.ts';

const shipped = fileURLToPath(new URL('../../../policy/', import.meta.url));

const RULES = `# METADATA
# title: Example
# description: What this team lets agents do. Rename the folder and the package to your team's name.
package toolgate.rules.example

# Without access a tool is not listed, and calling it reads as an unknown tool.
access contains "support reads" if {
	input.tool.name == "get_charge"
	"support" in input.principal.groups
}

access contains "support sees why not" if {
	input.tool.name == "delete_customer"
	"support" in input.principal.groups
}

# Findings only tighten what access grants.
finding contains {
	"rule": "example.delete",
	"verdict": "deny",
	"message": "customers are not deleted by agents",
} if {
	input.tool.name == "delete_customer"
}
`;

const TESTS = `package toolgate.rules.example_test

import data.toolgate.rules.example

support := {"groups": ["support"]}

test_support_reads if {
	count(example.access) > 0 with input as {"tool": {"name": "get_charge"}, "principal": support}
}

test_others_see_nothing if {
	count(example.access) == 0 with input as {"tool": {"name": "get_charge"}, "principal": {"groups": []}}
}

test_customers_stay if {
	found := example.finding with input as {"tool": {"name": "delete_customer"}, "principal": support}
	some finding in found
	finding.verdict == "deny"
}
`;

const CONFIG = `# The gateway in front of your MCP server: toolgate serve
upstreams:
  mine: { url: "\${MCP_URL:-http://127.0.0.1:3000/mcp}" }
policy: { bundle: bundles/toolgate.tar.gz }
auth:
  mode: none # on loopback only
  default: { principal: alice@example.com, agent: local }
people:
  alice@example.com: { groups: [support] }
`;

/** The CLI comes from a checkout at a version of your choice: the npm name \`toolgate\` is somebody else's. */
const workflow = `name: policy
on: [push, pull_request]
jobs:
  policy:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v5
      - uses: actions/setup-node@v5
        with: { node-version: 26 }
      # Set the repository variable TOOLGATE_REPOSITORY to where your team keeps ToolGate (owner/name).
      - uses: actions/checkout@v5
        with: { repository: "\${{ vars.TOOLGATE_REPOSITORY }}", ref: v${version}, path: .toolgate-cli }
      - run: npm ci --prefix .toolgate-cli
      - run: .toolgate-cli/bin/toolgate policy check policy
      - run: .toolgate-cli/bin/toolgate policy test policy
      - run: .toolgate-cli/bin/toolgate policy build policy --out bundles/toolgate.tar.gz
      - uses: actions/upload-artifact@v5
        with: { name: bundle, path: bundles/toolgate.tar.gz }
`;

const README = `# Policy

| command | does |
|---|---|
| \`toolgate policy check policy\` | format, types, the rules of the house |
| \`toolgate policy test policy\` | \`opa test\`, then the same tests on the compiled module |
| \`toolgate policy build policy\` | \`bundles/toolgate.tar.gz\`; a running gateway takes it within a second |
| \`toolgate serve\` | the gateway, with \`toolgate.yaml\` |

Rules are in \`policy/rules/<team>/\`, tests beside them. Raise \`policy/version\` when you ship.
`;

export function initCommand(): Command {
	return new Command('init')
		.description('a policy project: library, an example team, tests, schemas, a CI workflow')
		.argument('[dir]', 'where', '.')
		.action((dir: string) => {
			const base = resolve(dir);
			if (existsSync(base) && readdirSync(base).some((name) => name !== '.git'))
				throw new CommandFailure(2, `${base} is not empty; name a new folder: toolgate init my-policy`);
			mkdirSync(join(base, 'policy'), { recursive: true });
			const withoutTests = (from: string) => !from.endsWith('_test.rego');
			for (const part of ['lib', 'schemas'])
				cpSync(join(shipped, part), join(base, 'policy', part), { recursive: true, filter: withoutTests });
			cpSync(join(shipped, 'capabilities.json'), join(base, 'policy/capabilities.json'));
			const files: Record<string, string> = {
				'policy/version': '1\n',
				'policy/rules/example/example.rego': RULES,
				'policy/rules/example/example_test.rego': TESTS,
				'toolgate.yaml': CONFIG,
				'README.md': README,
				'.github/workflows/policy.yml': workflow,
				'.gitignore': '.toolgate/\n',
			};
			for (const [path, text] of Object.entries(files)) {
				mkdirSync(join(base, path, '..'), { recursive: true });
				writeFileSync(join(base, path), text);
			}
			console.log(
				`${paint('green', 'made')}  ${base}\nnext: cd ${dir}; toolgate policy check; toolgate policy test; toolgate policy build`,
			);
		});
}
