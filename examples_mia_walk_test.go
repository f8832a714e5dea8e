package main

import (
	"fmt"
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
	"user-manager/providers/auth0/auth0test"
	"user-manager/providers/auth0client/facadetest"
	"user-manager/providers/fake"
	"user-manager/upstream"
	"user-manager/upstream/faults"
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
	vars := env.with(map[string]string{
		"CRUD_SERVICE": "embedded", "EMBEDDED_PATH": ":memory:", "COLLECTION_DEFINITION_FOLDER": platformExample + "collections",
		"USER_GROUPS_FILE": platformExample + "user-groups.json", "RANDOM_PWD_GEN": "false",
	})
	cfg, err := loadConfig(environment(vars))
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, plan: faults.NewPlan(), seen: newPlaceholders()}
	return h.open(vars, cfg, h.authClient(), asItIs)
}

// authClient has h's provider meet a stand-in of the Auth0 Client in front of a tenant.
func (h *harness) authClient() providers.Settings {
	h.tenant = auth0test.New(auth0test.Config{})
	return providers.Settings{Base: crud.InProcess(facadetest.New(facadetest.Config{Tenant: h.tenant}))}
}

// platformOverNetwork puts the collections of the example's files behind a connection.
func platformOverNetwork(t *testing.T, env platformEnvironment) *harness {
	t.Helper()
	defs, err := embedded.LoadDefinitions(platformExample + "collections")
	if err != nil {
		t.Fatal(err)
	}
	db, err := embedded.Open(t.Context(), embedded.Config{Path: ":memory:", Collections: append(defs, fake.Collections()...), Log: testLog(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	server := &crudtest.Server{Store: db}
	server.ListenInMemory()
	t.Cleanup(func() { server.Close() })
	vars := env.with(map[string]string{"CRUD_SERVICE": server.URL, "RANDOM_PWD_GEN": "false"})
	cfg, err := loadConfig(environment(vars))
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
	log := testLog(t)
	h := &harness{t: t, plan: faults.NewPlan(), client: s.client, seen: newPlaceholders()}
	settings := h.authClient()
	settings.Getenv, settings.Log, settings.Timeout = getenv(environment(vars)), log, cfg.upstreamTimeout
	if h.provider, err = providers.Open(t.Context(), cfg.provider, settings); err != nil {
		t.Fatal(err)
	}
	n := neighbours{store: s, provider: h.provider}
	n.grants, n.timers = h.others(cfg, log, upstream.Observer{})
	h.api = newAPI(cfg, n, log)
	h.handler = h.api.handler()
	if err := h.api.users.Recover(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// platformWalk takes the service through the life of a few users.
func (h *harness) platformWalk() {
	upstreams := `{"name":"Auth","state":"closed"},{"name":"Rond","state":"closed"},{"name":"Timer","state":"closed"}`
	if h.api.store.network != nil {
		upstreams = `{"name":"CRUD","state":"closed"},` + upstreams
	}
	const rows = "userGroup;username;email;name;surname;rooms;specialties;address.city\n" +
		"customer;;bo@example.com;Bo;Berg;;;Oslo\n" +
		"doctor;dee;dee@example.com;;Dunn;3;[cardiology, surgery];\n"
	imported := exchange{request: "PATCH /users/import", body: multipartBody(h.t, []string{`delimiter=";"`, "file"}, []byte(rows)), header: multipartType,
		status: 200, want: `{"updated":[],"inserted":["<id3>","<id4>"],"invalid":[]}`}
	ann := `{"userGroup":"customer","username":"ann","email":"ann@example.com","password":"` + tenantPassword + `","name":"Ann","surname":"Lee","birthDate":"1990-04-01","address":{"city":"Rome"}}`
	steps := conversationOf(
		exchange{request: noMail, body: ann, status: 200, want: aCreated},
		on400(noMail, `{"userGroup":"customer","email":"x@example.com","name":"X","surname":"Y","rooms":2}`,
			`the user does not match the schema of group "customer": rooms: is not declared by the schema`),
		exchange{request: "GET /users/?_p=email,authUserId", status: 200, want: `[{"_id":"<id1>","email":"ann@example.com","authUserId":"auth0|<id2>"}]`},
		exchange{request: "POST /oauth/token", body: `{"username":"ann","password":"` + tenantPassword + `"}`, status: 200, want: "*"},
		exchange{request: "PATCH /users/<id1>", body: `{"name":"Anna","newsletter":true}`, status: 200, want: "*"},
		imported,
		activates("<id3>", "<id4>"), shows("<job1>", summary(0, 0, 2)),
		exchange{request: "POST /users/<id1>/soft-delete", status: 204},
		exchange{request: "DELETE /users/<id1>", status: 204},
		exchange{request: "GET /users/count?_st=PUBLIC,DRAFT,TRASH,DELETED", status: 200, want: "2"},
		exchange{request: "GET /crud/ums-journal/", status: 404, want: "*"},
		exchange{request: "GET /-/check-up", status: 200, want: `{"name":"user-manager","status":"OK","version":"dev","unsettledOperations":0,"upstreams":[` + upstreams + `]}`},
	).steps
	for _, step := range steps {
		h.checkExchange(step)
	}
	h.platformNeighbours()
	h.checkPairing()
	isProcess := func(note crud.Document) bool { return note["kind"] == "process" }
	if left := slices.DeleteFunc(h.all("/ums-journal"), isProcess); len(left) != 0 {
		h.t.Errorf("the journal still has %v", left)
	}
	if left := h.all("/ums-jobs"); len(left) != 2 { // the job and its part
		h.t.Errorf("the jobs collection has %v", left)
	}
}

// platformNeighbours has a user be granted a role, expire and be deleted.
func (h *harness) platformNeighbours() {
	h.t.Helper()
	date := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	h.must("POST", "/users/?sendResetPwdEmail=false", `{"userGroup":"doctor","username":"eve","email":"eve@example.com","name":"Eve","surname":"Orr","roles":["surgeon"],"expirationDate":"`+date+`"}`)
	users := h.all("/users")
	eve := users[slices.IndexFunc(users, func(user crud.Document) bool { return user["email"] == "eve@example.com" })]
	subject, id := fmt.Sprint(eve["authUserId"]), fmt.Sprint(eve["_id"])
	if roles := h.rond.Roles(subject); !slices.Equal(roles, []string{"surgeon"}) {
		h.t.Errorf("Eve is granted %v", roles)
	}
	<-time.After(time.Hour)
	for _, called := range h.timer.Fire(h.t.Context(), crud.InProcess(h.handler), time.Now()) {
		if called.ID != eve["expirationId"] || called.Status != http.StatusNoContent {
			h.t.Errorf("the call of the timer of %v: %+v", eve["expirationId"], called)
		}
	}
	if got := h.must("GET", "/users/"+id, ""); !strings.Contains(got.body, `"blocked":true`) {
		h.t.Errorf("Eve is %s", got.body)
	}
	h.must("DELETE", "/users/"+id, "")
	if roles := h.rond.Roles(subject); len(roles) != 0 {
		h.t.Errorf("Eve, who is gone, is granted %v", roles)
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
