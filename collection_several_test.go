package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"user-manager/upstream/faults"
)

// many is a body of n users, named u0 to u<n-1>.
func many(n int) string {
	users := make([]string, n)
	for i := range users {
		users[i] = fmt.Sprintf(`{"userGroup":"customers","username":"u%d","email":"u%d@example.com"}`, i, i)
	}
	return "[" + strings.Join(users, ",") + "]"
}

// checkTogether reports users and accounts that do not belong together, and returns how
// many users there are.
func (h *harness) checkTogether() int {
	h.t.Helper()
	if err := h.failClosed(false); err != nil {
		h.t.Error(err)
	}
	h.checkBelonging()
	if n := h.api.users.Unsettled(); n != 0 {
		h.t.Errorf("%d operations are not settled", n)
	}
	users := h.all("/users")
	if accounts := h.all("/fake/accounts"); len(accounts) != len(users) {
		h.t.Errorf("%d users have %d accounts", len(users), len(accounts))
	}
	return len(users)
}

// TestSameAnswersAsTheStore makes the requests of a page to the service and to the store
// itself: the answers are of one kind.
func TestSameAnswersAsTheStore(t *testing.T) {
	t.Parallel()
	const typed = "Content-Type: application/json"
	steps := []struct{ request, body, header string }{
		{"POST /validate", plainAnn, ""},
		{"POST /validate", `[]`, ""},
		{"POST /bulk", "[" + plainAnn + "]", ""},
		{"POST /bulk", "[" + newBob + "]", ""},
		{"POST /bulk", `{}`, ""},
		{"POST /bulk", "[" + newBob + "]", ""}, // a duplicate
		{"GET /<id1>?_p=username", "", typed},
		{"GET /<id1>?_st=NONE", "", ""},
		{"GET /" + unknown, "", ""},
		{"GET /bulk", "", ""},
		{"GET /export?_p=username", "", ""},
		{"GET /export?_p=username&_s=-username&_l=1", "", "Accept: text/csv"},
		{"GET /export?_p=username", "", "Accept: application/json"},
		{"GET /export?_l=0", "", ""},
		{"GET /export", "", "Accept: text/plain"},
		{"GET /schema", "", ""},
		{"PATCH /bulk", `[{"filter":{"_id":"<id1>"},"update":{"$set":{"name":"A"}}},{"filter":{"_id":"` + unknown + `"},"update":{"$set":{"name":"X"}}}]`, ""},
		{"PATCH /bulk", `[{"filter":{"username":"bob"},"update":{"$set":{"name":"B"}}}]`, ""},
		{"PATCH /bulk", `[{"filter":{"_id":"<id1>","userGroup":"staff"},"update":{"$set":{"name":"X"}}}]`, ""},
		{"PATCH /bulk", `[{"filter":{"_q":"{\"username\":{\"$in\":[\"ann\"]}}"},"update":{}}]`, ""},
		{"PATCH /bulk", `[]`, ""},
		{"PATCH /bulk", `[{"filter":{"_id":"<id1>"},"update":{"$set":{"name":"X"}}},null]`, ""},
		{"PATCH /bulk", `[{"filter":{"_id":"<id1>"},"update":{"$set":{"name":"X"}}},{"filter":{"_id":"nope"},"update":{}}]`, ""},
		{"PATCH /bulk", `[{"filter":{"_id":"<id1>"},"update":{"$set":{"name":"X"}}},{"filter":{"_st":"NONE"},"update":{}}]`, ""},
		{"GET /?_p=username,name", "", ""},
		{"POST /<id1>/state", `{"stateTo":"PUBLIC"}`, ""},
		{"POST /<id1>/state", `{"stateTo":"DELETED"}`, ""},
		{"POST /<id1>/state", `{"stateTo":"TRASH","why":"test"}`, ""},
		{"POST /<id1>/state", `{"stateTo":"PUBLIC"}`, ""},
		{"POST /<id1>/state", `{"stateTo":"HIDDEN"}`, ""},
		{"POST /<id1>/state?_st=PUBLIC", `{"stateTo":"DRAFT"}`, ""},
		{"POST /<id1>/state?nope_=1&userGroup=staff", `{"stateTo":"DRAFT"}`, ""},
		{"POST /" + unknown + "/state", `{"stateTo":"DRAFT"}`, ""},
		{"DELETE /?_id=" + unknown, "", ""},
		{"DELETE /?_p=username", "", ""},
		{"DELETE /?_st=ALL", "", ""},
		{"DELETE /?_q=%7B%22$nor%22:%5B%5D%7D", "", ""},
		{"DELETE /?username=zoe", "", ""},
		{"DELETE /?_q=%7B%22_id%22:%7B%22%24in%22:%5B%22<id1>%22%5D%7D%7D&_st=PUBLIC,TRASH", "{}", ""},
		{"DELETE /?_q=%7B%7D", "{}", ""},
		{"DELETE /?_q=%7B%7D", "", ""},
	}
	service, store := newHarness(t, nil), newHarness(t, nil)
	for _, step := range steps {
		method, below, _ := strings.Cut(step.request, " ")
		send := func(h *harness, at string) reply {
			if step.header == "" {
				return h.call(method, at+below, step.body)
			}
			return h.call(method, at+below, step.body, step.header)
		}
		got, want := send(service, "/users"), send(store, "/crud/users")
		if diff := cmp.Diff(kindOf(want), kindOf(got)); diff != "" {
			t.Errorf("%s %s: answer of the store (-), of the service (+):\n%s\nstore: %s\nservice: %s", step.request, step.body, diff, want.body, got.body)
		}
	}
}

