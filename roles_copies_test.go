package main

import (
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"user-manager/crud"
	"user-manager/rond/rondtest"
	"user-manager/upstream"
)

// withRond has copies grant roles by one Rönd.
func (c *copies) withRond() *rondtest.Rond {
	stand := rondtest.New(rondtest.Config{})
	c.neighbours = func(cfg config, n *neighbours) {
		cfg.rond = rondConfig{url: "http://rond"}
		grants, err := openGrants(cfg, crud.InProcess(stand), testLog(c.t), upstream.Observer{})
		if err != nil {
			c.t.Fatal(err)
		}
		n.grants = grants
	}
	return stand
}

// TestRolesMeanwhile: while one copy changes the roles of a user that has no account, another
// gives it one. The account has the roles that the user has.
func TestRolesMeanwhile(t *testing.T) {
	t.Parallel()
	gives := map[string]func(m *member, id string) reply{
		"activation": func(m *member, id string) reply {
			return m.call("POST", "/jobs/bulk-activation", `[{"filter":{"userId":"`+id+`"}}]`)
		},
		"registration": func(m *member, id string) reply {
			return m.call("POST", "/users/register?sendResetPwdEmail=false", `{"_id":"`+id+`"}`)
		},
	}
	for how, give := range gives {
		for name, first := range map[string]string{"other roles": `"roles":["editor"],`, "no roles before": ``} {
			for _, held := range []int{0, 1} {
				what := []string{"the change", "the mark"}[held]
				t.Run(how+", "+name+", "+what+" comes late", func(t *testing.T) {
					t.Parallel()
					synctest.Test(t, func(t *testing.T) { rolesMeanwhile(t, first, held, give) })
				})
			}
		}
	}
}

// rolesMeanwhile holds up the first change of the user by a copy, 0 that changes its roles or 1
// that gives it an account, until the other is done.
func rolesMeanwhile(t *testing.T, first string, held int, give func(m *member, id string) reply) {
	var armed atomic.Bool
	c := &copies{}
	rond := c.withRond()
	c.toStore = func(i int, next http.RoundTripper) http.RoundTripper {
		return watchedStore{next: next, before: func(r *http.Request) error {
			if i == held && r.Method == http.MethodPatch && strings.HasPrefix(r.URL.Path, "/users") && armed.CompareAndSwap(true, false) {
				<-time.After(3 * time.Second)
			}
			return nil
		}}
	}
	c.start(t, 2, 1)
	defer c.close()
	id := c.newUser(first+`"email":"u@example.com"`, true)
	armed.Store(true)
	works := []func() reply{
		func() reply { return c.members[0].call("PATCH", "/users/"+id, `{"roles":["boss"]}`) },
		func() reply { return give(c.members[1], id) },
	}
	var beside sync.WaitGroup
	beside.Go(func() { t.Log(works[held]()) })
	<-time.After(time.Second)
	t.Log(works[1-held]())
	beside.Wait()
	<-time.After(time.Minute)
	c.settled()
	for _, user := range c.all("/users") {
		account, _ := user["authUserId"].(string)
		var want []string
		if roles, _ := user["roles"].([]any); account != "" {
			for _, role := range roles {
				want = append(want, role.(string))
			}
		}
		if got := rond.Roles(account); !slices.Equal(want, got) {
			t.Errorf("the account of a user with %v has the roles %v", user["roles"], got)
		}
	}
	if armed.Load() {
		t.Error("nothing was held up")
	}
}
