/** Whether a request asks to become a WebSocket. Others that want to become something else are answered as they are. */
export function isUpgrade(request: Request): boolean {
  return request.method === "GET" && hasToken(request.headers.get("upgrade"), "websocket");
}

/** 16 bytes in base64. */
const KEY = /^[A-Za-z0-9+/]{21}[AQgw]==$/;

/**
 * What is wrong with an opening handshake (RFC 6455, section 4.2.1), or null. The runtimes check it too, but one is
 * silent about what the other refuses.
 */
export function whyNoHandshake(headers: Headers): { status: number; message: string } | null {
  if (!hasToken(headers.get("connection"), "upgrade")) {
    return { status: 400, message: "A WebSocket handshake needs Connection: Upgrade." };
  }
  if (headers.get("sec-websocket-version")?.trim() !== "13") {
    return { status: 426, message: "Only version 13 of the WebSocket protocol is spoken here." };
  }
  if (!KEY.test(headers.get("sec-websocket-key")?.trim() ?? "")) {
    return { status: 400, message: "Sec-WebSocket-Key must be 16 bytes in base64." };
  }
  return null;
}

function hasToken(header: string | null, token: string): boolean {
  return header?.split(",").some((item) => item.trim().toLowerCase() === token) ?? false;
}
