package auth0test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// find returns the user names that a search finds, in order.
func (d *desk) find(q, more string) []string {
	d.t.Helper()
	got := d.manage("GET", "/users?q="+url.QueryEscape(q)+more, "")
	if got.status != 200 {
		d.t.Fatalf("search %s: %d %s", q, got.status, got.text)
	}
	names := []string{}
	for _, user := range got.list {
		names = append(names, user.(map[string]any)["username"].(string))
	}
	return names
}

func TestIndexFollowsLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{IndexLag: time.Second})
		id := d.user("ada")
		if diff := cmp.Diff([]string{}, d.find("username:ada", "")); diff != "" {
			t.Errorf("at once (-want +got):\n%s", diff)
		}
		d.want("by email at once", d.manage("GET", "/users-by-email?email=ada%40example.com", ""), 200, `"username":"ada"`)
		time.Sleep(time.Second)
		d.want("rename", d.manage("PATCH", "/users/"+id, `{"username":"eve"}`), 200, `"username":"eve"`)
		if diff := cmp.Diff([]string{"ada"}, d.find("username:ada", "")); diff != "" {
			t.Errorf("the old name (-want +got):\n%s", diff)
		}
		time.Sleep(time.Second)
		d.want("delete", d.manage("DELETE", "/users/"+id, ""), 204, "")
		if diff := cmp.Diff([]string{"eve"}, d.find("username:eve", "")); diff != "" {
			t.Errorf("a deleted user (-want +got):\n%s", diff)
		}
		time.Sleep(time.Second)
		if diff := cmp.Diff([]string{}, d.find("user_id:*", "")); diff != "" {
			t.Errorf("in the end (-want +got):\n%s", diff)
		}
	})
}

// TestIndexOfOneMadeAgain: a search sees one user of an id, be it the old one.
func TestIndexOfOneMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{IndexLag: time.Second})
		for _, name := range []string{"ada", "eve"} {
			if err := d.tenant.Sow([]byte(`[{"username":"` + name + `","user_id":"1"}]`)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
			if name == "ada" {
				d.want("delete", d.manage("DELETE", "/users/auth0%7C1", ""), 204, "")
			}
		}
		for _, q := range []string{`user_id:"auth0|1"`, "user_id:*"} {
			if diff := cmp.Diff([]string{"ada"}, d.find(q, "")); diff != "" {
				t.Errorf("%s, early (-want +got):\n%s", q, diff)
			}
		}
		time.Sleep(500 * time.Millisecond)
		for _, q := range []string{`user_id:"auth0|1"`, "user_id:*"} {
			if diff := cmp.Diff([]string{"eve"}, d.find(q, "")); diff != "" {
				t.Errorf("%s, late (-want +got):\n%s", q, diff)
			}
		}
	})
}

func TestQueries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := open(t, Config{})
		ids := map[string]string{}
		for _, name := range []string{"ada", "bob", "cyd"} {
			ids[name] = strings.ReplaceAll(d.user(name), "%7C", "|")
			time.Sleep(24 * time.Hour)
			d.token = "" // it has expired
		}
		d.manage("PATCH", "/users/"+url.PathEscape(ids["bob"]), `{"app_metadata":{"plan":{"level":"gold","seats":12},"tags":["x y","z","5*"]},"blocked":true,"user_metadata":{"color":"red"}}`)
		for q, want := range map[string][]string{
			`email:"ADA@example.com"`: {"ada"},
			`username:"ADA"`:          {},
			`email:ada*`:              {"ada"},
			`email:*example.com`:      {"cyd", "bob", "ada"},
			`user_id:("` + ids["ada"] + `" OR "` + ids["cyd"] + `")`:    {"cyd", "ada"},
			`user_id:"` + ids["ada"] + `" OR user_id:` + ids["bob"]:     {"bob", "ada"},
			`user_id:("` + ids["ada"] + `" "auth0|x") AND blocked:true`: {},
			`blocked:true`:                                        {"bob"},
			`NOT blocked:true`:                                    {"cyd", "ada"},
			`-blocked:true AND NOT username:ada`:                  {"cyd"},
			`_exists_:app_metadata.plan`:                          {"bob"},
			`NOT _exists_:blocked`:                                {"cyd", "ada"},
			`app_metadata.plan.level:"gold"`:                      {"bob"},
			`app_metadata.plan.seats:[3 TO 100]`:                  {"bob"},
			`app_metadata.tags:"x y"`:                             {"bob"},
			`identities.connection:"` + Connection + `"`:          {"cyd", "bob", "ada"},
			`created_at:[2000-01-02 TO *]`:                        {"cyd", "bob"},
			`created_at:{* TO 2000-01-02T00:00:00.000Z}`:          {"ada"},
			`(username:ada OR username:bob) AND NOT blocked:true`: {"ada"},
			`user_metadata.color:red`:                             {"bob"},
			`app_metadata.plan.level:*old`:                        {"bob"},
			`app_metadata.tags:z\*`:                               {},
			`app_metadata.tags:5\*`:                               {"bob"},
			`app_metadata.tags:5\**`:                              {"bob"},
			`app_metadata.plan.level:*OLD`:                        {},
			`email:*BOB*`:                                         {"bob"},
		} {
			if diff := cmp.Diff(want, d.find(q, "")); diff != "" {
				t.Errorf("%s (-want +got):\n%s", q, diff)
			}
		}
		if diff := cmp.Diff([]string{"ada", "bob"}, d.find("user_id:*", "&sort=created_at:1&per_page=2")); diff != "" {
			t.Errorf("sorted (-want +got):\n%s", diff)
		}
		for _, q := range []string{`email:`, `"ada"`, `ada`, `(email:ada`, `email:"ada`, `email:*ex`, `user_metadata.color:r*`, `created_at:[1`, `AND`, `email:a OR`, `)`, `_exists_:`, `_exists_:(`} {
			d.want(q, d.manage("GET", "/users?q="+url.QueryEscape(q), ""), 400, "invalid_query_string")
		}
	})
}

