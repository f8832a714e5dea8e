package auth0client

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"user-manager/providers/auth0/management"
)

// settings are what the environment says.
type settings struct {
	base       *url.URL // without a slash at its end
	connection string   // "" for none
	polling    management.Polling
}

// readSettings reads the environment. Its error names every wrong variable.
func readSettings(getenv func(string) string) (settings, error) {
	s := settings{connection: getenv("AUTH_CONNECTION")}
	var problems []error
	var err error
	if s.base, err = address(getenv("AUTH_SERVICE")); err != nil {
		problems = append(problems, fmt.Errorf("AUTH_SERVICE: %w", err))
	}
	if s.polling, err = management.ParsePolling(cmp.Or(getenv("AUTH0_JOB_POLLING_INTERVAL"), "2 minutes")); err != nil {
		problems = append(problems, fmt.Errorf("AUTH0_JOB_POLLING_INTERVAL: %w", err))
	}
	return s, errors.Join(problems...)
}

// address returns the URL of a service that is given by its name or by a URL. What is
// wrong with it is told without its text, which may hold a password.
func address(service string) (*url.URL, error) {
	if service == "" {
		return nil, errors.New("is required: the name or the URL of the Auth0 Client")
	}
	if !strings.Contains(service, "://") {
		service = "http://" + service
	}
	u, err := url.Parse(strings.TrimRight(service, "/"))
	switch {
	case err != nil || u.Hostname() == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("must be the name of a host or an http URL")
	case u.User != nil:
		return nil, errors.New("must have no user name or password: the Auth0 Client knows none")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("must have no query and no fragment")
	}
	return u, nil
}
