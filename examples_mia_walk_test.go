package main

import (
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/crud/crudtest"
	"user-manager/crud/embedded"
	"user-manager/providers"
	"user-manager/providers/fake"
)

// TestPlatformWalk runs the service as the example configures it on the example's
// collections, embedded and over the network.
func TestPlatformWalk(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(*testing.T, platformEnvironment) *harness{
		"embedded": platformOnEmbedded, "over the network": platformOverNetwork,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			env := readPlatformEnvironment(t)
			synctest.Test(t, func(t *testing.T) { start(t, env).platformWalk() })
		})
	}
}

// platformOnEmbedded lets the service make the collections of the example's files.
func platformOnEmbedded(t *testing.T, env platformEnvironment) *harness {
	return newHarness(t, env.with(map[string]string{
		"CRUD_SERVICE": "embedded", "COLLECTION_DEFINITION_FOLDER": platformExample + "collections",
		"USER_GROUPS_FILE": platformExample + "user-groups.json", "ALLOW_FAKE_PROVIDER": "true", "RANDOM_PWD_GEN": "false",
	}))
}

// platformOverNetwork puts the collections of the example's files behind a connection.
func platformOverNetwork(t *testing.T, env platformEnvironment) *harness {
	t.Helper()
	defs, err := embedded.LoadDefinitions(platformExample + "collections")
	if err != nil {
		t.Fatal(err)
	}
	db, err := embedded.Open(t.Context(), embedded.Config{Path: ":memory:", Collections: append(defs, fake.Collections()...), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	server := &crudtest.Server{Store: db}
	server.ListenInMemory()
	t.Cleanup(func() { server.Close() })
	cfg, err := loadConfig(environment(env.with(map[string]string{"CRUD_SERVICE": server.URL, "ALLOW_FAKE_PROVIDER": "true", "RANDOM_PWD_GEN": "false"})))
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: server.Dial}
	t.Cleanup(transport.CloseIdleConnections)
	s, err := newStore(cfg, cfg.store.url, transport)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.groups.InsertAll(t.Context(), platformGroups(t)); err != nil {
		t.Fatal(err)
	}
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	provider, err := providers.Open(t.Context(), cfg.provider, providers.Settings{Getenv: getenv(environment(nil)), Log: log, Local: s.client})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { provider.(io.Closer).Close() })
	h := &harness{t: t, client: s.client, provider: provider, seen: newPlaceholders()}
	h.api = newAPI(cfg, s, provider, log)
	h.handler = h.api.handler()
	if err := h.api.users.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// platformWalk takes the service through the life of a few users.
func (h *harness) platformWalk() {
	upstreams := ""
	if h.api.store.network != nil {
		upstreams = upstreamsClosed
	}
	const rows = "userGroup;username;email;name;surname;rooms;specialties;address.city\n" +
		"customer;;bo@example.com;Bo;Berg;;;Oslo\n" +
		"doctor;dee;dee@example.com;;Dunn;3;[cardiology, surgery];\n"
	imported := exchange{request: "PATCH /users/import", body: multipartBody(h.t, []string{`delimiter=";"`, "file"}, []byte(rows)), header: multipartType,
		status: 200, want: `{"updated":[],"inserted":["<id3>","<id4>"],"invalid":[]}`}
	ann := `{"userGroup":"customer","username":"ann","email":"ann@example.com","password":"correct horse","name":"Ann","surname":"Lee","birthDate":"1990-04-01","address":{"city":"Rome"}}`
	steps := conversationOf(
		exchange{request: noMail, body: ann, status: 200, want: aCreated},
		on400(noMail, `{"userGroup":"customer","email":"x@example.com","name":"X","surname":"Y","rooms":2}`,
			`the user does not match the schema of group "customer": rooms: is not declared by the schema`),
		exchange{request: "GET /users/?_p=email,authUserId", status: 200, want: `[{"_id":"<id1>","email":"ann@example.com","authUserId":"fake|<id2>"}]`},
		login(200, tokens),
		exchange{request: "PATCH /users/<id1>", body: `{"name":"Anna","newsletter":true}`, status: 200, want: "*"},
		imported,
		activates("<id3>", "<id4>"), shows("<job1>", summary(0, 0, 2)),
		exchange{request: "POST /users/<id1>/soft-delete", status: 204},
		exchange{request: "DELETE /users/<id1>", status: 204},
		exchange{request: "GET /users/count?_st=PUBLIC,DRAFT,TRASH,DELETED", status: 200, want: "2"},
		exchange{request: "GET /crud/ums-journal/", status: 404, want: "*"},
		exchange{request: "GET /-/check-up", status: 200, want: `{"name":"user-manager","status":"OK","version":"dev","unsettledOperations":0` + upstreams + `}`},
	).steps
	for _, step := range steps {
		h.checkExchange(step)
	}
	h.checkPairing()
	isProcess := func(note crud.Document) bool { return note["kind"] == "process" }
	if left := slices.DeleteFunc(h.all("/ums-journal"), isProcess); len(left) != 0 {
		h.t.Errorf("the journal still has %v", left)
	}
	if left := h.all("/ums-jobs"); len(left) != 2 { // the job and its part
		h.t.Errorf("the jobs collection has %v", left)
	}
}

// checkExchange makes a request and compares its answer, as JSON; or lets a minute pass.
func (h *harness) checkExchange(e exchange) {
	h.t.Helper()
	if e == passes {
		h.pass(time.Minute)
		return
	}
	method, path, _ := strings.Cut(e.request, " ")
	var header []string
	if e.header != "" {
		header = append(header, e.header)
	}
	got := h.call(method, path, e.body, header...)
	if got.status != e.status || e.want != "*" && !sameJSON(got.body, e.want) {
		h.t.Errorf("%s %s\n got %d %s\nwant %d %s", e.request, e.body, got.status, got.body, e.status, e.want)
	}
}
