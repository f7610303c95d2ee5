/** Preloaded into every child: when the supervisor is gone, however it went, its channel closes and the child ends too. */
process.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
process.channel?.unref();
