package users

import (
	"fmt"
	"sync"
	"testing"

	"user-manager/crud"
)

// TestUsersHeldAgainstPatternsAtOnce: many users of a group are held against its schema at the
// same time, for the first time and later.
func TestUsersHeldAgainstPatternsAtOnce(t *testing.T) {
	t.Parallel()
	schema := `{"properties": {"code": {"type": "string", "pattern": "^[A-Z]+$"}}, "patternProperties": {"^x-": {"type": "string", "pattern": "^[a-z]+$"}, "^y-": {"type": "number"}}}`
	g, err := compileGroup("g", crud.Document{"crudSchema": object(t, schema)})
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 200 {
				user := crud.Document{"userGroup": "g", "code": "OK", fmt.Sprintf("x-%d", i): "ok", "y-z": 1}
				if n%2 == 1 {
					user["code"] = "wrong"
				}
				if err := g.check(user); (err != nil) != (n%2 == 1) {
					t.Errorf("user %d of goroutine %d: %v", n, i, err)
				}
			}
		})
	}
	all.Wait()
}