func TestPages(t *testing.T) {
	d := open(t, Config{})
	var seed []string
	for i := range 1050 {
		seed = append(seed, fmt.Sprintf(`{"email":"u%04d@example.com","username":"u%04d"}`, i, i))
	}
	if err := d.tenant.Sow([]byte("[" + strings.Join(seed, ",") + "]")); err != nil {
		t.Fatal(err)
	}
	if got := d.manage("GET", "/users", ""); len(got.list) != 50 {
		t.Errorf("%d users without per_page, want 50", len(got.list))
	}
	got := d.manage("GET", "/users?per_page=100&page=9&include_totals=true", "")
	if got.body["start"] != 900.0 || got.body["limit"] != 100.0 || got.body["length"] != 100.0 || got.body["total"] != 1050.0 {
		t.Errorf("the last page: %.200s", got.text)
	}
	d.want("beyond 1000", d.manage("GET", "/users?per_page=100&page=10", ""), 400, "invalid_paging")
	d.want("over 1000 in part", d.manage("GET", "/users?per_page=99&page=10", ""), 400, "invalid_paging")
	d.want("too large a page", d.manage("GET", "/users?per_page=101", ""), 400,
		"Query validation error: 'Value 101 is greater than maximum 100' on property per_page (Number of results per page. Defaults to 50).")
	d.want("no users", d.manage("GET", "/users?per_page=0&include_totals=true", ""), 200, `"users":[]`)
	d.want("an unknown parameter", d.manage("GET", "/users?x=1", ""), 400, "'Additional properties not allowed: x'")
	d.want("an old engine", d.manage("GET", "/users?q=email:*&search_engine=v2", ""), 400, "not allowed to use search_engine=v2")
	d.want("unknown fields", d.manage("GET", "/users?fields=email,shoe", ""), 400, "does not match pattern")
	d.want("fields", d.manage("GET", "/users?fields=email&per_page=1", ""), 200, `[{"email":"u1049@example.com"}]`)
	d.want("a long URL", d.manage("GET", "/users?q="+strings.Repeat("x", 9000), ""), 414, "")
}

// TestSort: numbers are sorted as numbers, and who has none comes first.
func TestSort(t *testing.T) {
	d := open(t, Config{})
	for name, logins := range map[string]int{"ada": 10, "bob": 2, "cyd": 0} {
		d.user(name)
		for range logins {
			d.login(name, horse)
		}
	}
	if diff := cmp.Diff([]string{"cyd", "bob", "ada"}, d.find("user_id:*", "&sort=logins_count:1")); diff != "" {
		t.Errorf("upwards (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"ada", "bob", "cyd"}, d.find("user_id:*", "&sort=logins_count:-1")); diff != "" {
		t.Errorf("downwards (-want +got):\n%s", diff)
	}
	for _, sort := range []string{":1", "email", "email:2", "user_metadata.a:1", "e!:1"} {
		d.want(sort, d.manage("GET", "/users?sort="+url.QueryEscape(sort), ""), 400, "on property sort.")
	}
}

// TestFarPages: pages far behind the end are answered as any other.
func TestFarPages(t *testing.T) {
	d := open(t, Config{})
	const far = "page=9223372036854775807"
	d.want("users", d.manage("GET", "/users?"+far, ""), 400, "invalid_paging")
	d.want("connections", d.manage("GET", "/connections?"+far, ""), 200, "[]")
	d.want("credentials", d.manage("GET", "/device-credentials?type=refresh_token&"+far, ""), 200, "[]")
	d.want("an unknown parameter", d.manage("GET", "/users?x=1&y=2", ""), 400, `"message":"Query validation error: 'Additional properties not allowed: x,y'"`)
}
