package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/rond/rondtest"
	"user-manager/timer/timertest"
	"user-manager/upstream/faults"
)

// This file is what is true of roles and timers, beside users and accounts.

// addNeighbours adds to a user of a world what its account is granted, by how many bindings,
// and whether it has a timer that fires at its date.
func (h *harness) addNeighbours(kept, user crud.Document) {
	h.t.Helper()
	if h.rond != nil {
		id, _ := user["authUserId"].(string)
		kept["granted"], kept["bindings"] = h.granted(id), h.bindingsOf(id)
		kept["roles"] = distinct(user["roles"]) // one that is pushed late is there twice
	}
	date, id := user["expirationDate"], user["expirationId"]
	if h.api == nil || h.api.timers == nil || date == nil && id == nil {
		return
	}
	kept["timer"] = h.timerState(user)
}

// distinct are the words of a list, each once.
func distinct(list any) []string {
	items, _ := list.([]any)
	words := make([]string, len(items))
	for i, item := range items {
		words[i] = fmt.Sprint(item)
	}
	slices.Sort(words)
	return slices.Compact(words)
}

// timerState says in words whether a user has a timer that fires at its date, for it.
func (h *harness) timerState(user crud.Document) string {
	h.t.Helper()
	id, _ := user["expirationId"].(string)
	date, _ := user["expirationDate"].(string)
	t, found := h.scheduled(id)
	switch {
	case id == "":
		return "none"
	case !found:
		return "of an id that no timer has"
	case !strings.HasSuffix(t.path, "/-/expire/"+fmt.Sprint(user["_id"])):
		return "of another user"
	case t.date != date:
		return "of another date"
	}
	return t.state
}

// A scheduledTimer is what either Timer Service has of a timer.
type scheduledTimer struct {
	date  string // of the user, in its payload
	path  string // that it calls
	state string // "pending", "expired" or "aborted"
}

// scheduled returns the timer with an id.
func (h *harness) scheduled(id string) (scheduledTimer, bool) {
	h.t.Helper()
	if h.timer != nil {
		all := h.timer.Timers()
		i := slices.IndexFunc(all, func(t timertest.Timer) bool { return t.ID == id })
		if i < 0 {
			return scheduledTimer{}, false
		}
		states := map[int]string{timertest.Pending: "pending", timertest.Expired: "expired", timertest.Aborted: "aborted"}
		return scheduledTimer{dateOf(h.t, all[i].Payload), all[i].Output.Path, states[all[i].Status]}, true
	}
	for _, doc := range h.all("/timers") {
		if doc["_id"] == id {
			status, output := doc["expirationStatus"].(map[string]any), doc["outputMode"].(map[string]any)
			payload, err := json.Marshal(doc["payload"])
			if err != nil {
				h.t.Fatal(err)
			}
			return scheduledTimer{dateOf(h.t, payload), fmt.Sprint(output["path"]), fmt.Sprint(status["description"])}, true
		}
	}
	return scheduledTimer{}, false
}

// dateOf is the date in the body of a timer's call.
func dateOf(t *testing.T, payload []byte) string {
	t.Helper()
	var body struct{ ExpirationDate string }
	if err := json.Unmarshal(payload, &body); err != nil {
		t.Fatal(err)
	}
	return body.ExpirationDate
}

// granted are the roles of an account without that which others have granted.
func (h *harness) granted(account string) []string {
	var roles []string
	for _, role := range h.rond.Roles(account) {
		if role != othersRole {
			roles = append(roles, role)
		}
	}
	return roles
}

// ofOthers counts who has roles by bindings of others.
func (h *harness) ofOthers() int {
	n := 0
	if h.rond != nil {
		for _, b := range h.rond.Bindings() {
			if slices.Contains(b.Roles, othersRole) {
				n += len(b.Subjects)
			}
		}
	}
	return n
}

