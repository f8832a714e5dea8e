package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/providers"
)

// passes is a step of a conversation in which the service runs for a minute.
var passes = exchange{request: "a minute passes"}

// A jobConversation is a conversation about jobs: answers are compared as JSON, since
// the order of fields is nobody's business.
type jobConversation struct {
	env   map[string]string
	steps []exchange
}

func (c jobConversation) run(t *testing.T, sight string) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarnessWith(t, c.env, sights[sight])
		for i, step := range c.steps {
			if step == passes {
				h.pass(time.Minute)
				continue
			}
			method, path, _ := strings.Cut(step.request, " ")
			var header []string
			if step.header != "" {
				header = append(header, step.header)
			}
			got := h.call(method, path, step.body, header...)
			if got.status != step.status || step.want != "*" && !sameJSON(got.body, step.want) {
				t.Errorf("step %d: %s %s\n got %d %s\nwant %d %s", i+1, step.request, step.body, got.status, got.body, step.status, step.want)
			}
		}
		h.settle()
		h.checkPairing()
	})
}

func sameJSON(a, b string) bool {
	var x, y any
	if json.Unmarshal([]byte(a), &x) != nil || json.Unmarshal([]byte(b), &y) != nil {
		return a == b
	}
	return cmp.Equal(x, y)
}

// dormant adds a user without an account.
func dormant(fields string) exchange {
	return exchange{request: "POST /users/?postponeAuthUserCreation=true", body: `{"userGroup":"customers",` + fields + `}`, status: 200, want: "*"}
}

// active adds a user with an account.
func active(fields string) exchange {
	return exchange{request: noMail, body: `{"userGroup":"customers",` + fields + `}`, status: 200, want: "*"}
}

// setUp is an exchange that has to succeed, whatever it answers.
func setUp(request, body string) exchange {
	return exchange{request: request, body: body, status: 200, want: "*"}
}

// inTheStore changes a user behind the service's back.
func inTheStore(id, fields string) exchange {
	return setUp("PATCH /crud/users/"+id, `{"$set":{`+fields+`}}`)
}

// pendingJob is what is told of a job that is not over.
func pendingJob(id string) string {
	return `{"jobId":"` + id + `","status":"pending","jobCreatedAt":"<time>"}`
}

// over is what is told of one that is completed, with more fields.
func over(id, more string) string {
	return `{"jobId":"` + id + `","status":"completed","jobCreatedAt":"<time>",` + more + `}`
}

const (
	activations = "/jobs/bulk-activation"
	mailings    = "/jobs/change-password/bulk"
)

// activates asks for the activation of users, and lets it be done.
func activates(ids ...string) []exchange {
	return []exchange{startsJob(activations, "<job1>", ids...), passes}
}

// startsJob asks for an activation.
func startsJob(path, job string, ids ...string) exchange {
	return exchange{request: "POST " + path, body: usersBody(ids...), status: 202, want: pendingJob(job)}
}

func usersBody(ids ...string) string {
	var entries []string
	for _, id := range ids {
		entries = append(entries, `{"filter":{"userId":"`+id+`"}}`)
	}
	return "[" + strings.Join(entries, ",") + "]"
}

// summary counts the outcomes of an activation.
func summary(failed, updated, inserted int) string {
	return fmt.Sprintf(`"summary":{"failed":%d,"updated":%d,"inserted":%d,"total":%d}`, failed, updated, inserted, failed+updated+inserted)
}

// shows is an exchange with what became of an activation.
func shows(job, more string) exchange {
	return exchange{request: "GET " + activations + "/" + job, status: 200, want: over(job, more)}
}

// failedFor is the failure of one user.
func failedFor(id, code, message string) string {
	return `{"userId":"` + id + `","errors":[{"code":"` + code + `","message":"` + strings.ReplaceAll(message, `"`, `\"`) + `"}]}`
}

// fails is an activation of <id1> that fails.
func fails(code, message string) exchange {
	return shows("<job1>", summary(1, 0, 0)+`,"failures":[`+failedFor("<id1>", code, message)+`]`)
}

