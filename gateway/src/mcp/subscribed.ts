/** Whether news of a resource is for whoever subscribed to that one: an update may be about a part of it (`resources/updated`). */
export const isAbout = (uri: string, subscribed: string): boolean =>
	uri === subscribed || uri.startsWith(subscribed.endsWith('/') ? subscribed : `${subscribed}/`);
