package embedded

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// A ledger keeps what a store under load has answered, to be compared with what is
// there after the worst.
type ledger struct {
	mu    sync.Mutex
	users map[string]fate // guarded by mu; by id
}

// fate is what a user must be like: there, with n as its count, or gone.
type fate struct {
	n        int
	counting bool // n+1 was sent and not answered
	removing bool // a deletion was sent and not answered
	removed  bool
}

// note takes in one line of [load].
func (l *ledger) note(line string) {
	var verb, id string
	var n int
	if fields, _ := fmt.Sscanf(line, "%s %s %d", &verb, &id, &n); fields != 3 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users == nil {
		l.users = map[string]fate{}
	}
	switch verb {
	case "created", "counted":
		l.users[id] = fate{n: n}
	case "counting":
		l.users[id] = fate{n: n - 1, counting: true}
	case "removing":
		l.users[id] = fate{n: n, removing: true}
	case "removed":
		l.users[id] = fate{removed: true}
	}
}

// snapshot is the ledger as it is now.
func (l *ledger) snapshot() map[string]fate {
	l.mu.Lock()
	defer l.mu.Unlock()
	users := make(map[string]fate, len(l.users))
	for id, f := range l.users {
		users[id] = f
	}
	return users
}

// load creates, changes and removes users with eight writers until ctx is over, and
// says each step before it is sent and after it was answered. Any two users of a round
// have different addresses, and every tenth creation is a duplicate.
func load(ctx context.Context, t *testing.T, s *Store, round string, say func(line string)) {
	inParallel(8, func(w int) {
		for i := 0; ctx.Err() == nil; i++ {
			body := fmt.Sprintf(`{"userGroup":"g","email":"%s-%d-%d@x.io","n":0,"more":%q}`, round, w, i-i%10/9*2, strings.Repeat("x", rand.IntN(600)))
			status, answer := do(t, s, "POST", "/users/", body)
			if duplicate := i%10 == 9; duplicate != (status == http.StatusConflict) || status >= 500 {
				t.Errorf("create: %d %s", status, answer)
				return
			}
			_, rest, created := strings.Cut(answer, `{"_id":"`)
			if !created {
				continue
			}
			id := strings.TrimSuffix(rest, `"}`)
			say("created " + id + " 0")
			for n := 1; n <= i%3; n++ {
				say(fmt.Sprintf("counting %s %d", id, n))
				must(t, s, "PATCH", "/users/"+id, `{"$inc":{"n":1}}`)
				say(fmt.Sprintf("counted %s %d", id, n))
			}
			if i%4 == 0 {
				say(fmt.Sprintf("removing %s %d", id, i%3))
				must(t, s, "DELETE", "/users/"+id, "")
				say("removed " + id + " 0")
			}
		}
	})
}

// holds opens a file and compares it with a ledger from before it came to be as it is,
// and one from after. The file is sound, and what it has is unique.
func holds(t *testing.T, path string, before, after map[string]fate) {
	t.Helper()
	s := usersStore(t, path)
	defer s.Close()
	if err := s.Check(t.Context()); err != nil {
		t.Error(err)
	}
	counts, emails := map[string]int{}, map[string]bool{}
	for line := range strings.Lines(must(t, s, "GET", "/users/export?_p=n,email", "")) {
		var doc struct {
			ID    string `json:"_id"`
			Email string `json:"email"`
			N     int    `json:"n"`
		}
		if err := json.Unmarshal([]byte(line), &doc); err != nil {
			t.Fatal(err)
		}
		if emails[doc.Email] {
			t.Errorf("two users have the address %s", doc.Email)
		}
		emails[doc.Email] = true
		counts[doc.ID] = doc.N
	}
	for id, least := range before {
		n, there := counts[id]
		most := after[id]
		switch {
		case least.removed && there:
			t.Errorf("%s was removed and is there", id)
		case !there && !most.removed && !most.removing:
			t.Errorf("%s was answered and is lost", id)
		case there && (n < least.n || n > most.n && !most.removed && !(most.counting && n == most.n+1)):
			t.Errorf("%s counts %d, answered was %d to %d", id, n, least.n, most.n)
		}
		if t.Failed() {
			return
		}
	}
}
