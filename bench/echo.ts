/** The smallest JSON-RPC server that Bun can be, over HTTP and WebSocket: what a call costs before anything is done. */
interface Call {
  readonly id: unknown;
  readonly params: unknown;
}

const answer = ({ id, params }: Call) => ({ jsonrpc: "2.0", id, result: params });

const server = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  development: false,
  async fetch(request, self) {
    if (request.headers.get("upgrade") === "websocket" && self.upgrade(request)) return undefined;
    return Response.json(answer((await request.json()) as Call));
  },
  websocket: {
    message(socket, message) {
      socket.send(JSON.stringify(answer(JSON.parse(String(message)) as Call)));
    },
  },
});
process.on("disconnect", () => process.exit(0));
process.send?.({ url: `http://127.0.0.1:${server.port}` });
