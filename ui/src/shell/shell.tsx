import {
	ActionIcon,
	Anchor,
	AppShell,
	Badge,
	Button,
	Group,
	Menu,
	Text,
	useComputedColorScheme,
	useMantineColorScheme,
} from '@mantine/core';
import type { ReactNode } from 'react';
import type { Session } from '../api/types.ts';
import { AuditIcon, BudgetIcon, InboxIcon, Mark, MoonIcon, PersonIcon, SunIcon } from './icons.tsx';
import { followsInPage } from './location.ts';
import { signOut } from './session.ts';
import classes from './shell.module.css';

/** The frame of every page of the console: where one is, who one is, light or dark. */
export function Shell({
	session,
	page,
	waiting,
	children,
}: {
	readonly session: Session;
	readonly page: 'inbox' | 'audit' | 'budgets';
	/** Approvals that wait, where the page knows. */
	readonly waiting?: number;
	readonly children: ReactNode;
}) {
	return (
		<AppShell header={{ height: 52 }} padding={0}>
			<AppShell.Header className={classes['header']}>
				<Anchor href="/approvals" onClick={followsInPage('/approvals')} underline="never" className={classes['brand']}>
					<Mark />
					<Text component="span" fw={700} c="var(--mantine-color-text)" visibleFrom="xs">
						ToolGate
					</Text>
				</Anchor>
				<nav aria-label="Pages" className={classes['nav']}>
					<PageLink to="/approvals" isCurrent={page === 'inbox'}>
						<InboxIcon />
						Inbox
						{waiting !== undefined && (
							<Badge
								size="sm"
								circle={waiting < 10}
								variant="filled"
								className={waiting === 0 ? classes['none'] : undefined}
								aria-label={`${waiting} waiting`}
							>
								{waiting}
							</Badge>
						)}
					</PageLink>
					<PageLink to="/audit" isCurrent={page === 'audit'}>
						<AuditIcon />
						Audit
					</PageLink>
					{session.person.isOperator && (
						<PageLink to="/budgets" isCurrent={page === 'budgets'}>
							<BudgetIcon />
							Budgets
						</PageLink>
					)}
				</nav>
				<Group gap={4} wrap="nowrap" className={classes['right']}>
					<SchemeToggle />
					<Menu position="bottom-end" width={240} transitionProps={{ duration: 0 }}>
						<Menu.Target>
							<Button variant="subtle" color="gray" size="compact-sm" fw={500} className={classes['person']} aria-label={session.person.id}>
								<span className={classes['name']}>{session.person.id}</span>
								<span className={classes['face']}>
									<PersonIcon />
								</span>
							</Button>
						</Menu.Target>
						<Menu.Dropdown>
							<Menu.Label>
								Signed in as {session.person.id}
								{session.person.isOperator ? ', operator' : ''}
								{session.person.groups.length > 0 ? ` (${session.person.groups.join(', ')})` : ''}
							</Menu.Label>
							<Menu.Item onClick={() => void signOut()}>Sign out</Menu.Item>
						</Menu.Dropdown>
					</Menu>
				</Group>
			</AppShell.Header>
			<AppShell.Main>{children}</AppShell.Main>
		</AppShell>
	);
}

function PageLink({ to, isCurrent, children }: { readonly to: string; readonly isCurrent: boolean; readonly children: ReactNode }) {
	return (
		<Anchor
			href={to}
			onClick={followsInPage(to)}
			underline="never"
			className={classes['link']}
			aria-current={isCurrent ? 'page' : undefined}
		>
			{children}
		</Anchor>
	);
}

/** Follows the system until somebody chooses; what is chosen stays in this browser. */
export function SchemeToggle() {
	const { setColorScheme } = useMantineColorScheme({ keepTransitions: true });
	const next = useComputedColorScheme('light') === 'light' ? 'dark' : 'light';
	return (
		<ActionIcon
			variant="subtle"
			color="gray"
			size="lg"
			onClick={() => setColorScheme(next)}
			aria-label={`switch to ${next}`}
			title={`Switch to ${next}`}
		>
			{next === 'dark' ? <MoonIcon /> : <SunIcon />}
		</ActionIcon>
	);
}
