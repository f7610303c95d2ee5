# Two images from one build: `gateway` is ToolGate alone, `demo` has the parts of the demo stack.
FROM node:26-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json ./
# No scripts: what production needs has none, and the Node.js of this image is the one that runs.
RUN npm ci --omit=dev --ignore-scripts && npm cache clean --force

# Without what only the demo's parts import, and what those need. Types and source maps are for whoever builds.
FROM dependencies AS gateway-dependencies
RUN npm uninstall --omit=dev --ignore-scripts --no-audit --no-fund \
		stripe zod @anthropic-ai/sdk @modelcontextprotocol/client @modelcontextprotocol/sdk @modelcontextprotocol/server @open-policy-agent/opa-wasm \
	&& npm cache clean --force \
	&& find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete

FROM dependencies AS demo-dependencies
RUN find node_modules -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete

# The pages that the gateway serves: built with the dev dependencies, which stay behind.
FROM node:26-bookworm-slim AS pages
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --ignore-scripts && npm cache clean --force
COPY tsconfig.json ./
COPY ui ui
RUN node ui/build.ts

FROM node:26-bookworm-slim AS gateway
ENV NODE_ENV=production TOOLGATE_DATA_DIR=/data
WORKDIR /app
RUN mkdir /data && chown node:node /data
COPY --from=gateway-dependencies /app/node_modules node_modules
COPY package.json toolgate.yaml ./
COPY bin bin
COPY gateway/src gateway/src
COPY policy policy
COPY tools/opa tools/opa
COPY bundles bundles
COPY --from=pages /app/ui/dist ui/dist
RUN ln -s /app/bin/toolgate /usr/local/bin/toolgate
USER node
VOLUME /data
EXPOSE 18080 18081
HEALTHCHECK --interval=5s --timeout=3s --start-period=20s --start-interval=500ms \
	CMD ["node", "-e", "fetch('http://127.0.0.1:18081/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/bin/toolgate"]
CMD ["serve"]

FROM node:26-bookworm-slim AS demo
ENV NODE_ENV=production
WORKDIR /app
COPY --from=demo-dependencies /app/node_modules node_modules
COPY package.json ./
COPY tools tools
USER node
ENTRYPOINT ["node"]
