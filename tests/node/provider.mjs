// A certified OpenID provider for the tests. Its settings come as JSON on standard input:
// {issuer, port, clients: [...], people: {sub: {name, acr, claims}}}. Its page shows the people as buttons; pressing one
// signs that person in. It ends with its standard input.
import http from "node:http";
import { Provider } from "oidc-provider";

let text = "";
process.stdin.setEncoding("utf8");
for await (const chunk of process.stdin) {
  text += chunk;
  if (text.includes("\n")) break;
}
const { issuer, port, clients, people } = JSON.parse(text);
const acrs = [...new Set(Object.values(people).map((one) => one.acr).filter(Boolean))];
const names = [...new Set(Object.values(people).flatMap((one) => Object.keys(one.claims ?? {})))];

const provider = new Provider(issuer, {
  clients,
  acrValues: acrs,
  claims: { openid: ["sub", ...names], acr: null, auth_time: null, iss: null, sid: null },
  conformIdTokenClaims: false,
  clientAuthMethods: ["private_key_jwt"],
  pkce: { required: () => true },
  features: { devInteractions: { enabled: false }, encryption: { enabled: true }, rpInitiatedLogout: { enabled: true } },
  interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
  cookies: { keys: ["a key of the tests, insecure"] },
  responseTypes: ["code"],
  ttl: { Interaction: 600, Session: 3600, Grant: 3600, IdToken: 300, AccessToken: 60 },
  async findAccount(_, sub) {
    return people[sub] && { accountId: sub, claims: async () => ({ sub, ...people[sub].claims }) };
  },
  async loadExistingGrant(ctx) {
    const grant = new ctx.oidc.provider.Grant({ accountId: ctx.oidc.session.accountId, clientId: ctx.oidc.client.clientId });
    grant.addOIDCScope("openid");
    await grant.save();
    return grant;
  },
});

const answer = provider.callback();
http.createServer(async (request, response) => {
  if (!request.url.startsWith("/interaction/")) return answer(request, response);
  try {
    const { params } = await provider.interactionDetails(request, response);
    const chosen = new URL(request.url, issuer).searchParams.get("person");
    if (chosen === "nobody") {
      return await provider.interactionFinished(request, response, { error: "access_denied" }, { mergeWithLastSubmission: false });
    }
    if (chosen) {
      const result = { login: { accountId: chosen, acr: people[chosen].acr, remember: true, ts: Math.floor(Date.now() / 1000) } };
      return await provider.interactionFinished(request, response, result, { mergeWithLastSubmission: false });
    }
    const options = Object.entries(people).map(([sub, one]) =>
      `<button name="person" value="${sub}">${one.name}</button>`).join("\n");
    response.setHeader("content-type", "text/html; charset=utf-8");
    return response.end(`<!doctype html><html lang="fi"><title>Identify yourself</title><h1>Who are you?</h1>
<p>${params.client_id}</p><form>${options}<button name="person" value="nobody">Cancel</button></form></html>`);
  } catch (error) {
    response.statusCode = 400;
    return response.end(String(error));
  }
}).listen(port, "127.0.0.1", () => console.log("ready"));
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