// conversationOf makes a conversation of exchanges, lists of them, and an environment.
func conversationOf(steps ...any) jobConversation {
	var c jobConversation
	for _, step := range steps {
		switch step := step.(type) {
		case exchange:
			c.steps = append(c.steps, step)
		case []exchange:
			c.steps = append(c.steps, step...)
		case map[string]string:
			c.env = step
		}
	}
	return c
}

func activationConversations() map[string]jobConversation {
	const annMail = `"email":"ann@example.com","username":"ann"`
	ann := dormant(annMail)
	return map[string]jobConversation{
		"pending, then completed": conversationOf(ann, startsJob(activations, "<job1>", "<id1>"),
			exchange{request: "GET " + activations + "/<job1>", status: 200, want: pendingJob("<job1>")}, passes,
			shows("<job1>", summary(0, 0, 1))),
		"inserted, updated and failed": conversationOf(ann, active(`"email":"bob@example.com"`),
			activates("<id1>", "<id2>", "ffffffffffffffffffffffff"),
			shows("<job1>", summary(1, 1, 1)+`,"failures":[`+failedFor("<id3>", "USER_NOT_FOUND", "There is no user with this id")+`]`)),
		"with slashes at the end": conversationOf(ann, startsJob(activations+"/", "<job1>", "<id1>"), passes,
			exchange{request: "GET " + activations + "/<job1>/", status: 200, want: over("<job1>", summary(0, 0, 1))}),
		"the object form": conversationOf(ann,
			exchange{request: "POST " + activations, body: `{"users":` + usersBody("<id1>") + `}`, status: 202, want: pendingJob("<job1>")}, passes,
			shows("<job1>", summary(0, 0, 1))),
		"given twice, in either case": conversationOf(ann, activates("<id1>", "<ID1>", "<id1>"), shows("<job1>", summary(0, 0, 1))),
		"in capitals alone":           conversationOf(ann, activates("<ID1>"), shows("<job1>", summary(0, 0, 1))),
		"twice, one after the other": conversationOf(ann, activates("<id1>"), startsJob(activations, "<job2>", "<id1>"), passes,
			shows("<job1>", summary(0, 0, 1)), shows("<job2>", summary(0, 1, 0))),
		"twice with upsert=false": conversationOf(ann, startsJob(activations+"?upsert=false", "<job1>", "<id1>"), passes,
			startsJob(activations+"?upsert=false", "<job2>", "<id1>"), passes, shows("<job1>", summary(0, 0, 1)),
			shows("<job2>", summary(1, 0, 0)+`,"failures":[`+failedFor("<id1>", "USER_ALREADY_ACTIVE", "The user has an account already")+`]`)),
		"active, upsert=false": conversationOf(active(annMail), startsJob(activations+"?upsert=false", "<job1>", "<id1>"), passes,
			fails("USER_ALREADY_ACTIVE", "The user has an account already")),
		"a group without accounts": conversationOf(setUp("POST /users/", `{"userGroup":"contacts","name":"Ann"}`), activates("<id1>"),
			fails("AUTH_USER_CREATION_DISABLED", "Users of this group get no account")),
		"a group that is gone": conversationOf(ann, inTheStore("<id1>", `"userGroup":"pets"`), activates("<id1>"),
			fails("USER_GROUP_UNUSABLE", "The group of the user does not exist")),
		"no name": conversationOf(setUp("POST /crud/users/", `{"userGroup":"customers","name":"Ann"}`), activates("<id1>"),
			fails("USERNAME_AND_EMAIL_MISSING", "An account needs a username or an email")),
		"a username that is taken": conversationOf(ann, active(`"email":"bob@example.com","username":"mario"`), inTheStore("<id2>", `"username":"bob"`),
			inTheStore("<id1>", `"username":"mario"`), activates("<id1>"), fails("NON_UNIQUE_PROPERTY_VALUE", `Property "username" has non-unique value: mario`)),
		"an address that is taken": conversationOf(ann, active(`"email":"mario@example.com"`), inTheStore("<id2>", `"email":"bob@example.com"`),
			inTheStore("<id1>", `"email":"mario@example.com"`), activates("<id1>"), fails("NON_UNIQUE_PROPERTY_VALUE", `Property "email" has non-unique value: mario@example.com`)),
		"the taken address of one that is active": conversationOf(active(annMail), active(`"email":"mario@example.com"`), inTheStore("<id2>", `"email":"bob@example.com"`),
			inTheStore("<id1>", `"email":"mario@example.com"`), activates("<id1>"), fails("NON_UNIQUE_PROPERTY_VALUE", `Property "email" has non-unique value: mario@example.com`)),
		"DELETED": conversationOf(ann, setUp("POST /users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"TRASH"}]`),
			setUp("POST /users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"DELETED"}]`), activates("<id1>"),
			fails("USER_DELETED", "The user is in the state DELETED")),
		"the fake's account has no password": conversationOf(ann, activates("<id1>"), login(401, wrong)),
		"blocked":                            conversationOf(dormant(annMail+`,"blocked":true`), activates("<id1>"), shows("<job1>", summary(0, 0, 1))),
		"DRAFT": conversationOf(ann, setUp("POST /users/state", `[{"filter":{"_id":"<id1>"},"stateTo":"DRAFT"}]`), activates("<id1>"),
			shows("<job1>", summary(0, 0, 1))),
		"progress": conversationOf(ann, startsJob(activations, "<job1>", "<id1>"),
			exchange{request: "GET " + activations + "/<job1>?progress=true", status: 200,
				want: strings.TrimSuffix(pendingJob("<job1>"), "}") + `,"progress":{"done":0,"total":1}}`}, passes,
			exchange{request: "GET " + activations + "/<job1>?progress=true", status: 200,
				want: over("<job1>", summary(0, 0, 1)+`,"progress":{"done":1,"total":1,"startedAt":"<time>"}`)},
			exchange{request: "GET " + activations + "/<job1>?progress=false", status: 200, want: over("<job1>", summary(0, 0, 1))}),
		"kept for as long as is set": conversationOf(map[string]string{"JOBS_RETENTION": "90s"}, ann, activates("<id1>"), shows("<job1>", summary(0, 0, 1)), passes,
			exchange{request: "GET " + activations + "/<job1>", status: 404, want: bad(404, "id: there is no such job")}),
	}
}

// TestActivation holds conversations with a provider that is an importer and with one
// that is not: the answers are the same.
func TestActivation(t *testing.T) {
	t.Parallel()
	for what, c := range activationConversations() {
		for sight := range sights {
			t.Run(what+", "+sight, func(t *testing.T) {
				t.Parallel()
				c.run(t, sight)
			})
		}
	}
}

// TestRequestsForActivation: what is not valid is a 404 as is documented, save for what
// is no JSON, of another type or too large.
func TestRequestsForActivation(t *testing.T) {
	t.Parallel()
	ann := dormant(`"email":"ann@example.com"`)
	post := "POST " + activations
	on404 := func(body, message string) exchange {
		return exchange{request: post, body: body, status: 404, want: bad(404, message)}
	}
	for what, c := range map[string]jobConversation{
		"an empty list":                  conversationOf(on404(`[]`, "body: must be an array of at least one user")),
		"an object without users":        conversationOf(on404(`{}`, "body: must be an array of at least one user")),
		"null":                           conversationOf(on404(`null`, "body: must be an array of at least one user")),
		"an entry without a filter":      conversationOf(ann, on404(`[{"filter":{"userId":"<id1>"}},{}]`, "[1].filter.userId: is required")),
		"a filter without an id":         conversationOf(on404(`[{"filter":{}}]`, "[0].filter.userId: is required")),
		"an empty id":                    conversationOf(on404(`[{"filter":{"userId":""}}]`, "[0].filter.userId: is required")),
		"an id of another type":          conversationOf(exchange{request: post, body: `[{"filter":{"userId":5}}]`, status: 404, want: "*"}),
		"texts in the place of entries":  conversationOf(exchange{request: post, body: `["a"]`, status: 404, want: "*"}),
		"an unknown field":               conversationOf(exchange{request: post, body: `[{"filter":{"userId":"a"},"more":1}]`, status: 404, want: "*"}),
		"none in the store":              conversationOf(ann, on404(usersBody("ffffffffffffffffffffffff"), "filter.userId: none of the users exists")),
		"none that is an id":             conversationOf(ann, on404(usersBody("mario", `\" or 1`), "filter.userId: none of the users exists")),
		"a flag that is none":            conversationOf(exchange{request: post + "?upsert=yes", body: usersBody("a"), status: 404, want: bad(404, `upsert: must be true or false, not "yes"`)}),
		"malformed":                      conversationOf(exchange{request: post, body: `[{"filter"`, status: 400, want: "*"}),
		"no body":                        conversationOf(exchange{request: post, header: "Content-Type: application/json", status: 400, want: "*"}),
		"something after the list":       conversationOf(exchange{request: post, body: `[] []`, status: 400, want: "*"}),
		"a text":                         conversationOf(exchange{request: post, body: `[]`, header: "Content-Type: text/plain", status: 415, want: "*"}),
		"too large":                      conversationOf(map[string]string{"JOBS_MAX_BODY_BYTES": "20"}, exchange{request: post, body: usersBody("ffffffffffffffffffffffff"), status: 413, want: bad(413, "body: must not be larger than 20 bytes")}),
		"an id beside that is none":      conversationOf(ann, activates("<id1>", "mario"), shows("<job1>", summary(1, 0, 1)+`,"failures":[`+failedFor("mario", "USER_NOT_FOUND", "There is no user with this id")+`]`)),
		"another method":                 conversationOf(exchange{request: "PUT " + activations, body: "[]", status: 405, want: "*"}),
		"an unknown job":                 conversationOf(exchange{request: "GET " + activations + "/c735cf45-536b-45ce-8ef1-d0066515c185", status: 404, want: "*"}),
		"a job of the other kind":        conversationOf(ann, startsJob(activations, "<job1>", "<id1>"), exchange{request: "GET " + mailings + "/<job1>", status: 404, want: bad(404, "id: there is no such job")}),
		"events of an unknown job":       conversationOf(exchange{request: "GET " + activations + "/x/events", status: 404, want: bad(404, "id: there is no such job")}),
		"events of the other kind":       conversationOf(ann, startsJob(activations, "<job1>", "<id1>"), exchange{request: "GET " + mailings + "/<job1>/events", status: 404, want: bad(404, "id: there is no such job")}),
		"progress that is no flag":       conversationOf(ann, startsJob(activations, "<job1>", "<id1>"), exchange{request: "GET " + activations + "/<job1>?progress=yes", status: 400, want: "*"}),
		"a callback that is no text":     conversationOf(ann, exchange{request: post, body: `{"users":` + usersBody("<id1>") + `,"callbackUrl":5}`, status: 404, want: "*"}),
		"a callback and nothing allowed": conversationOf(ann, exchange{request: post, body: `{"users":` + usersBody("<id1>") + `,"callbackUrl":"https://example.com/"}`, status: 400, want: bad(400, "callbackUrl: the host of the callback URL is not allowed")}),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c.run(t, "in bulk")
		})
	}
}

