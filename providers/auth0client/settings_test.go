package auth0client_test

import (
	"strings"
	"testing"

	"user-manager/providers"
)

func TestSettings(t *testing.T) {
	const service, polling = "AUTH_SERVICE: ", "AUTH0_JOB_POLLING_INTERVAL: "
	const form = "must be the name of a host or an http URL"
	tests := map[string]struct {
		vars map[string]string
		want []string // how the lines of the error begin
	}{
		"nothing":                {nil, []string{service + "is required"}},
		"a name":                 {map[string]string{"AUTH_SERVICE": "auth0-client"}, nil},
		"a name and a port":      {map[string]string{"AUTH_SERVICE": "auth0-client:8080"}, nil},
		"a URL with a path":      {map[string]string{"AUTH_SERVICE": "https://example.com/auth/"}, nil},
		"another scheme":         {map[string]string{"AUTH_SERVICE": "ftp://auth0-client"}, []string{service + form}},
		"no host":                {map[string]string{"AUTH_SERVICE": "http://:80"}, []string{service + form}},
		"no URL":                 {map[string]string{"AUTH_SERVICE": "http://a b"}, []string{service + form}},
		"a password":             {map[string]string{"AUTH_SERVICE": "http://u:pass-word@h"}, []string{service + "must have no user name"}},
		"a wrong password's URL": {map[string]string{"AUTH_SERVICE": "http://u:pass-word@h:x"}, []string{service + form}},
		"a query":                {map[string]string{"AUTH_SERVICE": "http://h/?a=b"}, []string{service + "must have no query"}},
		"a fragment":             {map[string]string{"AUTH_SERVICE": "http://h/#b"}, []string{service + "must have no query"}},
		"an interval":            {map[string]string{"AUTH_SERVICE": "h", "AUTH0_JOB_POLLING_INTERVAL": "90 seconds"}, nil},
		"a schedule":             {map[string]string{"AUTH_SERVICE": "h", "AUTH0_JOB_POLLING_INTERVAL": "*/5 * * * *"}, nil},
		"all of it wrong":        {map[string]string{"AUTH0_JOB_POLLING_INTERVAL": "soon"}, []string{service + "is required", polling}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			err := providers.Check("auth0Client", func(name string) string { return test.vars[name] })
			var got []string
			if err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if len(got) != len(test.want) {
				t.Fatalf("problems %q, want %q", got, test.want)
			}
			for i, want := range test.want {
				if !strings.HasPrefix(got[i], want) || strings.Contains(got[i], "pass-word") {
					t.Errorf("problem %q, want %q", got[i], want)
				}
			}
		})
	}
}
