package main

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/providers"
	"user-manager/providers/auth0/auth0test"
	_ "user-manager/providers/auth0client"
	"user-manager/providers/auth0client/facadetest"
	"user-manager/upstream/faults"
)

// newFacadeHarness makes a service on a store in memory and an Auth0 Client before a tenant.
// The calls of the store and of the Auth0 Client are the plan's.
func newFacadeHarness(t *testing.T, env map[string]string, cfg facadetest.Config, tenant auth0test.Config) (*harness, *facadetest.Facade) {
	t.Helper()
	vars := map[string]string{
		"EMBEDDED_PATH": ":memory:", "RANDOM_PWD_GEN": "false", "AUTH_MODULE": "auth0Client", "AUTH_SERVICE": "auth0-client", "AUTH_CONNECTION": auth0test.Connection,
	}
	maps.Copy(vars, env)
	service, err := loadConfig(environment(vars))
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, plan: faults.NewPlan(), seen: newPlaceholders(), tenant: auth0test.New(tenant)}
	cfg.Tenant, cfg.Faults = h.tenant, h.plan
	facade := facadetest.New(cfg)
	return h.open(vars, service, providers.Settings{Base: crud.InProcess(facade)}, asItIs), facade
}

const (
	grace      = `{"userGroup":"customers","username":"grace","email":"grace@example.com","name":"Grace","password":"Correct-Horse-7-Battery"}`
	graceLogin = `{"username":"grace","password":"Correct-Horse-7-Battery"}`
)

// TestThroughTheAuth0Client: a user logs in with tokens and with a cookie, according to the
// client that the request names, and no longer once it is blocked.
func TestThroughTheAuth0Client(t *testing.T) {
	t.Parallel()
	h, _ := newFacadeHarness(t, nil, facadetest.Config{
		Clients: map[string]facadetest.Client{"app": {}, "site": {Website: true}}, DefaultClient: "app", Keys: map[string]string{"key": "site"},
	}, auth0test.Config{})
	h.must("POST", "/users/?sendResetPwdEmail=false", grace)
	h.must("POST", "/oauth/token", graceLogin)
	if got := h.must("GET", "/userinfo", "", "Authorization: Bearer <token1>"); !strings.Contains(got.body, `"name":"Grace"`) {
		t.Errorf("user info by token = %s", got.body)
	}
	got := h.must("POST", "/oauth/token", graceLogin, "client-key: key")
	cookie := got.header.Get("Set-Cookie")
	if got.body != "" || !strings.HasPrefix(cookie, "sid=") || !strings.HasSuffix(cookie, "; Path=/; Max-Age=86400; HttpOnly; Secure; SameSite=Lax") {
		t.Errorf("log in to the site = %q, cookie %q", got.body, cookie)
	}
	sid, _, _ := strings.Cut(cookie, ";")
	if got := h.must("GET", "/userinfo", "", "Cookie: "+sid+"; client-key=key"); !strings.Contains(got.body, `"name":"Grace"`) {
		t.Errorf("user info by cookie = %s", got.body)
	}
	if got := h.call("POST", "/oauth/token", graceLogin, "client-type: x"); got.status != http.StatusUnauthorized {
		t.Errorf("log in with an unknown client = %d %s", got.status, got.body)
	}
	h.must("PATCH", "/users/<id1>", `{"blocked":true}`)
	if got := h.call("POST", "/oauth/token", graceLogin); got.status != http.StatusUnauthorized {
		t.Errorf("log in of a blocked user = %d %s", got.status, got.body)
	}
	h.must("DELETE", "/users/<id1>", "")
}

