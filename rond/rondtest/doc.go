// Package rondtest is a stand-in of Rönd, for tests: its routes for grants and revokes, its
// status routes and its description of itself, as Rönd 1.15.0 answers them in standalone mode.
// [New] makes one, an http.Handler over a collection of bindings in memory. All times come from
// time.Now and nothing runs beside requests.
//
// A revoke reads one page, deletes and updates, and others may come between. What the CRUD
// Service behind Rönd does meanwhile is a [Store]: it may refuse, be slow or lose an answer, at
// each of its four requests. Where nothing public says what happens, it is what is hardest for
// a client: when the caller goes away in the middle, the work is done to its end.
//
// Not here: evaluations, roles and their permissions ([Rond.Roles] says which names would be
// used), bindings other than through Rönd's routes and [Rond.Put], and /openapi/yaml.
package rondtest
