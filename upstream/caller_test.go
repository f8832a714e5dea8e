package upstream_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/google/go-cmp/cmp"

	"user-manager/upstream"
)

// forwarding is the platform's usual one.
var forwarding = upstream.Forwarding{
	UserIDKey: "miauserid", GroupsKey: "miausergroups", ClientTypeKey: "client-type",
	BackofficeKey: "isbackoffice", UserPropertiesKey: "miauserproperties",
	Additional: []string{"x-tenant", "X-TRACE"},
}

func requestWith(header http.Header) *http.Request {
	r := httptest.NewRequest("GET", "/users/", nil)
	r.Header = http.Header{}
	for name, values := range header {
		for _, value := range values {
			r.Header.Add(name, value)
		}
	}
	return r
}

func TestCallerHeader(t *testing.T) {
	tests := map[string]struct {
		forwarding upstream.Forwarding
		sent       http.Header
		want       http.Header
	}{
		"nothing": {forwarding, http.Header{}, http.Header{}},
		"the platform's headers": {forwarding,
			http.Header{"miauserid": {"ada"}, "miausergroups": {"admin,staff"}, "client-type": {"web"}, "isbackoffice": {"1"}, "miauserproperties": {`{"name":"Ada"}`}},
			http.Header{"Miauserid": {"ada"}, "Miausergroups": {"admin,staff"}, "Client-Type": {"web"}, "Isbackoffice": {"1"}, "Miauserproperties": {`{"name":"Ada"}`}}},
		"empty groups are left out": {forwarding,
			http.Header{"miausergroups": {",admin,,staff,"}}, http.Header{"Miausergroups": {"admin,staff"}}},
		"only empty groups": {forwarding, http.Header{"miausergroups": {",,"}}, http.Header{}},
		"any back office value is 1": {forwarding,
			http.Header{"isbackoffice": {"yes"}}, http.Header{"Isbackoffice": {"1"}}},
		"user properties are compacted": {forwarding,
			http.Header{"miauserproperties": {" {\t\"name\": \"Ada\" } "}}, http.Header{"Miauserproperties": {`{"name":"Ada"}`}}},
		"user properties that are no object": {forwarding,
			http.Header{"miauserproperties": {`["Ada"]`}}, http.Header{}},
		"user properties that are no JSON": {forwarding,
			http.Header{"miauserproperties": {`{"name":`}}, http.Header{}},
		"where the request comes from": {forwarding,
			http.Header{"x-forwarded-for": {"10.0.0.1", "10.0.0.2"}, "x-forwarded-proto": {"https"}, "x-forwarded-host": {"example.com"}},
			http.Header{"X-Forwarded-For": {"10.0.0.1", "10.0.0.2"}, "X-Forwarded-Proto": {"https"}, "X-Forwarded-Host": {"example.com"}}},
		"additional headers as received": {forwarding,
			http.Header{"X-Tenant": {"a", "b"}, "x-trace": {"1"}}, http.Header{"X-Tenant": {"a", "b"}, "X-Trace": {"1"}}},
		"no others": {forwarding,
			http.Header{"Authorization": {"Bearer x"}, "Cookie": {"sid=x"}, "X-Other": {"x"}, "Acl_rows": {"{}"}}, http.Header{}},
		"a key that is not set forwards nothing": {upstream.Forwarding{},
			http.Header{"miauserid": {"ada"}, "isbackoffice": {"1"}}, http.Header{}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			caller := test.forwarding.Caller(requestWith(test.sent), "request-1")
			test.want.Set("X-Request-Id", "request-1")
			if diff := cmp.Diff(test.want, caller.Header); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			if caller.RequestID != "request-1" {
				t.Errorf("request id: %q, want %q", caller.RequestID, "request-1")
			}
		})
	}
}

// TestProviderHeader: what the caller shows of itself to the provider, and nothing else.
func TestProviderHeader(t *testing.T) {
	tests := map[string]struct {
		forwarding upstream.Forwarding
		sent, want http.Header
	}{
		"nothing": {forwarding, http.Header{"Authorization": {"Bearer x"}, "Acl_rows": {"{}"}, "X-Tenant": {"a"}}, http.Header{}},
		"the key of the client, in either header": {forwarding,
			http.Header{"client-key": {"k"}, "secret": {"s"}}, http.Header{"Client-Key": {"k"}, "Secret": {"s"}}},
		"the cookies of the session, as they are": {forwarding,
			http.Header{"Cookie": {`theme=dark; sid="a=b" ;client-key=k; sid2=x`, "mia_client_key=m;; sid"}},
			http.Header{"Cookie": {`sid="a=b"; client-key=k; mia_client_key=m; sid`}}},
		"no other cookie": {forwarding, http.Header{"Cookie": {"theme=dark; Sid=x"}}, http.Header{}},
		"whatever else is forwarded": {upstream.Forwarding{Additional: []string{"cookie", "acl_rows"}},
			http.Header{"Cookie": {"sid=x; theme=dark"}, "Acl_rows": {"{}"}}, http.Header{"Cookie": {"sid=x"}}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			caller := test.forwarding.Caller(requestWith(test.sent), "request-1")
			if diff := cmp.Diff(test.want, caller.Provider); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
			for name := range caller.StoreHeader("Client-Key", "Secret", "Cookie") {
				t.Errorf("%s goes to the store", name)
			}
		})
	}
}

func TestCallerWithoutRequestID(t *testing.T) {
	if got := forwarding.Caller(requestWith(nil), "").Header; len(got) != 0 {
		t.Errorf("header: %v, want none", got)
	}
}

func TestStoreHeader(t *testing.T) {
	sent := http.Header{
		"Acl_rows": {`{"owner":"ada"}`}, "Acl_read_columns": {"name,email"}, "Acl_write_columns": {"name"},
		"Json-Query-Params-Encoding": {"base64"}, "Json_query_params_encoding": {"base64"}, "Miauserid": {"ada"},
	}
	tests := map[string]struct {
		names []string
		want  http.Header
	}{
		"none asked for":  {nil, http.Header{}},
		"rows":            {[]string{upstream.ACLRowsHeader}, http.Header{"Acl_rows": {`{"owner":"ada"}`}}},
		"columns":         {[]string{upstream.ACLReadColumnsHeader, upstream.ACLWriteColumnsHeader}, http.Header{"Acl_read_columns": {"name,email"}, "Acl_write_columns": {"name"}}},
		"either spelling": {[]string{upstream.QueryEncodingHeader}, http.Header{"Json-Query-Params-Encoding": {"base64"}, "Json_query_params_encoding": {"base64"}}},
		"not the store's": {[]string{"miauserid"}, http.Header{}},
	}
	caller := forwarding.Caller(requestWith(sent), "request-1")
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, caller.StoreHeader(test.names...)); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCallerOfContext(t *testing.T) {
	if diff := cmp.Diff(upstream.Caller{}, upstream.CallerFrom(t.Context())); diff != "" {
		t.Errorf("caller of work that no request caused (-want +got):\n%s", diff)
	}
	caller := forwarding.Caller(requestWith(http.Header{"miauserid": {"ada"}}), "request-1")
	if diff := cmp.Diff(caller, upstream.CallerFrom(upstream.WithCaller(t.Context(), caller))); diff != "" {
		t.Errorf("caller (-want +got):\n%s", diff)
	}
}
