// Package auth0client is the provider behind the Auth0 Client: a service of Mia-Platform
// that stands before a tenant of Auth0, keeps people's sessions, and passes on the
// management of users. It is registered as "auth0Client".
//
// The Auth0 Client's code is not public. The package goes by its published pages (version
// 3.4), and where they are silent by the following:
//
//   - A login that answers with JSON has the four fields of today's pages; one with an empty
//     body has a cookie "sid". The shapes of older pages, and anything else, are no session.
//   - Status 403 of a login is a refused password. 401 is a wrong client: the caller's
//     fault where it named one by header or cookie, else that of our settings, as is any
//     other refusal but 429, since nothing else in the request is the caller's. A 500 is
//     never a refusal, so a version before 3.0.1, which answers a wrong password with it, is
//     of no use.
//   - 400, 401 and 403 of /refreshtoken and 401 and 403 of /userinfo mean that the session
//     is not valid.
//   - A session of cookies is refreshed by the cookie and the body {}; it answers as a login.
//     A refresh token that comes with the cookie alone goes along with the cookie.
//   - Only one credential goes with a call: the cookie "sid" does not go beside a bearer token.
//   - An account is read by a PATCH that removes a key of its app_metadata that nobody has,
//     as no route reads one by its id and the search lags behind: its updated_at changes.
//     It has to answer with the whole user, as the tenant does, and where the Auth0 Client
//     refuses that PATCH as bad, this package cannot be used with it.
//   - Only a 404 in the tenant's words says that an account does not exist, and only 400 and
//     409 refuse what an account is made of. Where the Auth0 Client makes a 500 of the
//     tenant's refusals, they stay failures of which nobody knows what they have done.
//   - GET /users may or may not pass Auth0's own query "q" on. An answer with a user that
//     was not asked for says that it does not; accounts are read one by one from then on.
//   - 401 and 403 of the routes that manage users are about the service's own settings.
//   - POST /change-password takes {"authUserId": "..."}; any 2xx says that the mail is sent.
//   - A job without errors has an empty report, or none. Where POST /users/import is answered
//     with 404, 405 or 501, as it may be before version 3.4.0 and with the old form of its
//     configuration, there are no jobs: accounts are made one by one.
//   - Any answer below 500 to GET /-/ready says that the service is there.
//
// The headers of the service's caller that are forwarded at all go with every call, among
// them "client-type", by which the Auth0 Client knows which of its clients a call is for.
// With a login, a refresh and /userinfo go besides them the key of a client, in the headers
// "client-key" and "secret" and the cookies "client-key" and "mia_client_key", for a
// gateway in front that makes a client of it, and the session's own cookie "sid".
//
// What it cannot do: the Auth0 Client has no route that ends an account's sessions. To
// block an account keeps it from logging in and from refreshing, as far as its tenant does
// that; an access token works until it expires, and once the account is unblocked its
// refresh tokens may work again, unless the tenant revokes them. Nor is an expired
// access token always refused by /userinfo, which may renew it by itself.
package auth0client
