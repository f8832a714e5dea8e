// Package auth0 is the driver of an Auth0 tenant, by its Management API and its
// Authentication API. [Open] makes a [Provider]; transport.go is how calls are made, and
// limiter.go when.
//
// # Scopes
//
// The management application needs the client credentials grant, and for the Management API
// the scopes read:users, create:users, update:users, delete:users and read:connections.
// With delete:refresh_tokens (a feature of larger plans), or with read:device_credentials
// and delete:device_credentials, to block an account revokes its refresh tokens; with
// delete:sessions it ends sessions of browsers too. The application that people log in to
// needs the password grant (password-realm) and the refresh token grant. The connection has
// to be enabled for both: a tenant refuses to make accounts by an application without it.
//
// # Limits
//
// Each limit of the tenant is a bucket here, and calls wait for room in it by lanes: logins,
// then other requests, then jobs. Requests go by a count of our own that answers correct. A
// job goes by what the tenant has told to be left, less a part that is kept for logins and
// what others, such as another copy of the service, take lately; it looks again every few
// calls and seconds. A login tries even where none seems to be left, once a second when it is
// refused. Nothing depends on how the tenant fills its buckets.
//
// # What it relies on
//
// Sources are Auth0's documentation, its OpenAPI documents and recorded exchanges of its
// SDKs.
//
//   - The id of an account that is made with user_id x is "auth0|x"; to make it again is a
//     conflict.
//   - GET /users/{id} and GET /users-by-email see every write at once, GET /users?q later.
//   - A tenant keeps user names and addresses in lower case, and so are those of accounts
//     that it returns.
//   - DELETE /users/{id} is 204 whether or not there was an account.
//   - x-ratelimit-* headers are on answers of the Management API that succeeded, and on
//     those of the Authentication API, where they mostly are of one user's or one address's
//     limit.
//
// # What it chose where nothing is documented
//
//   - Whether the access tokens of a blocked account are refused: userinfo looks at the
//     account too, and remembers for ten seconds that it was in good standing. A change by
//     this Provider is seen at once, one by others when that time is over.
//   - Whether refresh tokens of a blocked account work again when it is unblocked: they are
//     revoked with every block, also of an account that is blocked already. A tenant that
//     does not allow that is told to the log, once an hour; the block stands.
//   - Unblocking leaves alone what brute-force protection has blocked: that is another
//     block, for another reason, and by address.
//   - Which ids are malformed, and status 400 by GET /users/{id}: those without a kind, a bar
//     and more, and those that the tenant says so of, are ids of no account.
//   - What DELETE /users/{id}/refresh-tokens and the like answer where they cannot be used:
//     after 400, 403, 404, 405 and 501 the account stays blocked, and the next way is tried.
//   - How often a tenant may be asked for a token that it refuses, or for another in the place
//     of one that it has just given: once in ten seconds.
//   - What a login of a blocked account is answered with: any error that is about the
//     account is ErrUnauthorized. "access_denied" is that too, as it is when a rule of the
//     tenant keeps somebody out, unless its words are about the application.
//   - Which property a conflict is over: GET /users-by-email tells whether the address is
//     another account's; if not it is the user name.
//   - Whose limit the headers of the Authentication API are of: those of up to 100 calls are
//     a user's, an address's or one endpoint's, larger ones the tenant's. Jobs ask for what is
//     left of that, by a call of userinfo with no user, and go by the answers: see told.
//   - Whether a bucket fills in whole windows or one by one: see bucket, which does as
//     well with either. x-ratelimit-reset is taken to be when the bucket is full.
//   - Retry-After: it goes before x-ratelimit-reset when it is there.
//   - How long the index of GET /users lags: accounts that this Provider has changed in the
//     last two minutes are read one by one.
//   - How long a query may be: 4 KB, and one that is refused is halved. After a 503, for
//     which a search took too long, accounts are read one by one for ten seconds.
//   - A call that meets a limit is sent again until its context is done, however often. A
//     tenant's 429 was never carried out. Two are left to the caller, as status 429: a login
//     for which attack protection asks to wait for more than a minute, and the start of an
//     import beside two others.
//   - What a mail's link does to a block: the documentation says that to reset a password
//     through the API lifts one. So a blocked account gets no such mail: that is ErrInvalid.
package auth0
