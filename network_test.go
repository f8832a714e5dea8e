package main

import (
	"flag"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/crud/crudtest"
	"user-manager/crud/embedded"
	"user-manager/upstream"
	"user-manager/upstream/faults"
)

// network says on which of the two transports the tests run the service.
var network = flag.Bool("network", false, "run the service on a store that it meets over connections, as a CRUD Service, instead of in its own process")

// What the store over connections is like.
var (
	maxLimit = flag.Int("max-limit", 0, "documents of a page of the store at most, as CRUD_MAX_LIMIT has it; 0: 200")
	latency  = flag.Duration("latency", 0, "how long each call of a store over connections waits")
)

// inProcessOnly skips a test on the other transport.
func inProcessOnly(t testing.TB, why string) {
	t.Helper()
	if *network {
		t.Skip("in process only: " + why)
	}
}

// overConnectionsAnyway skips a test that has connections on either transport.
func overConnectionsAnyway(t testing.TB) {
	t.Helper()
	if *network {
		t.Skip("its service meets the store over connections on either transport: once is enough")
	}
}

// ordinaryPages skips a test that counts calls, where pages are smaller than usual.
func ordinaryPages(t testing.TB) {
	t.Helper()
	if *maxLimit != 0 {
		t.Skip("how many calls it takes depends on how large a page may be")
	}
}

// endpoints are the settings of a service on a CRUD Service with all collections.
var endpoints = map[string]string{
	"USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/ums-config", "ROLES_CRUD_ENDPOINT": "/roles",
	"JOURNAL_CRUD_ENDPOINT": "/journal", "JOBS_CRUD_ENDPOINT": "/jobs",
	"TIMER_SERVICE": "embedded", "TIMERS_CRUD_ENDPOINT": "/timers",
}

// remotely are the settings in vars for a store at url.
func remotely(url string, vars map[string]string) map[string]string {
	all := maps.Clone(endpoints)
	maps.Copy(all, vars)
	all["CRUD_SERVICE"] = url
	delete(all, "EMBEDDED_PATH")
	delete(all, "COLLECTION_DEFINITION_FOLDER") // the store has read it, and
	delete(all, "USER_GROUPS_FILE")             // this too
	return all
}

// inBubble reports whether the caller is in a testing/synctest bubble, whose clock begins
// in 2000.
func inBubble() bool { return time.Now().Year() < 2020 }

