// An agency's application made of a certified OAuth client. Its settings come as JSON on standard input:
// {issuer, client_id, private_jwk, alg, ahead_s, grant: {claims}, document}. It does what an application does in a day and
// prints what it got, and every request that the client made for it, as one JSON object.
import * as client from "openid-client";

let text = "";
for await (const chunk of process.stdin) text += chunk;
const setup = JSON.parse(text);

const KINDS = {
  EdDSA: ["Ed25519", "Ed25519"],
  ES256: [{ name: "ECDSA", namedCurve: "P-256" }, { name: "ECDSA", hash: "SHA-256" }],
  PS256: [{ name: "RSA-PSS", hash: "SHA-256" }, { name: "RSA-PSS", saltLength: 32 }],
};
const [kind, signing] = KINDS[setup.alg];
const { kid, ...jwk } = setup.private_jwk;
const key = await crypto.subtle.importKey("jwk", jwk, kind, false, ["sign"]);

const requests = [];
const recorded = async (url, options) => {
  const answer = await fetch(url, options);
  const nonce = answer.headers.has("dpop-nonce");
  requests.push([options.method, new URL(url).pathname, answer.status, nonce]);
  return answer;
};

// The grant's assertion is the application's own; the client knows the grant only by its name.
const b64 = (bytes) => Buffer.from(bytes).toString("base64url");
const assertion = async (claims) => {
  const now = Math.floor(Date.now() / 1000) + setup.ahead_s;
  const known = { iss: setup.client_id, aud: setup.issuer, iat: now, exp: now + 60, jti: crypto.randomUUID() };
  const message = `${b64(JSON.stringify({ alg: setup.alg, kid }))}.${b64(JSON.stringify({ ...known, ...claims }))}`;
  return `${message}.${b64(await crypto.subtle.sign(signing, key, Buffer.from(message)))}`;
};

const config = await client.discovery(
  new URL(setup.issuer), setup.client_id, { [client.clockSkew]: setup.ahead_s }, client.PrivateKeyJwt({ key, kid }),
  { algorithm: "oauth2", execute: [client.allowInsecureRequests], [client.customFetch]: recorded },
);
const GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const holder = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));

// What an attempt comes to: its status, or the error that the client makes of the answer.
const outcome = async (attempt) => {
  try {
    return (await attempt()).status ?? "done";
  } catch (error) {
    return [error.status ?? error.response?.status, error.error ?? error.cause?.[0]?.parameters?.error ?? error.code];
  }
};
const at = (path) => new URL(path, setup.issuer);
const content = at(`/v1/documents/${setup.document}/content`);
const read = (token, DPoP) => client.fetchProtectedResource(config, token, content, "GET", null, undefined, { DPoP });

const system = await client.clientCredentialsGrant(config, {}, { DPoP: holder });
const inbox = await client.fetchProtectedResource(config, system.access_token, at("/v1/inbox"), "GET", null, undefined, { DPoP: holder });
const person = await client.genericGrantRequest(config, GRANT, { assertion: await assertion(setup.grant) }, { DPoP: holder });
const token = person.access_token;
const paper = await read(token, holder);
const found = await client.fetchProtectedResource(
  config, token, at("/v1/decisions"), "POST", JSON.stringify(setup.question), new Headers({ "content-type": "application/json" }),
  { DPoP: holder },
);

// Another handle knows no nonce yet; another key, no key and a token that is not the holder's open nothing.
const stranger = client.getDPoPHandle(config, await client.randomDPoPKeyPair("EdDSA"));
const answers = {
  system: [system.token_type, system.expires_in, inbox.status],
  person: [person.token_type, person.expires_in],
  paper: [paper.status, await paper.text()],
  found: [found.status, (await found.json()).decision],
  "another key": await outcome(() => read(token, stranger)),
  "no key": await outcome(() => read(token, undefined)),
  "no such purpose": await outcome(async () =>
    client.genericGrantRequest(config, GRANT, { assertion: await assertion({ ...setup.grant, purpose: "fun" }) }, { DPoP: holder })),
  "a client that is not known": await outcome(async () => {
    const other = new client.Configuration(config.serverMetadata(), "nobody", undefined, client.PrivateKeyJwt({ key, kid }));
    client.allowInsecureRequests(other);
    return client.clientCredentialsGrant(other);
  }),
};
await client.tokenRevocation(config, token);
answers["revoked"] = await outcome(() => read(token, holder));
answers["the other token"] = await outcome(() =>
  client.fetchProtectedResource(config, system.access_token, at("/v1/inbox"), "GET", null, undefined, { DPoP: holder }));
console.log(JSON.stringify({ answers, requests, metadata: config.serverMetadata() }));
