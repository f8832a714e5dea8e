package auth0

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"strings"

	"user-manager/providers/auth0/management"
	"user-manager/secret"
)

// settings are what the environment says.
type settings struct {
	base       *url.URL // of the tenant, without a final slash
	login      client
	manager    client
	audience   string // of access tokens; "": the tenant's default
	scope      string
	connection string
	polling    management.Polling
}

// A client is an application of the tenant.
type client struct {
	id     string
	secret secret.Text
}

// Defaults of settings.
const (
	defaultScope      = "openid profile email offline_access"
	defaultConnection = "Username-Password-Authentication"
	defaultPolling    = "2 minutes"
)

// readSettings reads the environment. Its error names every wrong variable.
func readSettings(getenv func(string) string) (settings, error) {
	var problems []error
	required := func(name string) string {
		value := getenv(name)
		if value == "" {
			problems = append(problems, fmt.Errorf("%s: must be set", name))
		}
		return value
	}
	s := settings{
		login:      client{required("AUTH0_CLIENT_ID"), secret.New(required("AUTH0_CLIENT_SECRET"))},
		audience:   getenv("AUTH0_AUDIENCE"),
		scope:      cmp.Or(getenv("AUTH0_SCOPE"), defaultScope),
		connection: cmp.Or(getenv("AUTH_CONNECTION"), defaultConnection),
	}
	var err error
	if s.base, err = parseBase(getenv("AUTH0_DOMAIN")); err != nil {
		problems = append(problems, fmt.Errorf("AUTH0_DOMAIN: %w", err))
	}
	if s.manager, err = readManager(getenv, s.login); err != nil {
		problems = append(problems, err)
	}
	if s.polling, err = management.ParsePolling(cmp.Or(getenv("AUTH0_JOB_POLLING_INTERVAL"), defaultPolling)); err != nil {
		problems = append(problems, fmt.Errorf("AUTH0_JOB_POLLING_INTERVAL: %w", err))
	}
	return s, errors.Join(problems...)
}

// readManager reads which application manages accounts: the one that people log in to,
// unless another is named, whole.
func readManager(getenv func(string) string, login client) (client, error) {
	id, key := getenv("AUTH0_MANAGEMENT_CLIENT_ID"), getenv("AUTH0_MANAGEMENT_CLIENT_SECRET")
	switch {
	case id == "" && key == "":
		return login, nil
	case id == "":
		return client{}, errors.New("AUTH0_MANAGEMENT_CLIENT_ID: must be set, since AUTH0_MANAGEMENT_CLIENT_SECRET is")
	case key == "" && id != login.id:
		return client{}, errors.New("AUTH0_MANAGEMENT_CLIENT_SECRET: must be set, since AUTH0_MANAGEMENT_CLIENT_ID is")
	case key == "":
		return login, nil
	}
	return client{id, secret.New(key)}, nil
}

var (
	errNoDomain = errors.New("must be the tenant's domain, such as example.eu.auth0.com, or a URL")
	errPlain    = errors.New("must be https, save for a loopback host: secrets go there")
)

// parseBase returns the base URL that a domain or URL stands for. Its errors do not show
// the text, which may have a password in it.
func parseBase(text string) (*url.URL, error) {
	if text != "" && !strings.Contains(text, "://") {
		text = "https://" + text
	}
	u, err := url.Parse(strings.TrimRight(text, "/"))
	if err == nil {
		u.Host = strings.ToLower(u.Host) // as it is in the audience of tokens
	}
	switch {
	case err != nil, u.Hostname() == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, errNoDomain
	case u.Scheme == "https", u.Scheme == "http" && isLoopback(u.Hostname()):
		return u, nil
	case u.Scheme == "http":
		return nil, errPlain
	}
	return nil, errNoDomain
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
