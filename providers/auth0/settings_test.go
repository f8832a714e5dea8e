package auth0

import (
	"strings"
	"testing"

	"user-manager/providers"
)

func TestSettings(t *testing.T) {
	tests := map[string]struct {
		more  map[string]string
		wrong []string // variables, in the order of the problems
	}{
		"the least there is":           {nil, nil},
		"a URL":                        {map[string]string{"AUTH0_DOMAIN": "https://login.example.com/"}, nil},
		"a loopback address":           {map[string]string{"AUTH0_DOMAIN": "http://127.0.0.1:4000"}, nil},
		"a loopback address, IPv6":     {map[string]string{"AUTH0_DOMAIN": "http://[::1]:4000"}, nil},
		"a loopback name":              {map[string]string{"AUTH0_DOMAIN": "http://localhost:4000"}, nil},
		"one application for both":     {map[string]string{"AUTH0_MANAGEMENT_CLIENT_ID": "", "AUTH0_MANAGEMENT_CLIENT_SECRET": ""}, nil},
		"it by name":                   {map[string]string{"AUTH0_MANAGEMENT_CLIENT_ID": "user-manager", "AUTH0_MANAGEMENT_CLIENT_SECRET": ""}, nil},
		"everything":                   {map[string]string{"AUTH0_AUDIENCE": "https://api", "AUTH0_SCOPE": "openid", "AUTH_CONNECTION": "people", "AUTH0_JOB_POLLING_INTERVAL": "90 seconds"}, nil},
		"no domain":                    {map[string]string{"AUTH0_DOMAIN": ""}, []string{"AUTH0_DOMAIN"}},
		"plain http":                   {map[string]string{"AUTH0_DOMAIN": "http://tenant.test"}, []string{"AUTH0_DOMAIN"}},
		"plain http to a like name":    {map[string]string{"AUTH0_DOMAIN": "http://localhost.example.com"}, []string{"AUTH0_DOMAIN"}},
		"another scheme":               {map[string]string{"AUTH0_DOMAIN": "ftp://tenant.test"}, []string{"AUTH0_DOMAIN"}},
		"a password in the URL":        {map[string]string{"AUTH0_DOMAIN": "https://me:hush@tenant.test"}, []string{"AUTH0_DOMAIN"}},
		"a query in the URL":           {map[string]string{"AUTH0_DOMAIN": "tenant.test?x=hush"}, []string{"AUTH0_DOMAIN"}},
		"what is no URL":               {map[string]string{"AUTH0_DOMAIN": "https://%zz"}, []string{"AUTH0_DOMAIN"}},
		"an id without its secret":     {map[string]string{"AUTH0_MANAGEMENT_CLIENT_SECRET": ""}, []string{"AUTH0_MANAGEMENT_CLIENT_SECRET"}},
		"a secret without its id":      {map[string]string{"AUTH0_MANAGEMENT_CLIENT_ID": ""}, []string{"AUTH0_MANAGEMENT_CLIENT_ID"}},
		"an interval that is none":     {map[string]string{"AUTH0_JOB_POLLING_INTERVAL": "now and then"}, []string{"AUTH0_JOB_POLLING_INTERVAL"}},
		"nothing":                      {map[string]string{"AUTH0_DOMAIN": "", "AUTH0_CLIENT_ID": "", "AUTH0_CLIENT_SECRET": "", "AUTH0_MANAGEMENT_CLIENT_ID": "", "AUTH0_MANAGEMENT_CLIENT_SECRET": ""}, []string{"AUTH0_CLIENT_ID", "AUTH0_CLIENT_SECRET", "AUTH0_DOMAIN"}},
		"everything wrong that can be": {map[string]string{"AUTH0_DOMAIN": "http://x", "AUTH0_CLIENT_ID": "", "AUTH0_MANAGEMENT_CLIENT_ID": "", "AUTH0_JOB_POLLING_INTERVAL": "0"}, []string{"AUTH0_CLIENT_ID", "AUTH0_DOMAIN", "AUTH0_MANAGEMENT_CLIENT_ID", "AUTH0_JOB_POLLING_INTERVAL"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := providers.Check("auth0", environment(test.more))
			var lines []string
			if err != nil {
				lines = strings.Split(err.Error(), "\n")
			}
			if len(lines) != len(test.wrong) {
				t.Fatalf("problems: %v; want one with each of %v", err, test.wrong)
			}
			for i, variable := range test.wrong {
				if !strings.HasPrefix(lines[i], variable+": ") || strings.Contains(lines[i], "hush") {
					t.Errorf("problem %q, want one with %s that shows no secret", lines[i], variable)
				}
			}
		})
	}
}

func TestBase(t *testing.T) {
	for text, want := range map[string]string{
		"tenant.eu.auth0.com":      "https://tenant.eu.auth0.com",
		"tenant.test:8443":         "https://tenant.test:8443",
		"https://tenant.test/":     "https://tenant.test",
		"Tenant.EU.Auth0.com":      "https://tenant.eu.auth0.com",
		"http://127.0.0.1:4000///": "http://127.0.0.1:4000",
	} {
		got, err := parseBase(text)
		if err != nil || got.String() != want {
			t.Errorf("%s: %v (%v), want %s", text, got, err, want)
		}
	}
}