// serveStore has db served over connections: real ones, unless the bubble that the
// caller is in could not go on with them.
func serveStore(t testing.TB, db http.Handler, plan *faults.Plan) *crudtest.Server {
	t.Helper()
	s := &crudtest.Server{Store: db, Plan: plan, Latency: func(string) time.Duration { return *latency }}
	if inBubble() {
		s.ListenInMemory()
	} else if err := s.Listen(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// openRemote opens the store that s serves, as the service does that cfg is for.
func openRemote(t testing.TB, cfg config, s *crudtest.Server) *store {
	t.Helper()
	var base http.RoundTripper // sockets
	if inBubble() {
		pipes := &http.Transport{DialContext: s.Dial, MaxConnsPerHost: cfg.store.connections, MaxIdleConnsPerHost: cfg.store.connections}
		t.Cleanup(pipes.CloseIdleConnections)
		base = pipes
	}
	opened, err := openNetwork(cfg, base, testLog(t), upstream.Observer{})
	if err != nil {
		t.Fatal(err)
	}
	return opened
}

// storeOn is db as the service of h is to see it, with the plan between them.
func (h *harness) storeOn(db *embedded.Store, cfg config, vars map[string]string) *store {
	h.t.Helper()
	if !*network {
		transport := crudtest.NewFaulty(crud.InProcess(db), h.plan)
		s, err := newStore(cfg, "http://embedded", observerOf(h.counts).Observe(crud.Service, transport))
		if err != nil {
			h.t.Fatal(err)
		}
		s.embedded = db
		return s
	}
	server := serveStore(h.t, db, h.plan)
	cfg, err := loadConfig(environment(remotely(server.URL, vars)))
	if err != nil {
		h.t.Fatal(err)
	}
	return openRemote(h.t, cfg, server)
}

// openCollections opens the store that cfg asks for until the test is over.
func openCollections(t testing.TB, cfg config) *embedded.Store {
	t.Helper()
	db, err := openStoreOf(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// openStoreOf opens the store that cfg asks for.
func openStoreOf(t testing.TB, cfg config) (*embedded.Store, error) {
	return embedded.Open(t.Context(), embedded.Config{
		Path: cfg.store.path, Collections: storeCollections(cfg.store), UserIDHeader: cfg.forwarding.UserIDKey,
		MaxLimit: *maxLimit, Log: testLog(t),
	})
}

// storeCollections are those that the tests' store has: over the network users have no
// other fields than those that are declared, as the CRUD Service wants it.
func storeCollections(s storeConfig) []embedded.Definition {
	all := collections(s)
	for i, c := range all {
		if *network && c.Name == "users" && c.Open {
			all[i] = withTestFields(c)
		}
	}
	return all
}

// withTestFields are users with a fixed schema: the fields of all groups of the tests.
func withTestFields(users embedded.Definition) embedded.Definition {
	users.Open = false
	known := len(users.Fields)
	add := func(kind string, items *embedded.Field, names ...string) {
		for _, name := range names {
			users.Fields = append(users.Fields, embedded.Field{Name: name, Type: kind, Items: items})
		}
	}
	array := func(of string) *embedded.Field { return &embedded.Field{Type: of} }
	add("string", nil, "name", "surname", "birthDate", "company", "note", "seenAt", "website", "color", "code", "city", "nick", "nickname", "sub")
	add("number", nil, "level", "height", "serial", "n_cats", "b")
	add("boolean", nil, "newsletter")
	add("Array", array("string"), "tags", "days", "moments", "permissions")
	add("Array", array("number"), "heights", "levels")
	add("Array", array("boolean"), "answers")
	add("Array", nil, "matrix")
	add("RawObject", nil, "address", "a", "deep")
	users.Fields = append(users.Fields,
		embedded.Field{Name: "phone", Type: "string", Nullable: true},
		embedded.Field{Name: "remark", Type: "string", Nullable: true},
		embedded.Field{Name: "rank", Type: "number", Nullable: true})
	slices.SortFunc(users.Fields[known:], func(a, b embedded.Field) int { return strings.Compare(a.Name, b.Name) })
	return users
}

// depending returns the first for a store in this process, the second for one over
// connections.
func depending[T any](inProcess, overConnections T) T {
	if *network {
		return overConnections
	}
	return inProcess
}

// forgotten is after how long a mark that no note speaks of is taken off: over connections
// another process might be at work on it at first.
func forgotten() time.Duration { return depending(6*time.Minute, 15*time.Minute) }

// upstreamsClosed is what the check-up says besides when the service meets its store over
// the network.
const upstreamsClosed = `,"upstreams":[{"name":"CRUD","state":"closed"}]`

// TestOneFaultOfARead: over connections a read is tried again, and in this process it
// fails; a fault that stays fails it on either transport.
func TestOneFaultOfARead(t *testing.T) {
	t.Parallel()
	for _, fault := range faults.All() {
		t.Run(fault.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, nil)
				withAnn(h)
				h.plan.Reset()
				h.plan.Arm(1, fault)
				got := h.call("GET", "/users/count", "")
				again := fault != faults.Refuse500 && fault != faults.Timeout // that may have been its own mistake, or took all the time
				want := depending(false, again)
				if answered := got.status == 200; answered != want {
					t.Errorf("count = %d %s, answered should be %v", got.status, got.body, want)
				}
				h.plan.ArmFrom(1, fault)
				if got := h.call("GET", "/users/count", ""); got.status == 200 {
					t.Errorf("count = %d %s while all calls fail", got.status, got.body)
				}
			})
		})
	}
}
