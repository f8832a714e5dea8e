// Package management knows how a tenant of Auth0 keeps accounts, whichever API leads
// there: its documents, the changes that it takes in one request ([Update]), its words for
// a refusal ([Refusal]) and its import jobs ([Importer]). The drivers bring the requests, as
// a [Directory] and [Jobs].
//
// Where Auth0's documentation leaves a question open, this is what the package goes by:
//
//   - A refused PATCH (4xx) has changed nothing of what it asked for.
//   - An address or a name that is taken may be refused with 409, or with 400 and words
//     such as "The user already exists"; both are conflicts.
//   - A job goes on until its status is "completed", "failed" or "expired", or has gone on
//     for more than the two hours that a tenant allows, or was not found three times in a
//     row. One that was not completed may have made any of its accounts.
//   - An address that is imported is one that nobody has verified: rows leave
//     email_verified out.
//   - The codes of an import's error report do not tell an account that an earlier import
//     made from one of somebody else: the account with our id is read.
//   - A job's report may name rows in any order; rows are told by their user_id, and where
//     that is left out by their address.
package management