// bindingsOf counts the bindings that name an account and are the service's own.
func (h *harness) bindingsOf(account string) int {
	n := 0
	for _, b := range h.rond.Bindings() {
		if slices.Contains(b.Subjects, account) && !slices.Contains(b.Roles, othersRole) {
			n++
		}
	}
	return n
}

// othersRole is granted by others than the service.
const othersRole = "auditor"

// strays counts the service's own bindings of accounts that no user has.
func (h *harness) strays() int {
	h.t.Helper()
	if h.rond == nil {
		return 0
	}
	users, n := h.all("/users"), 0
	for _, b := range h.rond.Bindings() {
		known := func(user crud.Document) bool {
			id, _ := user["authUserId"].(string)
			return slices.Contains(b.Subjects, id)
		}
		if !slices.ContainsFunc(users, known) && !slices.Contains(b.Roles, othersRole) {
			n++
		}
	}
	return n
}

// checkGrants reports accounts whose roles are not those of their user, or that have them by
// more than one binding, and bindings of accounts that are gone.
func (h *harness) checkGrants() {
	h.t.Helper()
	accounts := map[string]bool{}
	for id := range h.accounts() {
		accounts[id] = true
	}
	for _, user := range h.all("/users") {
		id, _ := user["authUserId"].(string)
		var want []string
		if accounts[id] {
			want = distinct(user["roles"])
		}
		if got := h.granted(id); !slices.Equal(want, got) || h.bindingsOf(id) > 1 {
			h.t.Errorf("%v in %v has the roles %q, granted are %q by %d bindings", user["email"], user["__STATE__"], want, got, h.bindingsOf(id))
		}
	}
	if n := h.strays(); n > 0 {
		h.t.Errorf("%d bindings are of accounts that no user has", n)
	}
}

// plannedTimers makes a service whose embedded Timer Service meets the store by the plan too.
func plannedTimers(t *testing.T, env map[string]string) *harness {
	t.Helper()
	vars := map[string]string{"EMBEDDED_PATH": ":memory:", "RANDOM_PWD_GEN": "false"}
	for name, value := range env {
		vars[name] = value
	}
	cfg, err := loadConfig(environment(vars))
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, plan: faults.NewPlan(), seen: newPlaceholders(), timersInPlan: true}
	return h.open(vars, cfg, providers.Settings{}, oneByOne)
}

// remoteTimer are the settings of a Timer Service over the network.
var remoteTimer = map[string]string{
	"TIMER_SERVICE": "timer-service", "TIMER_CALLBACK_URL": "http://user-manager", "TIMER_CALLBACK_SECRET": testSecret,
}

// passTo lets the service run until well after a time: whatever timer fires till then has
// had its call, and others after those that failed. It does not run all the way to a time
// that is far off, though long enough for what is open to be settled.
func (h *harness) passTo(at time.Time) {
	h.t.Helper()
	const while = 5 * time.Minute
	if time.Until(at) > 2*while {
		h.runUntil(time.Now().Add(while))
		<-time.After(time.Until(at) - time.Minute)
	}
	h.runUntil(at.Add(while))
}

// runUntil lets the service run until a time, and timers fire.
func (h *harness) runUntil(end time.Time) {
	h.t.Helper()
	h.running(func() {
		for ; time.Now().Before(end); <-time.After(min(20*time.Second, time.Until(end))) {
			if h.timer != nil {
				h.timer.Fire(h.t.Context(), crud.InProcess(h.handler), time.Now())
			}
		}
	})
}

func isOver(t *testing.T, date string) bool {
	t.Helper()
	at, err := time.Parse(time.RFC3339, date)
	if err != nil {
		t.Fatal(err)
	}
	return !at.After(time.Now())
}

// typedRoles reports whether the service's bindings are on a resource, which those of others
// are not.
func (h *harness) typedRoles() bool {
	return slices.ContainsFunc(h.rond.Bindings(), func(b rondtest.Binding) bool { return b.Resource != nil })
}