// mailed is the answer to a request for a job of mails that is over.
func mailed(job string, done, failed []string) exchange {
	more := fmt.Sprintf(`"summary":{"failed":%d,"completed":%d,"total":%d}`, len(failed), len(done), len(done)+len(failed))
	for _, list := range []struct {
		field string
		ids   []string
	}{{"completed", done}, {"failures", failed}} {
		if len(list.ids) > 0 {
			more += `,"` + list.field + `":[{"authUserId":"` + strings.Join(list.ids, `"},{"authUserId":"`) + `"}]`
		}
	}
	return exchange{request: "GET " + mailings + "/" + job, status: 200, want: over(job, more)}
}

func TestMails(t *testing.T) {
	t.Parallel()
	ann, post := active(`"email":"ann@example.com"`), "POST "+mailings
	starts := func(ids string) exchange {
		return exchange{request: post, body: `{"authUsersIds":[` + ids + `]}`, status: 202, want: pendingJob("<job1>")}
	}
	on400 := func(body, message string) exchange {
		return exchange{request: post, body: body, status: 400, want: bad(400, message)}
	}
	const id, gone = "fake|<id2>", "fake|ffffffffffffffffffffffff"
	for what, c := range map[string]jobConversation{
		"pending, then completed": conversationOf(ann, linked, starts(`"`+id+`"`), exchange{request: "GET " + mailings + "/<job1>", status: 200, want: pendingJob("<job1>")}, passes,
			mailed("<job1>", []string{id}, nil)),
		"one that fails":             conversationOf(ann, linked, starts(`"`+gone+`","`+id+`"`), passes, mailed("<job1>", []string{id}, []string{"fake|<id3>"})),
		"all fail":                   conversationOf(starts(`"`+gone+`","auth0|1","x"`), passes, mailed("<job1>", nil, []string{"fake|<id1>", "auth0|1", "x"})),
		"given twice":                conversationOf(ann, linked, starts(`"`+id+`","`+id+`"`), passes, mailed("<job1>", []string{id}, nil)),
		"an empty list":              conversationOf(exchange{request: post, body: `{"authUsersIds":[]}`, status: 400, want: "*"}),
		"no list":                    conversationOf(on400(`{}`, "authUsersIds: is required")),
		"null":                       conversationOf(on400(`{"authUsersIds":null}`, "authUsersIds: is required")),
		"an empty id":                conversationOf(exchange{request: post, body: `{"authUsersIds":["a",""]}`, status: 400, want: "*"}),
		"numbers":                    conversationOf(exchange{request: post, body: `{"authUsersIds":[5]}`, status: 400, want: "*"}),
		"a list alone":               conversationOf(on400(`["a"]`, "body: must be an object, not array")),
		"an unknown field":           conversationOf(on400(`{"authUsersIds":["a"],"more":1}`, "more: is not a field of this request")),
		"malformed":                  conversationOf(on400(`{"authUsersIds":["a"`, "body: is not valid JSON: it ends too early")),
		"a text":                     conversationOf(exchange{request: post, body: `{}`, header: "Content-Type: text/plain", status: 415, want: "*"}),
		"too large":                  conversationOf(map[string]string{"JOBS_MAX_BODY_BYTES": "20"}, exchange{request: post, body: `{"authUsersIds":["aaaaaaaaaa"]}`, status: 413, want: "*"}),
		"an unknown job":             conversationOf(exchange{request: "GET " + mailings + "/x", status: 404, want: bad(404, "id: there is no such job")}),
		"a job of the other kind":    conversationOf(starts(`"a"`), exchange{request: "GET " + activations + "/<job1>", status: 404, want: bad(404, "id: there is no such job")}),
		"kept for as long as is set": conversationOf(map[string]string{"JOBS_RETENTION": "90s"}, starts(`"x"`), passes, mailed("<job1>", nil, []string{"x"}), passes, exchange{request: "GET " + mailings + "/<job1>", status: 404, want: "*"}),
		"progress of a job that is not begun": conversationOf(starts(`"a","b"`), exchange{request: "GET " + mailings + "/<job1>?progress=true", status: 200,
			want: strings.TrimSuffix(pendingJob("<job1>"), "}") + `,"progress":{"done":0,"total":2}}`}),
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			c.run(t, "in bulk")
		})
	}
}

