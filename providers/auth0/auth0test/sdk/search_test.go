package sdk

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/auth0/go-auth0"
	"github.com/auth0/go-auth0/management"
	"github.com/google/go-cmp/cmp"

	"user-manager/providers/auth0/auth0test"
)

// crowd makes users u00 to u11; every third is an engineer, and the odd ones are blocked.
func crowd(t *testing.T, m *management.Management) {
	for i := range 12 {
		user(t, m, management.User{
			Email: auth0.String(fmt.Sprintf("u%02d@example.com", i)), EmailVerified: auth0.Bool(true), Name: auth0.String(fmt.Sprintf("User %d", i)),
			Blocked: auth0.Bool(i%2 == 1), AppMetadata: &map[string]any{"groups": []any{[]string{"engineers", "managers", "sales"}[i%3]}},
		})
	}
}

func TestSearch(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	crowd(t, m)
	first, err := m.User.ListByEmail(t.Context(), "u00@example.com")
	if err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string][]string{
		`email:"u03@example.com"`: {"u03"},
		`email:"U03@EXAMPLE.COM"`: {"u03"}, // in any case
		`email:u0*`:               {"u00", "u01", "u02", "u03", "u04", "u05", "u06", "u07", "u08", "u09"},
		`name:"user 11"`:          {"u11"},
		`app_metadata.groups:"engineers" AND blocked:true`:                          {"u03", "u09"},
		`(email:"u01@example.com" OR email:"u02@example.com") AND NOT blocked:true`: {"u02"},
		`user_id:"` + first[0].GetID() + `"`:                                        {"u00"},
		`identities.connection:"` + auth0test.Connection + `" AND email:u1*`:        {"u10", "u11"},
		`email:[u05@example.com TO u06@example.com]`:                                {"u05", "u06"},
		`_exists_:last_login`:        nil,
		`email:"nobody@example.com"`: nil,
	} {
		got, err := m.User.Search(t.Context(), management.Query(query), management.Sort("email:1"))
		if err != nil {
			t.Errorf("%s: %v", query, err)
			continue
		}
		var addresses []string
		for _, u := range got.Users {
			addresses = append(addresses, u.GetEmail()[:3])
		}
		if diff := cmp.Diff(want, addresses); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
		if wantList := (management.List{Limit: 50, Length: len(want), Total: len(want)}); got.List != wantList {
			t.Errorf("%s: want %+v, got %+v", query, wantList, got.List)
		}
	}
}

func TestPages(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	crowd(t, m)
	var addresses []string
	for page, more := 0, true; more; page++ {
		got, err := m.User.List(t.Context(), management.Page(page), management.PerPage(5), management.Sort("email:-1"))
		if err != nil {
			t.Fatal(err)
		}
		if want := (management.List{Start: 5 * page, Limit: 5, Length: min(5, 12-5*page), Total: 12}); got.List != want {
			t.Errorf("page %d: want %+v, got %+v", page, want, got.List)
		}
		for _, u := range got.Users {
			addresses = append(addresses, u.GetEmail())
		}
		more = got.HasNext()
	}
	sorted := slices.IsSortedFunc(addresses, func(a, b string) int { return strings.Compare(b, a) })
	if !sorted || len(slices.Compact(addresses)) != 12 {
		t.Errorf("want 12 addresses, each once, from the last to the first, got %v", addresses)
	}
}

func TestSearchIsRefused(t *testing.T) {
	m := newTenant(t, auth0test.Config{}).management(t)
	for name, c := range map[string]struct {
		option  management.RequestOption
		message string
	}{
		"too many on a page":       {management.PerPage(101), "Query validation error: 'Value 101 is greater than maximum 100' on property per_page"},
		"beyond the first 1000":    {management.Page(20), "You can only page through the first 1000 records."},
		"a parameter nobody knows": {management.Parameter("colour", "red"), "Additional properties not allowed: colour"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := m.User.Search(t.Context(), management.Query(`email:"a@example.com"`), c.option)
			refused(t, err, http.StatusBadRequest, c.message)
		})
	}
}
