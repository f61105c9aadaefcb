/** The token and its signature, as better-auth makes them. */
const FORM = /^[A-Za-z0-9_-]{1,128}\.[A-Za-z0-9+/]{43}=$/;

/**
 * Of all cookies that came along the one by which somebody is signed in, in one spelling, as a Cookie header; null where there
 * is none of that form. Whoever is signed in could else send one session under as many names as they like, each with
 * kilobytes of other cookies, and each would be looked up and remembered.
 */
export function sessionCookie(cookies: string, name: string): string | null {
  for (const cookie of cookies.split(";")) {
    const at = cookie.indexOf("=");
    if (at === -1 || cookie.slice(0, at).trim() !== name) continue;
    const value = decoded(cookie.slice(at + 1).trim());
    // The first of a name counts, as it does for better-auth.
    return FORM.test(value) ? `${name}=${encodeURIComponent(value)}` : null;
  }
  return null;
}

function decoded(value: string): string {
  try {
    return decodeURIComponent(value);
  } catch {
    return "";
  }
}