// TestActivationMends: accounts are what their users say after an activation, blocked
// where the user may not log in, and made anew where they are gone. The address that the
// account of <id8> gives up is free for <id6>.
func TestActivationMends(t *testing.T) {
	t.Parallel()
	for sight := range sights {
		t.Run(sight, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarnessWith(t, nil, sights[sight])
				manySorts(h)
				h.mustAll(
					noMail+` {"userGroup":"customers","email":"nine@example.com","username":"nine"}`,
					noMail+` {"userGroup":"customers","email":"ten@example.com","blocked":true}`,
					`PATCH /crud/users/<id11> {"$set":{"blocked":true,"username":"ninth"}}`,
					`PATCH /crud/users/<id12> {"$unset":{"blocked":true}}`,
					"POST "+activations+" "+usersBody("<id1>", "<id2>", "<id3>", "<id4>", "<id5>", "<id6>", "<id7>", "<id8>", "<id11>", "<id12>"),
				)
				h.pass(time.Minute)
				got := h.must("GET", activations+"/<job1>", "")
				want := over("<job1>", summary(1, 4, 5)+`,"failures":[`+failedFor("<id7>", "AUTH_USER_CREATION_DISABLED", "Users of this group get no account")+`]`)
				if !sameJSON(got.body, want) {
					t.Errorf("job = %s, want %s", got.body, want)
				}
				h.checkAccounts(map[string]string{
					"one@example.com": "one", "two@example.com": "blocked", "three@example.com": "blocked", "fourth@example.com": "",
					"five@example.com": "", "eight@example.com": "", "eighth@example.com": "", "nine@example.com": "ninth blocked", "ten@example.com": "",
				})
				h.settle()
				h.checkPairing()
			})
		})
	}
}