// kindOf is what a page sees of an answer: of an error its status, since the words of a
// check may be either's.
func kindOf(r reply) any {
	kind := []any{r.status, r.header.Get("Content-Type")}
	if r.status < 300 {
		return append(kind, r.body)
	}
	return kind
}

// TestNamesakesInOrder: of two users of one request with the same address the first is
// made.
func TestNamesakesInOrder(t *testing.T) {
	t.Parallel()
	for range 5 {
		h := newHarness(t, nil)
		body := `[` + newBob + `,{"userGroup":"customers","username":"ann","email":"ann@example.com","name":"First"},{"userGroup":"customers","username":"anna","email":"ANN@example.com","name":"Second"},{"userGroup":"customers","username":"ann","email":"a@example.com","name":"Third"}]`
		got := h.call("POST", bulkPath[len("POST "):], body)
		outcomes := readOutcomes(t, got)
		var statuses []int
		for _, o := range outcomes {
			statuses = append(statuses, o.StatusCode)
		}
		if diff := cmp.Diff([]int{0, 0, 409, 409}, statuses); diff != "" || got.status != http.StatusConflict {
			t.Fatalf("%d %s (-want +got):\n%s", got.status, got.body, diff)
		}
		if n := h.checkTogether(); n != 2 {
			t.Errorf("%d users", n)
		}
	}
}

// TestSeveralWithAnUpstreamDown: when the store is gone no further user is tried, and
// nothing of those that were is left.
func TestSeveralWithAnUpstreamDown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		request := call("POST", "/users/bulk", many(30))
		dry := newHarness(t, nil)
		dry.plan.Reset()
		request(dry)
		h.plan.Reset()
		validations := 0
		for n, call := range dry.plan.Calls() {
			if call == "CRUD POST /users/validate" {
				validations = n + 1
			}
		}
		h.plan.ArmFrom(validations+1, faults.Unreachable)
		got := request(h)
		var tried, not int
		for _, o := range readOutcomes(t, got) {
			switch {
			case o.StatusCode == http.StatusServiceUnavailable && o.Message == "not tried: the store or the provider failed":
				not++
			case o.StatusCode == http.StatusInternalServerError:
				tried++
			}
		}
		if tried < 1 || tried > 8 || tried+not != 30 || got.status != http.StatusInternalServerError {
			t.Errorf("%d tried and %d not: %d %s", tried, not, got.status, got.body)
		}
		h.plan.Heal()
		h.settle()
		if n := h.checkTogether(); n != 0 {
			t.Errorf("%d users are left", n)
		}
		if got := request(h); got.status != http.StatusOK {
			t.Errorf("made again = %d %s", got.status, got.body)
		}
	})
}

// slowly makes each call of an upstream take a tenth of a second.
func (h *harness) slowly() {
	h.plan.Reset()
	for n := range 2000 {
		h.plan.ArmDelay(n+1, 100*time.Millisecond)
	}
}

