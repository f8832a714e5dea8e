package main

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestConfigOfNeighbours: what Rönd and the Timer Service need is asked for only where there
// is one.
func TestConfigOfNeighbours(t *testing.T) {
	t.Parallel()
	type has struct{ Rond, Timers, Path string }
	const short = "a secret of 23 letters."
	remote := map[string]string{"CRUD_SERVICE": "crud", "USERS_CRUD_ENDPOINT": "/users", "UMS_CONFIG_CRUD_ENDPOINT": "/c"}
	service := map[string]string{"TIMER_SERVICE": "timer-service", "TIMER_CALLBACK_URL": "http://user-manager/a", "TIMER_CALLBACK_SECRET": testSecret}
	with := func(all ...map[string]string) map[string]string {
		vars := map[string]string{}
		for _, some := range all {
			maps.Copy(vars, some)
		}
		return vars
	}
	for what, test := range map[string]struct {
		env     map[string]string
		want    has
		problem string
	}{
		"nothing set":                       {nil, has{"", "embedded", "/timers"}, ""},
		"a remote store":                    {remote, has{}, ""},
		"a remote store, embedded":          {with(remote, map[string]string{"TIMER_SERVICE": "embedded", "TIMERS_CRUD_ENDPOINT": "/t"}), has{"", "embedded", "/t"}, ""},
		"and no path":                       {with(remote, map[string]string{"TIMER_SERVICE": "embedded"}), has{}, "TIMERS_CRUD_ENDPOINT: is required with TIMER_SERVICE=embedded"},
		"a path that is taken":              {map[string]string{"TIMERS_CRUD_ENDPOINT": "users/"}, has{}, "TIMERS_CRUD_ENDPOINT: is the same path as USERS_CRUD_ENDPOINT"},
		"one taken on a remote store":       {with(remote, map[string]string{"TIMER_SERVICE": "embedded", "TIMERS_CRUD_ENDPOINT": "/c"}), has{}, "TIMERS_CRUD_ENDPOINT: is the same path as UMS_CONFIG_CRUD_ENDPOINT"},
		"a Timer Service":                   {service, has{"", "http://timer-service", ""}, ""},
		"by its URL":                        {with(service, map[string]string{"TIMER_SERVICE": "https://timers:8443/x"}), has{"", "https://timers:8443/x", ""}, ""},
		"one that HTTP does not know":       {with(service, map[string]string{"TIMER_SERVICE": "kafka://x"}), has{}, "TIMER_SERVICE: must be embedded, the name of a host or an http URL"},
		"a callback that is none":           {with(service, map[string]string{"TIMER_CALLBACK_URL": "user-manager"}), has{}, "TIMER_CALLBACK_URL: "},
		"a secret that is too short":        {with(service, map[string]string{"TIMER_CALLBACK_SECRET": short}), has{}, "TIMER_CALLBACK_SECRET: must have 24 characters or more, not 23"},
		"one for the embedded":              {map[string]string{"TIMER_CALLBACK_SECRET": short}, has{}, "TIMER_CALLBACK_SECRET: must have 24"},
		"imports without timers":            {with(remote, map[string]string{"IMPORT_SCHEDULES_EXPIRATION": "true"}), has{}, "IMPORT_SCHEDULES_EXPIRATION: is of no use without TIMER_SERVICE"},
		"Rönd":                              {map[string]string{"ROND_ENABLED": "true", "ROND_RESOURCE_TYPE": "ours"}, has{"http://rond-service", "embedded", "/timers"}, ""},
		"Rönd by its URL":                   {map[string]string{"ROND_ENABLED": "true", "ROND_SERVICE": "https://rond/x"}, has{"https://rond/x", "embedded", "/timers"}, ""},
		"a Timer Service with a query":      {with(service, map[string]string{"TIMER_SERVICE": "http://timer-service/?x"}), has{}, "TIMER_SERVICE: must have no query or fragment"},
		"one with a port that there is not": {with(service, map[string]string{"TIMER_SERVICE": "timer-service:65536"}), has{}, "TIMER_SERVICE: must have a port from 1 to 65535, or none"},
		"a header of the body":              {map[string]string{"TIMER_SERVICE_HEADERS": "miauserid,content-type"}, has{}, `TIMER_SERVICE_HEADERS: must be headers that can go with another request, which "content-type" cannot`},
		"a header of the connection":        {map[string]string{"TIMER_SERVICE_HEADERS": "Transfer-Encoding"}, has{}, `TIMER_SERVICE_HEADERS: must be headers that can go with another request, which "Transfer-Encoding" cannot`},
		"Rönd without a host":               {map[string]string{"ROND_ENABLED": "true", "ROND_SERVICE": ":8080"}, has{}, "ROND_SERVICE: must be the name of a host or an http URL"},
		"Rönd with a fragment":              {map[string]string{"ROND_ENABLED": "true", "ROND_SERVICE": "http://rond/#"}, has{}, "ROND_SERVICE: must have no query or fragment"},
		"Rönd with a password":              {map[string]string{"ROND_ENABLED": "true", "ROND_SERVICE": "http://a:b@rond"}, has{}, "ROND_SERVICE: must have no user name or password"},
		"a type that a path does not take":  {map[string]string{"ROND_ENABLED": "true", "ROND_RESOURCE_TYPE": "a b"}, has{}, "ROND_RESOURCE_TYPE: "},
		"Rönd, not made use of":             {map[string]string{"ROND_SERVICE": "ftp://x", "ROND_RESOURCE_TYPE": "a b"}, has{"", "embedded", "/timers"}, ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			cfg, err := loadConfig(environment(test.env))
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) || strings.Contains(err.Error(), short) {
					t.Errorf("loadConfig(%v) error = %v, want one with %q", test.env, err, test.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := has{cfg.rond.url, cfg.timers.url, cfg.store.timers}
			if cfg.timers.embedded {
				got.Timers += "embedded"
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