// TestActivationBlocksFirst: the account of a user that may not log in is blocked also
// when it cannot be given the user's names.
func TestActivationBlocksFirst(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		h.mustAll(
			noMail+` {"userGroup":"customers","email":"ann@example.com"}`,
			noMail+` {"userGroup":"customers","email":"mario@example.com"}`,
			`PATCH /crud/users/<id2> {"$set":{"email":"bob@example.com"}}`,
			`PATCH /crud/users/<id1> {"$set":{"email":"mario@example.com","blocked":true}}`,
			"POST "+activations+" "+usersBody("<id1>"),
		)
		h.pass(time.Minute)
		if got := h.must("GET", activations+"/<job1>", ""); !strings.Contains(got.body, "NON_UNIQUE_PROPERTY_VALUE") {
			t.Errorf("job = %s, want one that fails", got.body)
		}
		h.checkAccounts(map[string]string{"ann@example.com": "blocked", "mario@example.com": ""})
	})
}

// TestActivationRemovesWhatStands: an account that stands although its user is refused it
// is removed.
func TestActivationRemovesWhatStands(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newAltered(t, "in bulk", func(a *altered) {
			makes := a.imports
			a.imports = func(ctx context.Context, accounts []providers.ImportAccount) ([]providers.ImportOutcome, error) {
				outcomes, err := makes(ctx, accounts)
				for i := range outcomes {
					outcomes[i].Inserted, outcomes[i].Refusal = false, &providers.ImportRefusal{Code: providers.CodeInvalid, Message: "no"}
				}
				return outcomes, err
			}
		})
		h.mustAll(`POST /users/?postponeAuthUserCreation=true {"userGroup":"customers","email":"ann@example.com"}`,
			"POST "+activations+" "+usersBody("<id1>"))
		h.pass(time.Minute)
		if got := h.must("GET", activations+"/<job1>", ""); !strings.Contains(got.body, "INVALID_FORMAT") {
			t.Errorf("job = %s, want one that fails", got.body)
		}
		h.settle()
		if left := h.all("/fake/accounts"); len(left) != 0 {
			t.Errorf("%d accounts are left of no user", len(left))
		}
		h.checkPairing()
	})
}

