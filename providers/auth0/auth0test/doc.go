// Package auth0test is a stand-in of an Auth0 tenant: its Management API for users, searches,
// brute-force blocks, tickets, connections, device credentials and import jobs, and its
// Authentication API for logins by password, refresh, userinfo, change-password mails and
// sign-ups. [New] makes one, an http.Handler with its state in memory, for tests and for the
// command in ../tenant. All times come from time.Now and nothing runs beside requests, so that
// hours pass at once in a testing/synctest bubble.
//
// What Auth0 documents or was recorded answering is answered the same, in status, headers and
// body. Where nothing public says what a tenant does, this one does what is hardest for a
// client, and a client that copes may expect to cope with Auth0:
//
// Users. A POST needs a password, and one of email, username and phone number. Passwords need
// eight characters, email addresses a domain with a dot. A PATCH that takes what another user has is
// 400 auth0_idp_error, not 409 ([Config.PatchConflicts]); refused combinations have no
// errorCode. A PATCH of the password lifts an administrator's block unless it says "blocked"
// itself. null removes email, username, phone number, names and picture, but not the last
// identifier; name, nickname and picture stay when the email changes, though they were made of
// it. A changed or removed email is not verified.
//
// Searches. What Config.IndexLag hides is hidden from lists without "q" too, and deleted users
// are still shown. Words beside each other are alternatives. A URL over 8 KiB is 414. The total
// may be above the 1000 that can be read. Users without the field that a list is sorted by come
// first.
//
// Logins. A blocked user with the right password is 401 unauthorized ([Config.ForbidsBlocked]:
// 403). Blocking ends neither access tokens nor refresh tokens: /userinfo goes on answering,
// and a refresh is refused only while the block lasts ([Config.EndsSessionsOnBlock]). A deleted
// user's refresh tokens work again for a user made with the same id. DELETE
// /users/{id}/refresh-tokens is 403 without [Config.Enterprise]; to delete sessions changes
// nothing, since password grants make none. The headers of an answer to a password login are
// those of the throttle of failed logins by address (so they were recorded), not of the limit
// of requests.
//
// Device credentials. Auth0's description of the "type" parameter says that rotating refresh
// tokens are listed only for "rotating_refresh_token", not for "refresh_token" and not without
// a type; that list may come late ([Config.DeviceLag]).
//
// Limits. Buckets fill in whole windows, which begin when something is taken from a full one.
// x-ratelimit-reset says when the bucket is full again, as recorded, in whole seconds rounded
// up. [Limits] has switches for other readings. Every request counts, also one that is refused. 429 has no Retry-After, and when it is for
// too many import jobs or for brute force no x-ratelimit headers. Management errors have none
// otherwise.
//
// Imports. A file that is no array of objects is accepted, and its job fails. Rows land one
// after another; a job's status stays "pending" until it is over ([Config.JobDetails]). A row
// of upsert that matches by email changes what may be changed and keeps the rest in silence:
// user_id, username, phone number, blocked and password_hash of the row are of no effect. It
// fails only if they are another user's: CONFLICT for user_id and phone number,
// CONFLICT_USERNAME. A row that repeats an earlier one's email, username, phone number or
// user_id fails with DUPLICATED_USER, also if the earlier one failed. email_verified stays
// unless the row has it. Rows that a job did within two hours stay when it then fails. Job data
// go 24 hours after the job began.
//
// Not here: other connections and identities, organizations, roles, logs, actions, social and
// code logins, MFA beyond its refusal, and throttling by address of sign-ups and logins beyond
// its buckets.
package auth0test
