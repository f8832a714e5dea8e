package jobs_test

import (
	"strings"
	"testing"

	"user-manager/jobs"
)

// TestCallbacksOfAttackers: a callback goes to a host that the operator listed, by its name
// and port as they are listed, whatever the URL looks like.
func TestCallbacksOfAttackers(t *testing.T) {
	w := &jobs.Webhook{AllowedHosts: []string{"hooks.example.com", "[::1]:8080", "internal:8080"}}
	for name, test := range map[string]struct {
		url     string
		allowed bool
	}{
		"as listed":                        {"https://hooks.example.com/done?x=1#y", true},
		"in capitals":                      {"https://HOOKS.Example.COM/done", true},
		"at the standard port":             {"https://hooks.example.com:443/", true},
		"with its port":                    {"http://internal:8080/", true},
		"an address with its port":         {"http://[::1]:8080/", true},
		"without its port":                 {"http://internal/", false},
		"at another port":                  {"https://hooks.example.com:8443/", false},
		"at the other scheme's port":       {"http://hooks.example.com:443/", false},
		"at a port written otherwise":      {"https://hooks.example.com:0443/", false},
		"with a final dot":                 {"https://hooks.example.com./", false},
		"a host below":                     {"https://evil.hooks.example.com/", false},
		"a host that begins so":            {"https://hooks.example.com.evil.example/", false},
		"a host that ends so":              {"https://evilhooks.example.com/", false},
		"as a user":                        {"https://hooks.example.com@evil.example/", false},
		"as a user and password":           {"https://hooks.example.com:443@evil.example/", false},
		"with a user":                      {"https://ada:pass@hooks.example.com/", false},
		"behind a backslash":               {`https://evil.example\@hooks.example.com/`, false},
		"before a backslash":               {`https://hooks.example.com\.evil.example/`, false},
		"behind a tab":                     {"https://evil.example\t@hooks.example.com/", false},
		"on another line":                  {"https://hooks.example.com\r\nHost: evil.example/", false},
		"with a NUL":                       {"https://hooks.example.com\x00.evil.example/", false},
		"escaped":                          {"https://%68ooks.example.com/", false},
		"in letters of elsewhere":          {"https://ｈooks.example.com/", false},
		"with another dot":                 {"https://hooks。example.com/", false},
		"this machine":                     {"http://localhost/", false},
		"this machine, by address":         {"http://127.0.0.1:3000/", false},
		"this machine, as a number":        {"http://2130706433/", false},
		"this machine, in octal":           {"http://0177.0.0.1/", false},
		"this machine, in short":           {"http://127.1/", false},
		"this machine, mapped":             {"http://[::ffff:127.0.0.1]/", false},
		"this machine, with a zone":        {"http://[::1%25lo]:8080/", false},
		"all of this machine":              {"http://0.0.0.0/", false},
		"the metadata of a cloud":          {"http://169.254.169.254/latest/meta-data/", false},
		"the metadata of a cloud, by name": {"http://metadata.google.internal/", false},
		"a file":                           {"file:///etc/passwd", false},
		"a file of the host":               {"file://hooks.example.com/etc/passwd", false},
		"another protocol":                 {"gopher://hooks.example.com/_GET", false},
		"a script":                         {"javascript:alert(1)", false},
		"no scheme":                        {"//hooks.example.com/", false},
		"no host":                          {"https:///done", false},
		"a path":                           {"/users", false},
		"opaque":                           {"https:hooks.example.com", false},
		"nothing":                          {"", false},
		"without end":                      {"https://hooks.example.com/" + strings.Repeat("a", 1<<20), false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := w.CheckURL(test.url); (err == nil) != test.allowed {
				t.Errorf("%.100q: %v, allowed: %v", test.url, err, test.allowed)
			}
		})
	}
}