// checkAccounts compares the accounts' user names, and whether they are blocked, by their
// addresses.
func (h *harness) checkAccounts(want map[string]string) {
	h.t.Helper()
	got := map[string]string{}
	for _, account := range h.all("/fake/accounts") {
		name, _ := account["username"].(string)
		if account["blocked"] == true {
			name = strings.TrimPrefix(name+" blocked", " ")
		}
		got[fmt.Sprint(account["email"])] = name
	}
	if diff := cmp.Diff(want, got); diff != "" {
		h.t.Errorf("accounts (-want +got):\n%s", diff)
	}
}

// TestFullQueue: jobs beyond those that may wait are refused, until one is over.
func TestFullQueue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, map[string]string{"JOBS_MAX_QUEUED": "2"})
		ask := func() reply { return h.call("POST", mailings, `{"authUsersIds":["x"]}`) }
		for i, want := range []int{202, 202, 503, 503} {
			got := ask()
			if got.status != want {
				t.Errorf("job %d = %d %s, want %d", i+1, got.status, got.body, want)
			}
			if wait := got.header.Get("Retry-After"); want == 503 && wait != "30" {
				t.Errorf("Retry-After: %q, want 30", wait)
			}
		}
		h.pass(time.Minute)
		if got := ask(); got.status != 202 {
			t.Errorf("later = %d %s", got.status, got.body)
		}
	})
}