// TestHeadersForwardedToTheAuth0Client: what names the client and shows the session goes with
// the calls that are about the session, what limits the rows goes nowhere.
func TestHeadersForwardedToTheAuth0Client(t *testing.T) {
	t.Parallel()
	h, facade := newFacadeHarness(t, map[string]string{"ADDITIONAL_HEADERS_TO_PROXY": "x-tenant,acl_rows"},
		facadetest.Config{Clients: map[string]facadetest.Client{"web": {}}, Keys: map[string]string{"k": "web"}}, auth0test.Config{})
	sent := []string{
		"client-type: web", "Client-Key: k", "Secret: s", "Cookie: theme=dark; sid=old; client-key=k", "X-Tenant: t", "X-Forwarded-Host: example.com",
		"X-Request-Id: r1", `acl_rows: {"userGroup":"customers"}`, "acl_read_columns: name,authUserId",
	}
	h.must("POST", "/users/?sendResetPwdEmail=false", grace, sent...)
	h.must("POST", "/oauth/token", graceLogin, sent...)
	h.call("POST", "/refreshtoken", `{"refreshToken":"x"}`, append(sent, "Authorization: Bearer <token1>")...)
	h.call("GET", "/userinfo", "", sent...)
	h.call("GET", "/userinfo", "", append(sent, "Authorization: Bearer <token1>")...)
	want := map[string][]string{ // Client-Key, Secret, Cookie
		"POST /users":        {"", "", ""},
		"PATCH /users":       {"", "", ""},
		"POST /oauth/token":  {"k", "s", "sid=old; client-key=k"},
		"POST /refreshtoken": {"k", "s", "client-key=k"},
	}
	info := [][]string{{"k", "s", "client-key=k; sid=old"}, {"k", "s", "client-key=k"}}
	for _, r := range facade.Took() {
		call := r.Method + " " + r.URL.Path
		if strings.Contains(call, "|") {
			call = r.Method + " /users"
		}
		expected := want[call]
		if call == "GET /userinfo" {
			expected, info = info[0], info[1:]
		}
		for i, name := range []string{"Client-Key", "Secret", "Cookie"} {
			if expected == nil || r.Header.Get(name) != expected[i] {
				t.Errorf("%s had %s: %q, want %q", call, name, r.Header.Get(name), expected)
			}
		}
		for name, value := range map[string]string{"Client-Type": "web", "X-Tenant": "t", "X-Forwarded-Host": "example.com", "X-Request-Id": "r1", "Acl_rows": "", "Acl_read_columns": ""} {
			if got := r.Header.Get(name); got != value {
				t.Errorf("%s had %s: %q, want %q", call, name, got, value)
			}
		}
	}
	if len(info) > 0 {
		t.Errorf("%d calls of /userinfo are missing", len(info))
	}
}

// TestJobsThroughTheAuth0Client: users are activated by import jobs, and mails sent, within
// the limits of a tenant's free plan, which nobody but the tenant keeps.
func TestJobsThroughTheAuth0Client(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	for name, cfg := range map[string]facadetest.Config{"with import jobs": {}, "without": {NoImports: true}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const n = 200
				h, _ := newFacadeHarness(t, map[string]string{"AUTH0_BULK_CHANGE_PASSWORD_RATE_LIMIT_PER_SECOND": "10"}, cfg,
					auth0test.Config{Limits: auth0test.Free(), ImportRate: 20, IndexLag: time.Second})
				h.must("POST", activations, usersBody(h.crowd(n)...))
				h.runJobs(func() { h.awaitJobs(4 * time.Hour) })
				h.checkTenant(n)
				if seen := h.tenant.Seen(); (seen.Imports > 0) == cfg.NoImports {
					t.Errorf("%d import jobs", seen.Imports)
				}
				ids := slices.Sorted(maps.Keys(maps.Collect(h.accounts())))
				h.must("POST", "/jobs/change-password/bulk", `{"authUsersIds":["`+strings.Join(ids, `","`)+`"]}`)
				h.runJobs(func() { h.awaitJobs(4 * time.Hour) })
				mails := h.tenant.Mails()
				slices.Sort(mails)
				if len(mails) != n || len(slices.Compact(mails)) != n {
					t.Errorf("%d mails, want one each to %d owners", len(mails), n)
				}
			})
		})
	}
}

// TestEveryFaultAtEveryCallOfAnAuth0Client is TestEveryFaultAtEveryCall with an Auth0 Client
// as the provider, whose requests fail one by one.
func TestEveryFaultAtEveryCallOfAnAuth0Client(t *testing.T) {
	t.Parallel()
	overConnectionsAnyway(t)
	for i, o := range operations() {
		if !slices.Contains(atTenantToo, o.name) {
			continue
		}
		o.service = func(t *testing.T, env map[string]string) *harness {
			h, _ := newFacadeHarness(t, env, facadetest.Config{}, auth0test.Config{IndexLag: time.Second})
			return h
		}
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			o.tryFaults(t, atRemotes.picked(i+7))
		})
	}
}
