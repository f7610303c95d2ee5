import '@mantine/core/styles.css';
import { Center, MantineProvider, Text } from '@mantine/core';
import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import type { Session } from '../api/types.ts';
import { AuditPage } from '../audit/audit-page.tsx';
import { BudgetsPage } from '../budgets/budgets-page.tsx';
import { InboxPage } from '../inbox/inbox-page.tsx';
import { useLocation } from '../shell/location.ts';
import { SignInPage } from '../shell/sign-in-page.tsx';
import { lookAgain, useSession } from '../shell/session.ts';
import { contrast, theme } from '../shell/theme.ts';

const nonce = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? '';

function Console() {
	const state = useSession();
	switch (state.kind) {
		case 'loading':
			return null;
		case 'signed out':
			return <SignInPage />;
		case 'unreachable':
			return (
				<Center mih="100vh" p="md">
					<Text role="alert">{state.why}. Load the page again when it is back.</Text>
				</Center>
			);
		case 'signed in':
			return <Page session={state.session} />;
	}
}

function Page({ session }: { readonly session: Session }) {
	const { pathname } = useLocation();
	if (/^\/audit(\/|$)/.test(pathname)) return <AuditPage session={session} />;
	if (pathname === '/budgets') return <BudgetsPage session={session} />;
	return <InboxPage session={session} />;
}

void lookAgain();
createRoot(document.getElementById('root')!).render(
	<StrictMode>
		<MantineProvider theme={theme} cssVariablesResolver={contrast} defaultColorScheme="auto" getStyleNonce={() => nonce}>
			<Console />
		</MantineProvider>
	</StrictMode>,
);