// TestJobEvents reads the stream of a job: it begins with progress and ends with the
// job's summary, or early when the service stops.
func TestJobEvents(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		during func(h *harness)
		want   []string // the names of the first event and the last
	}{
		"a job that runs":           {func(h *harness) { h.pass(time.Minute) }, []string{"progress", "completed"}},
		"a job that is over":        {nil, []string{"progress", "completed"}},
		"a service that stops":      {func(h *harness) { <-time.After(time.Second) }, []string{"progress", "progress"}},
		"a client that goes away":   {nil, []string{"progress", "progress"}},
		"a job that waits for long": {func(h *harness) { <-time.After(time.Minute); h.pass(time.Minute) }, []string{"progress", "completed"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, nil)
				stopping, stop := context.WithCancel(t.Context())
				defer stop()
				h.api.stopping = stopping.Done()
				h.must("POST", mailings, `{"authUsersIds":["a","b","c","d"]}`)
				if what == "a job that is over" {
					h.pass(time.Minute)
				}
				ctx, leave := context.WithCancel(t.Context())
				defer leave()
				ended := make(chan reply, 1)
				go func() { ended <- h.callContext(ctx, "GET", mailings+"/<job1>/events", "") }()
				<-time.After(*latency) // of the store, which is asked for the job
				synctest.Wait()
				if what == "a client that goes away" {
					leave()
				}
				if test.during != nil {
					test.during(h)
				}
				if what == "a service that stops" {
					stop()
				}
				checkEvents(t, <-ended, test.want)
			})
		})
	}
}

// checkEvents compares the first and the last event of a stream.
func checkEvents(t *testing.T, got reply, want []string) {
	t.Helper()
	if media := got.header.Get("Content-Type"); got.status != 200 || media != "text/event-stream" {
		t.Fatalf("events = %d, %s: %s", got.status, media, got.body)
	}
	events := strings.Split(strings.TrimSuffix(got.body, "\n\n"), "\n\n")
	names := []string{eventName(events[0]), eventName(events[len(events)-1])}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("first and last event (-want +got):\n%s\nof %s", diff, got.body)
	}
	if !strings.Contains(events[0], `data: {"done":`) {
		t.Errorf("first event: %s", events[0])
	}
	if want[1] != "completed" {
		return
	}
	_, data, _ := strings.Cut(events[len(events)-1], "data: ")
	if whole := over("<job1>", `"summary":{"failed":4,"completed":0,"total":4}`); !sameJSON(data, whole) {
		t.Errorf("last event %s, want %s", data, whole)
	}
}

func eventName(event string) string {
	line, _, _ := strings.Cut(event, "\n")
	return strings.TrimPrefix(line, "event: ")
}

// allowing is an environment in which callbacks may go to some hosts.
func allowing(hosts string, more map[string]string) map[string]string {
	env := map[string]string{"WEBHOOK_ALLOWED_HOSTS": hosts, "WEBHOOK_SECRET": webhookSecret}
	maps.Copy(env, more)
	return env
}

// webhookSecret is the base64 of the bytes 1 to 24.
const webhookSecret = "whsec_AQIDBAUGBwgJCgsMDQ4PEBESExQVFhcY"

func TestCallbackURLsThatAreRefused(t *testing.T) {
	t.Parallel()
	for url, message := range map[string]string{
		"https://other.example.com/":           "the host of the callback URL is not allowed",
		"https://example.com.evil.example/":    "the host of the callback URL is not allowed",
		"https://example.com:8443/":            "the host of the callback URL is not allowed",
		"https://me:secret@example.com/":       "the callback URL must not have user information",
		"https://example.com@evil.example.com": "the callback URL must not have user information",
		"ftp://example.com/":                   "the callback URL must be http or https",
		"example.com":                          "the callback URL must be http or https",
		"//example.com/":                       "the callback URL must be http or https",
		"https://":                             "the host of the callback URL is not allowed",
		"http://exa mple.com/":                 "the callback URL is not a URL",
	} {
		t.Run(url, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, allowing("example.com", nil))
				h.mustAll(`POST /users/?postponeAuthUserCreation=true {"userGroup":"customers","email":"ann@example.com"}`)
				want := bad(400, "callbackUrl: "+message)
				for path, body := range map[string]string{
					mailings:    `{"authUsersIds":["x"],"callbackUrl":"` + url + `"}`,
					activations: `{"users":[{"filter":{"userId":"<id1>"}}],"callbackUrl":"` + url + `"}`,
				} {
					if got := h.call("POST", path, body); got.status != 400 || got.body != want {
						t.Errorf("POST %s = %d %s, want 400 %s", path, got.status, got.body, want)
					}
				}
			})
		})
	}
}

