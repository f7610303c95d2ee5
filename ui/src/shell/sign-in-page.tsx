import { Alert, Button, Center, Code, Paper, Stack, Text, Title } from '@mantine/core';
import { useEffect, useState } from 'react';
import { get } from '../api/http.ts';
import { Mark } from './icons.tsx';
import { useLocation } from './location.ts';

const PROBLEMS: Readonly<Record<string, string>> = {
	link: 'That link was used already, or is older than ten minutes. Make another one.',
	expired: 'Signing in took longer than ten minutes, or began in another browser. Try again.',
	provider: 'The identity provider could not be reached or gave no usable answer. The log of ToolGate has the cause.',
	refused: 'The identity provider did not let you in.',
	stranger: 'The identity provider knows you, but ToolGate does not: an operator has to name you, or a group of yours.',
};

/** What somebody sees who is not signed in, at whatever address: signing in leads back there. */
export function SignInPage() {
	const { pathname, search, searchParams } = useLocation();
	const [hasOidc, setHasOidc] = useState<boolean>();
	useEffect(() => {
		get<{ oidc: boolean }>('/sign-in/options').then(
			({ oidc }) => setHasOidc(oidc),
			() => setHasOidc(false),
		);
	}, []);
	const problem = searchParams.get('problem');
	const to = pathname === '/sign-in' ? '/' : pathname + search;
	return (
		<Center component="main" mih="100vh" p="md">
			<Paper withBorder p="xl" w={420} maw="100%">
				<Stack gap="md">
					<Mark />
					<Title order={1} size="h3">
						Sign in to ToolGate
					</Title>
					{problem !== null && PROBLEMS[problem] !== undefined && (
						<Alert color="red" variant="light" role="alert">
							{PROBLEMS[problem]}
						</Alert>
					)}
					{hasOidc === true && (
						<Button component="a" href={`/sign-in/oidc?to=${encodeURIComponent(to)}`} size="md">
							Continue with your identity provider
						</Button>
					)}
					<Text size="sm" c={hasOidc === true ? 'dimmed' : undefined}>
						{hasOidc === true ? 'Or as the operator: this prints' : 'On the machine where ToolGate runs, this prints'} a link that signs you
						in, once:
					</Text>
					<Code block>npx toolgate sign-in</Code>
					<Text size="xs" c="dimmed">
						Starting ToolGate prints such a link too.
					</Text>
				</Stack>
			</Paper>
		</Center>
	);
}