// TestSeveralWithNobodyWaiting: when the client is gone or the service stops, those under
// way are completed and no further one is begun.
func TestSeveralWithNobodyWaiting(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		end  func(h *harness, cancel func(), stop chan struct{})
		told string
	}{
		"the client is gone":      {func(_ *harness, cancel func(), _ chan struct{}) { cancel() }, "not tried: context canceled"},
		"the service is stopping": {func(_ *harness, _ func(), stop chan struct{}) { close(stop) }, "not tried: the service is stopping"},
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h, stop := newHarness(t, nil), make(chan struct{})
				h.api.stopping = stop
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				h.slowly()
				var ended sync.WaitGroup
				ended.Go(func() {
					for !slices.Contains(h.plan.Calls(), "CRUD POST /users/") {
						<-time.After(10 * time.Millisecond)
					}
					test.end(h, cancel, stop)
				})
				got := h.callContext(ctx, "POST", "/users/bulk?sendResetPwdEmail=false", many(20))
				ended.Wait()
				h.plan.Heal()
				var made, not int
				for _, o := range readOutcomes(t, got) {
					switch {
					case o.ID != "" && o.StatusCode == 0:
						made++
					case o.StatusCode == http.StatusServiceUnavailable && o.Message == test.told:
						not++
					}
				}
				if made != 8 || not != 12 || got.status != http.StatusServiceUnavailable {
					t.Errorf("%d made and %d not: %d %s", made, not, got.status, got.body)
				}
				if n := h.checkTogether(); n != 8 {
					t.Errorf("%d users", n)
				}
			})
		})
	}
}

// TestSecondLookOfDeletion: a user that stops to match before its turn comes stays.
func TestSecondLookOfDeletion(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, nil)
		h.must("POST", "/users/bulk?sendResetPwdEmail=false", many(10))
		h.plan.Reset()
		h.plan.ArmDelay(1, time.Second) // of the search
		var changed sync.WaitGroup
		changed.Go(func() {
			<-time.After(time.Second / 2)
			h.must("PATCH", "/users/bulk", `[{"filter":{"username":"u3"},"update":{"blocked":true}}]`)
		})
		got := h.must("DELETE", "/users/?_q="+`%7B%22blocked%22:%7B%22%24ne%22:true%7D%7D`, "")
		changed.Wait()
		if got.body != "9" {
			t.Errorf("%s were deleted", got.body)
		}
		if n := h.checkTogether(); n != 1 {
			t.Errorf("%d users are left", n)
		}
	})
}

// TestSeveralMeet makes two requests for the same users at once. Whoever wins, users and
// accounts belong together.
func TestSeveralMeet(t *testing.T) {
	t.Parallel()
	all := func(update string) func(*harness) reply {
		return func(h *harness) reply {
			var items []string
			for i := range meetings() {
				items = append(items, fmt.Sprintf(`{"filter":{"username":"u%d"},"update":%s}`, i, update))
			}
			return h.call("PATCH", "/users/bulk", "["+strings.Join(items, ",")+"]")
		}
	}
	byID := func(update string) func(*harness) reply {
		return func(h *harness) reply {
			var items []string
			for _, user := range h.all("/users") {
				items = append(items, fmt.Sprintf(`{"filter":{"_id":"%v"},"update":%s}`, user["_id"], update))
			}
			if items == nil {
				return reply{status: http.StatusOK}
			}
			return h.call("PATCH", "/users/bulk", "["+strings.Join(items, ",")+"]")
		}
	}
	create := call("POST", "/users/bulk?sendResetPwdEmail=false", many(10))
	remove := call("DELETE", "/users/?_q=%7B%7D", "")
	trash := call("POST", "/users/state", `{"filter":{},"stateTo":"TRASH"}`)
	users := func(h *harness) { create(h) }
	for what, test := range map[string]struct {
		prepare func(*harness)
		both    [2]func(*harness) reply
		users   []int // how many there may be
	}{
		"create and create": {nil, [2]func(*harness) reply{create, create}, []int{10}},
		"create and delete": {nil, [2]func(*harness) reply{create, remove}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		"block and unblock": {users, [2]func(*harness) reply{all(`{"blocked":true}`), byID(`{"blocked":false}`)}, []int{10}},
		"block and delete":  {users, [2]func(*harness) reply{byID(`{"blocked":true}`), remove}, []int{0}},
		"delete and delete": {users, [2]func(*harness) reply{remove, remove}, []int{0}},
		"unblock and trash": {users, [2]func(*harness) reply{byID(`{"blocked":false}`), trash}, []int{10}},
		"rename and delete": {users, [2]func(*harness) reply{byID(`{"$unset":{"username":true}}`), remove}, []int{0}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			for range 4 {
				h := newHarness(t, nil)
				if test.prepare != nil {
					test.prepare(h)
				}
				var both sync.WaitGroup
				var got [2]reply
				for i, request := range test.both {
					both.Go(func() { got[i] = request(h) })
				}
				both.Wait()
				if n := h.checkTogether(); !slices.Contains(test.users, n) {
					t.Errorf("%d users after %d %s and %d %s", n, got[0].status, got[0].body, got[1].status, got[1].body)
				}
				for _, reply := range got {
					if reply.status > 299 && !json.Valid([]byte(reply.body)) {
						t.Errorf("answer %d %s", reply.status, reply.body)
					}
				}
			}
		})
	}
}