// TestCallback delivers the end of jobs to the address of the job, or else to the one that
// is set, signed as the Standard Webhooks specification has it; and again after an answer
// that is none.
func TestCallback(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		env      map[string]string // beside the secret; HOST is the receiver's
		body     string
		statuses []int // of the receiver's answers, in order; then 204
		want     []string
	}{
		"its own":                    {nil, `{"authUsersIds":["x"],"callbackUrl":"http://HOST/own?a=b"}`, nil, []string{"/own?a=b"}},
		"the set one":                {map[string]string{"JOBS_WEBHOOK_URL": "http://HOST/set"}, `{"authUsersIds":["x"]}`, nil, []string{"/set"}},
		"its own before the set one": {map[string]string{"JOBS_WEBHOOK_URL": "http://HOST/set"}, `{"authUsersIds":["x"],"callbackUrl":"http://HOST/own"}`, nil, []string{"/own"}},
		"again after an error":       {nil, `{"authUsersIds":["x"],"callbackUrl":"http://HOST/own"}`, []int{500, 302, 404}, []string{"/own", "/own", "/own", "/own"}},
		"not again after 410":        {nil, `{"authUsersIds":["x"],"callbackUrl":"http://HOST/own"}`, []int{410}, []string{"/own"}},
		"none":                       {nil, `{"authUsersIds":["x"]}`, nil, nil},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const host = "hooks.example.com"
				receiver := &receiver{t: t, statuses: test.statuses}
				env := map[string]string{}
				for name, value := range test.env {
					env[name] = strings.ReplaceAll(value, "HOST", host)
				}
				h := newHarness(t, allowing(host, env))
				h.api.webhook.Transport = receiver
				h.must("POST", mailings, strings.ReplaceAll(test.body, "HOST", host))
				h.pass(10 * time.Minute)
				if diff := cmp.Diff(test.want, receiver.paths); diff != "" {
					t.Errorf("callbacks to (-want +got):\n%s", diff)
				}
				for _, body := range receiver.bodies {
					want := `{"type":"change-password.completed","timestamp":"<time>","data":` + over("<job1>", `"summary":{"failed":1,"completed":0,"total":1}`) + `}`
					if got := h.seen.hide(body); !sameJSON(got, want) {
						t.Errorf("callback %s, want %s", got, want)
					}
				}
			})
		})
	}
}

// A receiver is a transport that takes callbacks, whose signatures it checks.
type receiver struct {
	t        *testing.T
	statuses []int
	paths    []string
	bodies   []string
	ids      []string
}

// RoundTrip implements [http.RoundTripper].
func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, err
	}
	r.check(req, body)
	r.paths, r.bodies = append(r.paths, req.URL.RequestURI()), append(r.bodies, string(body))
	status := http.StatusNoContent
	if len(r.statuses) > 0 {
		status, r.statuses = r.statuses[0], r.statuses[1:]
	}
	answer := &http.Response{StatusCode: status, Header: http.Header{"Location": {"http://elsewhere.example.com/"}}, Body: http.NoBody, Request: req}
	return answer, nil
}

// check verifies the signature as the specification has it: base64 of the HMAC with
// SHA-256 of id, time and body, each after a full stop.
func (r *receiver) check(req *http.Request, body []byte) {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(webhookSecret, "whsec_"))
	if err != nil {
		r.t.Fatal(err)
	}
	id, at := req.Header.Get("webhook-id"), req.Header.Get("webhook-timestamp")
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(id + "." + at + "." + string(body)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); req.Header.Get("webhook-signature") != want {
		r.t.Errorf("webhook-signature: %q, want %q", req.Header.Get("webhook-signature"), want)
	}
	if seconds, err := strconv.ParseInt(at, 10, 64); err != nil || seconds != time.Now().Unix() {
		r.t.Errorf("webhook-timestamp: %q, want %d", at, time.Now().Unix())
	}
	if r.ids = append(r.ids, id); id == "" || id != r.ids[0] {
		r.t.Errorf("webhook-id: %q, and %q before: it is to be the same for each try", id, r.ids[0])
	}
	if media := req.Header.Get("Content-Type"); req.Method != "POST" || media != "application/json" {
		r.t.Errorf("%s of %q", req.Method, media)
	}
}
