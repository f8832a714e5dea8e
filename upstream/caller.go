package upstream

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"user-manager/nesting"
)

// Names of the headers that mean the same everywhere on the platform.
const (
	RequestIDHeader       = "X-Request-Id"
	ACLRowsHeader         = "Acl_rows"
	ACLReadColumnsHeader  = "Acl_read_columns"
	ACLWriteColumnsHeader = "Acl_write_columns"
	QueryEncodingHeader   = "Json-Query-Params-Encoding"
)

// queryEncodingAlias is the spelling of [QueryEncodingHeader] that the store takes too.
const queryEncodingAlias = "Json_query_params_encoding"

// Forwarding says which headers of a request follow it upstream. The key fields are
// header names; an empty one means that header is not forwarded.
type Forwarding struct {
	UserIDKey         string
	GroupsKey         string
	ClientTypeKey     string
	BackofficeKey     string
	UserPropertiesKey string
	Additional        []string // forwarded as received
	// MaxDepth is how deep the user properties may be nested; deeper ones are not forwarded.
	// 0: they may be as deep as they are.
	MaxDepth int
	// Timer are the headers that a timer of the request's is to send with its own call.
	Timer []string
}

// A Caller is the request on whose behalf upstreams are called.
type Caller struct {
	// RequestID is the request's id, also when it had to be made up.
	RequestID string
	// Header goes with every call that the request causes.
	Header http.Header
	// ACL goes to the store only: which rows and columns the caller may see and
	// change, and how its own query is encoded.
	ACL http.Header
	// Provider goes to the provider only, with the calls by which the caller itself logs in
	// or shows that it has: the key of its client, and the cookies of its session.
	Provider http.Header
	// Timer goes with the call that a timer makes when its time has come.
	Timer http.Header
}

// clientKeys are the headers, and sessionCookies the cookies, that go to the provider
// only. A gateway of the platform takes the key of a client from either.
var (
	clientKeys     = []string{"Client-Key", "Secret"}
	sessionCookies = []string{"sid", "client-key", "mia_client_key"}
)

// Caller reads from r what is forwarded; requestID is the id the request has.
// The platform's headers are rebuilt rather than copied: groups without empty ones,
// "1" for any back office value, user properties as compact JSON.
func (f Forwarding) Caller(r *http.Request, requestID string) Caller {
	c := Caller{RequestID: requestID, Header: http.Header{}, ACL: http.Header{}, Provider: http.Header{}, Timer: http.Header{}}
	set := func(name, value string) {
		if name != "" && value != "" {
			c.Header.Set(name, value)
		}
	}
	set(f.UserIDKey, r.Header.Get(f.UserIDKey))
	set(f.GroupsKey, joinGroups(r.Header.Get(f.GroupsKey)))
	set(f.ClientTypeKey, r.Header.Get(f.ClientTypeKey))
	if r.Header.Get(f.BackofficeKey) != "" {
		set(f.BackofficeKey, "1")
	}
	set(f.UserPropertiesKey, compactObject(r.Header.Get(f.UserPropertiesKey), f.MaxDepth))
	set(RequestIDHeader, requestID)
	for name := range r.Header {
		if strings.HasPrefix(name, "X-Forwarded-") {
			copyHeader(c.Header, r.Header, name)
		}
	}
	for _, name := range f.Additional {
		copyHeader(c.Header, r.Header, name)
	}
	for _, name := range []string{ACLRowsHeader, ACLReadColumnsHeader, ACLWriteColumnsHeader, QueryEncodingHeader, queryEncodingAlias} {
		copyHeader(c.ACL, r.Header, name)
		delete(c.Header, name) // never to the provider, whatever is configured
	}
	for _, name := range clientKeys {
		copyHeader(c.Provider, r.Header, name)
	}
	for _, name := range f.Timer {
		copyHeader(c.Timer, r.Header, name)
	}
	if cookies := cookiesNamed(r.Header["Cookie"], sessionCookies); cookies != "" {
		c.Provider.Set("Cookie", cookies)
	}
	return c
}

// StoreHeader returns the named headers of c's ACL, for a call to the store.
func (c Caller) StoreHeader(names ...string) http.Header {
	h := http.Header{}
	for _, name := range names {
		copyHeader(h, c.ACL, name)
		if name == QueryEncodingHeader {
			copyHeader(h, c.ACL, queryEncodingAlias)
		}
	}
	return h
}

// EncodesQuery reports whether the queries in c's own URL are base64.
func (c Caller) EncodesQuery() bool {
	return c.ACL.Get(QueryEncodingHeader) == "base64" || c.ACL.Get(queryEncodingAlias) == "base64"
}

func copyHeader(to, from http.Header, name string) {
	name = http.CanonicalHeaderKey(name)
	if values := from[name]; len(values) > 0 {
		to[name] = values
	}
}

// cookiesNamed returns those of the cookies in lines that have one of the names, as they are
// there.
func cookiesNamed(lines, names []string) string {
	var kept []string
	for cookie := range strings.SplitSeq(strings.Join(lines, ";"), ";") {
		cookie = strings.TrimSpace(cookie)
		if name, _, _ := strings.Cut(cookie, "="); slices.Contains(names, name) {
			kept = append(kept, cookie)
		}
	}
	return strings.Join(kept, "; ")
}

func joinGroups(groups string) string {
	var kept []string
	for group := range strings.SplitSeq(groups, ",") {
		if group != "" {
			kept = append(kept, group)
		}
	}
	return strings.Join(kept, ",")
}

// compactObject returns text without its white space, or "" if it is no JSON object, or one
// that is deeper than most levels.
func compactObject(text string, most int) string {
	var out bytes.Buffer
	if most > 0 && nesting.Exceeds(text, most) {
		return ""
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "{") || json.Compact(&out, []byte(text)) != nil {
		return ""
	}
	return out.String()
}

type callerKey struct{}

// WithCaller returns a context whose upstream calls are made on behalf of c.
func WithCaller(ctx context.Context, c Caller) context.Context {
	return context.WithValue(ctx, callerKey{}, c)
}

// CallerFrom returns the caller of ctx, or the zero Caller for work that no request
// caused: nothing is forwarded then.
func CallerFrom(ctx context.Context) Caller {
	c, _ := ctx.Value(callerKey{}).(Caller)
	return c
}
